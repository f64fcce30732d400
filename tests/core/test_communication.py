"""Messages, events and durable sleep."""

from __future__ import annotations

import time

import pytest
from django.db import transaction

import durable
from durable.errors import InsideStep, InvalidOption, WorkflowNotFound
from durable.models import Event, Message, Step, Wait, Workflow
from tests.app import workflows as app
from tests.support import run_async, wait_until


def parked(handle, reason=None):
    def waits():
        row = handle.get_status()
        return (
            row.status == "PENDING" and row.executor is None and row.waiting_for and reason in (None, row.waiting_for)
        )

    return wait_until(waits, 10, f"it parks for {reason}")


def test_messages_are_received_once_and_in_order(executor):
    handle = app.receives.start("t", 30, 5)
    for n in range(5):
        durable.send(handle.workflow_id, {"n": n}, "t")
    assert handle.get_result(timeout=10) == [{"n": n} for n in range(5)]
    assert list(Message.objects.values_list("consumed_seq", flat=True)) == [1, 3, 5, 7, 9]


def test_topics_are_mailboxes_of_their_own(executor):
    handle = app.receives.start("wanted", 30)
    durable.send(handle.workflow_id, "no topic")
    durable.send(handle.workflow_id, "other", "other")
    durable.send(handle.workflow_id, "it", "wanted")
    assert handle.get_result(timeout=10) == ["it"]
    assert Message.objects.filter(consumed_seq=None).count() == 2


def test_recv_gives_none_after_its_timeout_and_takes_two_slots(executor):
    handle = app.receives.start("t", 0.05)
    assert handle.get_result(timeout=10) == [None]
    assert [(s.seq, s.name) for s in Step.objects.all()] == [(1, "recv"), (2, "sleep")]


def test_a_message_wakes_a_parked_receiver_at_once(executor):
    for start, outcome in ((app.receives, ["hi"]), (app.areceives, "hi")):
        handle = start.start("t", 600)
        parked(handle, "message:t")
        assert Wait.objects.filter(kind="message", target=handle.workflow_id, detail="t").exists()
        durable.send(handle.workflow_id, "hi", "t")
        assert handle.get_result(timeout=5) == outcome
        assert not Wait.objects.exists()


def test_the_timeout_of_recv_does_not_start_again_after_parking(executor):
    handle = app.receives.start("t", 1.0)
    began = time.monotonic()
    parked(handle)
    durable.send(handle.workflow_id, "elsewhere", "u")
    assert handle.get_result(timeout=10) == [None]
    assert time.monotonic() - began < 5


def test_a_key_that_the_mailbox_has_seen_is_dropped(executor):
    handle = app.receives.start("t", 0.5, 2)
    for _ in range(3):
        durable.send(handle.workflow_id, "once", "t", idempotency_key="k")
    with durable.SetWorkflowID("k"):
        durable.send(handle.workflow_id, "once", "t")
    assert handle.get_result(timeout=10) == ["once", None]


@durable.workflow()
def sends_twice(destination):
    durable.send(destination, 1)
    durable.sleep(0.5)  # parks: the first send is replayed
    durable.send(destination, 2)


def test_a_send_from_a_workflow_happens_once_however_often_it_is_replayed(executor):
    receiver = app.receives.start(None, 10, 2)
    sends_twice.start(receiver.workflow_id).get_result(timeout=10)
    assert receiver.get_result(timeout=10) == [1, 2]
    assert Message.objects.count() == 2


@durable.workflow()
def sends_to_nobody():
    try:
        durable.send("nobody", 1)
    except WorkflowNotFound as error:
        return str(error)


def test_sending_to_a_missing_workflow_is_an_error_that_is_recorded(executor):
    assert "'nobody'" in sends_to_nobody.start().get_result(timeout=10)
    assert "WorkflowNotFound" in Step.objects.get().error


def test_a_bulk_send_delivers_all_or_nothing(executor):
    one, two = app.receives.start("t", 600), app.receives.start("t", 600)
    with pytest.raises(WorkflowNotFound):
        durable.send_bulk(
            [{"destination_id": one.workflow_id, "message": 1, "topic": "t"}, {"destination_id": "x", "message": 2}]
        )
    twice = {"destination_id": one.workflow_id, "message": 1, "idempotency_key": "same"}
    with pytest.raises(InvalidOption, match="twice"):
        durable.send_bulk([twice, twice])
    assert not Message.objects.exists()
    durable.send_bulk({"destination_id": h.workflow_id, "message": n, "topic": "t"} for n, h in enumerate((one, two)))
    assert durable.gather([one, two]) == [[0], [1]]


