"""Events with their history, and messages that are sent together."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from django.db import OperationalError

import durable
from durable.errors import InvalidOption, OutsideWorkflow, SerializationError, WorkflowNotFound
from durable.executor import Executor, recorder
from durable.models import Event, Message, Step, Wait
from tests.app import workflows as app
from tests.support import run_async, wait_until

from .watching import ended, parked

tries: list[int] = []


@pytest.fixture(autouse=True)
def no_tries():
    tries.clear()


@durable.workflow(name="events.says")
def says(key: str = "k") -> str:
    """Publishes what it is sent; None ends it."""
    while (value := durable.recv("say", 600)) is not None:
        durable.set_event(key, value)
    return "done"


@durable.workflow(name="events.hears")
def hears(workflow_id: str, key: str = "k", timeout: float = 600) -> Any:
    return durable.get_event(workflow_id, key, timeout)


@durable.workflow(name="events.ahears")
async def ahears(workflow_id: str, key: str = "k", timeout: float = 600) -> Any:
    return await durable.aget_event(workflow_id, key, timeout)


def history(workflow_id: str, key: str = "k") -> list[tuple[int, Any]]:
    rows = Event.objects.filter(workflow_id=workflow_id, key=key).values_list("seq", "value")
    return [(seq, json.loads(value)) for seq, value in rows]


# --- history


@durable.workflow(name="events.grows")
def grows() -> None:
    durable.set_event("k", 1)
    durable.set_event("other", {"a": [1]})
    durable.set_event("k", None)
    durable.sleep(0.4)  # parks: what was set is not set again
    durable.set_event("k", 3)


@durable.workflow(name="events.agrows")
async def agrows() -> None:
    await durable.aset_event("k", 1)
    await durable.aset_event("other", {"a": [1]})
    await durable.aset_event("k", None)
    await durable.asleep(0.4)
    await durable.aset_event("k", 3)


@pytest.mark.parametrize("writer", [grows, agrows], ids=["thread", "coroutine"])
def test_an_event_has_its_newest_value_and_keeps_all_by_the_slot_that_set_them(executor, writer):
    handle = writer.start()
    handle.get_result(timeout=10)
    assert history(handle.workflow_id) == [(1, 1), (3, None), (5, 3)]
    assert durable.get_event(handle.workflow_id, "k") == 3
    assert durable.get_all_events(handle.workflow_id) == {"k": 3, "other": {"a": [1]}}
    assert run_async(durable.aget_all_events(handle.workflow_id)) == {"k": 3, "other": {"a": [1]}}


def test_none_is_a_value_and_no_reason_to_wait(executor):
    handle = says.start()
    durable.send(handle.workflow_id, False, "say")
    wait_until(lambda: history(handle.workflow_id), 10)
    assert durable.get_event(handle.workflow_id, "k", 30) is False
    writer = grows.start()
    wait_until(lambda: len(history(writer.workflow_id)) == 2, 10)
    began = time.monotonic()
    assert durable.get_event(writer.workflow_id, "k", 30) is None
    assert hears.start(writer.workflow_id).get_result(timeout=10) in (None, 3)
    assert time.monotonic() - began < 10
    durable.cancel_workflow(handle.workflow_id)


def test_a_value_whose_acknowledgement_was_lost_is_set_once(executor, monkeypatch):
    write, lost = recorder.write, []

    def writes(backend, session, entries):
        written = write(backend, session, entries)
        if not lost and any(e.record and e.record.rows and e.record.rows[0].name == "set_event" for e in entries):
            lost.append(entries)
            raise OperationalError("the connection was closed")
        return written

    monkeypatch.setattr(recorder, "write", writes)
    handle = grows.start()
    handle.get_result(timeout=10)
    assert lost and history(handle.workflow_id) == [(1, 1), (3, None), (5, 3)]


@durable.step(name="events.flaky", retries_allowed=True, max_attempts=3, interval_seconds=0.01)
def flaky() -> int:
    tries.append(1)
    durable.set_event("k", f"attempt {len(tries)}")
    durable.set_event("k", f"end of attempt {len(tries)}")
    if len(tries) < 3:
        raise ValueError("not yet")
    return len(tries)


@durable.transaction(name="events.books")
def books() -> None:
    tries.append(1)
    durable.set_event("k", f"booked at {len(tries)}")
    if len(tries) == 1:
        raise OperationalError("database is locked") from type("Busy", (Exception,), {"sqlstate": "40001"})()
    if len(tries) == 2:
        raise ValueError("rolled back")


@durable.workflow(name="events.from_steps")
def from_steps(in_transaction: bool) -> Any:
    durable.set_event("k", "before")
    try:
        return books() if in_transaction else flaky()
    except ValueError:
        return "failed"


def test_a_step_sets_a_value_with_each_attempt_and_has_one_place_in_the_history(executor):
    handle = from_steps.start(False)
    assert handle.get_result(timeout=10) == 3
    assert history(handle.workflow_id) == [(1, "before"), (2, "end of attempt 3")]


def test_what_a_transaction_sets_is_rolled_back_with_it(executor):
    handle = from_steps.start(True)
    assert handle.get_result(timeout=10) == "failed"
    assert len(tries) == 2 and history(handle.workflow_id) == [(1, "before")]
    tries[:] = [1, 1]
    handle = from_steps.start(True)
    handle.get_result(timeout=10)
    assert history(handle.workflow_id) == [(1, "before"), (2, "booked at 3")]


@durable.workflow(name="events.gathers")
async def gathers(n: int) -> None:
    await asyncio.gather(*[durable.aset_event("k", i) for i in range(n)])


def test_events_that_are_set_at_once_keep_the_order_of_the_calls(executor):
    handle = gathers.start(30)
    handle.get_result(timeout=10)
    assert history(handle.workflow_id) == [(n + 1, n) for n in range(30)]
    assert durable.get_event(handle.workflow_id, "k") == 29


def test_events_are_set_in_a_workflow_and_only_with_what_can_be_stored(executor):
    with pytest.raises(OutsideWorkflow):
        durable.set_event("k", 1)
    with pytest.raises(SerializationError):
        sets_a_thread.start().get_result(timeout=10)
    assert not Event.objects.exists()


@durable.workflow(name="events.sets_a_thread")
def sets_a_thread() -> None:
    durable.set_event("k", object())


# --- waiting


@pytest.mark.parametrize("reader", [hears, ahears], ids=["thread", "coroutine"])
def test_a_parked_reader_wakes_when_the_event_comes_and_when_its_writer_ends(executor, reader):
    writer = says.start()
    follower = reader.start(writer.workflow_id)
    parked(follower, f"event:{writer.workflow_id}/k")
    durable.send(writer.workflow_id, "now", "say")
    assert follower.get_result(timeout=10) == "now"
    assert not Wait.objects.filter(workflow_id=follower.workflow_id).exists()
    late = reader.start(writer.workflow_id, "never set")
    parked(late)
    durable.cancel_workflow(writer.workflow_id)
    assert late.get_result(timeout=10) is None


@durable.workflow(name="events.hears_twice")
def hears_twice(workflow_id: str, timeout: float) -> list[Any]:
    first = durable.get_event(workflow_id, "k", timeout)
    durable.sleep(0.4)  # parks: what was read, or that nothing came, is not asked for again
    return [first, durable.get_event(workflow_id, "k", 0)]


def test_what_was_read_and_that_nothing_came_are_recorded(executor):
    writer = says.start()
    durable.send(writer.workflow_id, 1, "say")
    wait_until(lambda: history(writer.workflow_id), 10)
    reader = hears_twice.start(writer.workflow_id, 10)
    in_vain = hears_twice.start("nobody", 0.05)
    wait_until(lambda: reader.get_status().waiting_for == "sleep", 10)
    durable.send(writer.workflow_id, 2, "say")
    assert reader.get_result(timeout=10) == [1, 2]
    assert in_vain.get_result(timeout=10) == [None, None]
    names = Step.objects.filter(workflow_id=in_vain.workflow_id).values_list("seq", "name")
    assert list(names) == [(1, "get_event"), (2, "sleep"), (3, "sleep"), (4, "get_event"), (5, "sleep")]
    durable.cancel_workflow(writer.workflow_id)


def test_the_timeout_of_get_event_is_kept_over_parking(executor):
    writer = says.start()
    reader = hears.start(writer.workflow_id, timeout=0.8)
    row = parked(reader)
    deadline = float(Step.objects.get(workflow_id=reader.workflow_id, name="sleep").output)
    assert row.wake_at.timestamp() == pytest.approx(deadline, abs=0.01)
    durable.send(writer.workflow_id, 1, "elsewhere")
    assert reader.get_result(timeout=10) is None
    assert 0 <= reader.get_status().completed_at.timestamp() - deadline < 1
    durable.cancel_workflow(writer.workflow_id)


def test_a_crash_after_an_event_was_set_changes_nothing(database):
    first = Executor(label="first").start()
    handle = says.start()
    durable.send(handle.workflow_id, "a", "say")
    wait_until(lambda: history(handle.workflow_id), 10)
    first.stop()
    second = Executor(label="second").start()
    for value in ("b", None):
        durable.send(handle.workflow_id, value, "say")
    assert handle.get_result(timeout=10) == "done"
    assert [value for _, value in history(handle.workflow_id)] == ["a", "b"]
    second.drain(1)


@durable.step(name="events.hears_in_a_step")
def hears_in_a_step(workflow_id: str) -> Any:
    return durable.get_event(workflow_id, "k", 10), durable.get_all_events(workflow_id)


@durable.workflow(name="events.asks_a_step")
def asks_a_step(workflow_id: str) -> Any:
    return [*hears_in_a_step(workflow_id), durable.get_all_events(workflow_id)]


def test_a_step_reads_events_without_a_record_of_its_own(executor):
    writer = says.start()
    durable.send(writer.workflow_id, 5, "say")
    reader = asks_a_step.start(writer.workflow_id)
    assert reader.get_result(timeout=10) == [5, {"k": 5}, {"k": 5}]
    names = Step.objects.filter(workflow_id=reader.workflow_id).values_list("name", flat=True)
    assert list(names) == ["events.hears_in_a_step", "get_all_events"]
    durable.cancel_workflow(writer.workflow_id)


# --- messages that are sent together


@durable.workflow(name="events.sends_many")
def sends_many(destinations: list[str]) -> str:
    messages = [{"destination_id": each, "message": n, "topic": "t"} for n, each in enumerate(destinations)]
    try:
        durable.send_bulk(messages)
    except WorkflowNotFound as error:
        return str(error)
    durable.sleep(0.4)  # parks: what was sent is not sent again
    return "sent"


@durable.workflow(name="events.asends_many")
async def asends_many(destinations: list[str]) -> str:
    messages = [{"destination_id": each, "message": n, "topic": "t"} for n, each in enumerate(destinations)]
    try:
        await durable.asend_bulk(messages)
    except WorkflowNotFound as error:
        return str(error)
    await durable.asleep(0.4)
    return "sent"


@pytest.mark.parametrize("sender", [sends_many, asends_many], ids=["thread", "coroutine"])
def test_a_workflow_sends_many_in_one_slot_and_once(executor, sender):
    one, two = app.receives.start("t", 60, 2), app.receives.start("t", 60)
    to = [one.workflow_id, two.workflow_id, one.workflow_id]
    handle = sender.start(to)
    assert durable.gather([one, two]) == [[0, 2], [1]]
    assert handle.get_result(timeout=10) == "sent"
    assert Step.objects.filter(workflow_id=handle.workflow_id, name="send_bulk").count() == 1
    assert Message.objects.count() == 3


@pytest.mark.parametrize("sender", [sends_many, asends_many], ids=["thread", "coroutine"])
def test_one_unknown_destination_delivers_nothing_and_is_recorded(executor, sender):
    receiver = app.receives.start("t", 600)
    parked(receiver)
    handle = sender.start([receiver.workflow_id, "nobody"])
    assert "'nobody'" in handle.get_result(timeout=10)
    assert "WorkflowNotFound" in Step.objects.get(workflow_id=handle.workflow_id).error
    assert not Message.objects.exists()
    durable.cancel_workflow(receiver.workflow_id)


def test_a_key_of_an_earlier_send_is_dropped_in_silence_and_the_others_arrive(executor):
    receiver = app.receives.start("t", 60, 3)
    to = {"destination_id": receiver.workflow_id, "topic": "t"}
    durable.send(receiver.workflow_id, "first", "t", idempotency_key="a")
    durable.send_bulk([to | {"message": "again", "idempotency_key": "a"}, to | {"message": "second"}])
    durable.send_bulk([to | {"message": "third", "idempotency_key": "b"}])
    assert receiver.get_result(timeout=10) == ["first", "second", "third"]


def test_a_key_may_be_given_once_to_each_destination(executor):
    receivers = [app.receives.start("t", 60) for _ in range(2)]
    durable.send_bulk(
        {"destination_id": each.workflow_id, "message": n, "topic": "t", "idempotency_key": "k"}
        for n, each in enumerate(receivers)
    )
    assert durable.gather(receivers) == [[0], [1]]
    twice = {"destination_id": receivers[0].workflow_id, "message": 1, "idempotency_key": "j"}
    with pytest.raises(InvalidOption, match="twice"):
        run_async(durable.asend_bulk([twice, twice]))
    assert Message.objects.count() == 2


@pytest.mark.parametrize("wrong", [
    {"message": 1},
    {"destination_id": "x"},
    {"destination_id": "x", "message": 1, "idempotency-key": "typo"},
])  # fmt: skip
def test_a_message_that_lacks_something_or_says_too_much_is_refused(database, wrong):
    with pytest.raises(InvalidOption, match="destination_id and message"):
        durable.send_bulk([wrong])


def test_ten_thousand_messages_with_keys_are_sent_at_once_and_none_twice(database):
    handle = app.receives.start("t", 600)
    many = [
        {"destination_id": handle.workflow_id, "message": n, "topic": "t", "idempotency_key": str(n)}
        for n in range(10_000)
    ]
    began = time.monotonic()
    durable.send_bulk(many)
    durable.send_bulk(many[:100])
    assert time.monotonic() - began < 8
    bodies = Message.objects.order_by("id").values_list("body", flat=True)
    assert list(bodies) == [str(n) for n in range(10_000)]


@durable.step(name="events.sends_in_a_step", retries_allowed=True, max_attempts=2, interval_seconds=0.01)
def sends_in_a_step(destination: str) -> None:
    tries.append(1)
    durable.send(destination, f"attempt {len(tries)}", "t")
    durable.send(destination, "with a key", "t", idempotency_key="once")
    if len(tries) < 2:
        raise ValueError("not yet")


@durable.transaction(name="events.sends_in_a_transaction")
def sends_in_a_transaction(destination: str, fail: bool) -> None:
    durable.send(destination, "from a transaction", "t")
    if fail:
        raise ValueError("rolled back")


@durable.workflow(name="events.sends_from_steps")
def sends_from_steps(destination: str) -> None:
    sends_in_a_step(destination)
    try:
        sends_in_a_transaction(destination, True)
    except ValueError:
        sends_in_a_transaction(destination, False)


def test_a_step_sends_again_with_each_attempt_and_a_transaction_when_it_commits(executor):
    receiver = app.receives.start("t", 60, 4)
    handle = sends_from_steps.start(receiver.workflow_id)
    assert ended(handle).status == "SUCCESS"
    assert receiver.get_result(timeout=10) == ["attempt 1", "with a key", "attempt 2", "from a transaction"]