def test_a_send_inside_atomic_is_delivered_with_it_or_not_at_all(executor):
    handle = app.receives.start("t", 600)
    parked(handle, "message:t")
    with pytest.raises(ValueError), transaction.atomic():
        durable.send(handle.workflow_id, "never", "t")
        raise ValueError
    with transaction.atomic():
        durable.send(handle.workflow_id, "committed", "t")
    assert handle.get_result(timeout=5) == ["committed"]


@durable.workflow()
def publishes():
    durable.set_event("k", {"v": 1})
    durable.set_event("k", {"v": 2})
    durable.set_event("other", None)
    publish_from_step()
    durable.recv("end", 600)


@durable.step()
def publish_from_step():
    durable.set_event("from step", "s")
    durable.set_event("from step", "t")


def test_events_hold_their_newest_value_and_their_history(executor):
    handle = publishes.start()
    wait_until(
        lambda: durable.get_event(handle.workflow_id, "from step", 10) == "t", 10, "the step has published twice"
    )
    assert durable.get_event(handle.workflow_id, "k", 10) == {"v": 2}
    assert durable.get_all_events(handle.workflow_id) == {"k": {"v": 2}, "other": None, "from step": "t"}
    history = Event.objects.filter(workflow_id=handle.workflow_id, key="k").values_list("seq", "value")
    assert list(history) == [(1, '{"v":1}'), (2, '{"v":2}')]
    durable.send(handle.workflow_id, 0, "end")


def test_an_event_that_never_comes_is_none(executor):
    handle = app.naps.start(600)
    assert durable.get_event(handle.workflow_id, "k", 0.05) is None
    assert durable.get_event("nobody", "k", 0) is None
    durable.cancel_workflow(handle.workflow_id)


def test_an_event_wakes_a_parked_reader_which_records_what_it_read(executor):
    writer = app.receives.start("x", 600)
    reader = app.watches.start(writer.workflow_id, "progress", 600)
    parked(reader, f"event:{writer.workflow_id}/progress")
    setter = sets.using(workflow_id="setter")
    reader_of_setter = app.watches.start("setter", "progress", 600)
    parked(reader_of_setter)
    setter.start(42)
    assert reader_of_setter.get_result(timeout=5) == 42
    rows = [(s.seq, s.name) for s in Step.objects.filter(workflow_id=reader_of_setter.workflow_id)]
    assert rows == [(1, "get_event"), (2, "sleep")]
    for handle in (writer, reader):
        durable.cancel_workflow(handle.workflow_id)


@durable.workflow()
def sets(value):
    durable.set_event("progress", value)


def test_events_are_read_from_coroutines(executor):
    sets.using(workflow_id="s").start(7)

    async def main():
        value = await durable.aget_event("s", "progress", 10)
        return value, await durable.aget_all_events("s")

    assert run_async(main()) == (7, {"progress": 7})


@durable.step()
def receives_in_a_step():
    return durable.recv("t", 0)


@durable.workflow()
def misuses():
    return receives_in_a_step()


def test_recv_inside_a_step_is_refused(executor):
    with pytest.raises(InsideStep, match="recv"):
        misuses.start().get_result(timeout=10)


def test_a_sleep_keeps_its_first_deadline(executor):
    handle = app.naps.start(1.0)
    parked(handle, "sleep")
    woken = Step.objects.get(workflow_id=handle.workflow_id, kind="sleep")
    assert handle.get_result(timeout=10) == "woke"
    after = Step.objects.get(workflow_id=handle.workflow_id, seq=3)
    assert 0 <= after.started_at.timestamp() - float(woken.output) < 1.0
    assert woken.completed_at.timestamp() == pytest.approx(float(woken.output), abs=0.01)


def test_a_short_sleep_stays_in_memory(executor):
    handle = app.naps.start(0.05)
    handle.get_result(timeout=10)
    assert Workflow.objects.get().epoch == 1


@pytest.mark.parametrize("wrong", ["soon", None, float("nan"), True])
def test_an_impossible_duration_is_refused(database, wrong):
    with pytest.raises(InvalidOption, match="number of seconds"):
        durable.get_event("x", "k", wrong)
