"""Steering workflows by id: from outside, from steps and transactions, and, recorded once, from other workflows."""

from __future__ import annotations

import pytest
from django.db import transaction

import durable
from durable.errors import (
    InvalidOption,
    NotDelayable,
    NotResumable,
    WorkflowNotFound,
    WorkflowWasCancelled,
)
from durable.models import Attempt, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until
from tests.support.threads import in_threads


@pytest.fixture(autouse=True)
def quick(settings):
    """Workflows that wait leave memory at once."""
    settings.DURABLE = {**settings.DURABLE, "PARK_AFTER_SECONDS": 0}


@durable.step(name="steering.notes")
def notes(key):
    Effect.objects.create(key=key)
    return key


@durable.workflow(name="steering.waits")
def waits(key="x"):
    first = notes(f"{key} first")
    return [first, durable.recv("go on", timeout_seconds=600)]


@durable.workflow(name="steering.fails")
def fails():
    raise ValueError("no luck")


@durable.workflow(name="steering.begets")
def begets(depth):
    if depth:
        begets.start(depth - 1)
    durable.recv("go on", timeout_seconds=600)


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def is_parked(handle) -> bool:
    return row(handle.workflow_id).waiting_for == "message:go on"


def statuses() -> list[str]:
    return sorted(Workflow.objects.values_list("status", flat=True))


# --- cancel


def test_cancelling_says_whether_this_call_did_it(executor):
    handle = waits.start()
    wait_until(lambda: is_parked(handle))
    assert durable.cancel_workflow(handle.workflow_id) is True
    assert durable.cancel_workflow(handle.workflow_id) is False
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    with pytest.raises(WorkflowNotFound, match="'nobody'"):
        durable.cancel_workflow("nobody")


@pytest.mark.parametrize("end", ["SUCCESS", "ERROR"])
def test_what_has_ended_stays_as_it_is(executor, end):
    handle = app.total.start(2) if end == "SUCCESS" else fails.start()
    wait_until(lambda: row(handle.workflow_id).is_finished)
    assert durable.cancel_workflow(handle.workflow_id) is False
    assert row(handle.workflow_id).status == end


def test_several_are_cancelled_together_and_unknown_and_ended_ones_left_out(database):
    first, second = waits.start(), waits.start()
    durable.cancel_workflow(second.workflow_id)
    ids = [first.workflow_id, second.workflow_id, "nobody", first.workflow_id]
    assert durable.cancel_workflows(ids) == [first.workflow_id]
    assert durable.cancel_workflows([]) == []


def test_children_are_cancelled_at_any_depth_when_that_is_asked_for(executor):
    alone, family = begets.start(2), begets.start(2)
    wait_until(lambda: Workflow.objects.filter(waiting_for="message:go on").count() == 6)
    durable.cancel_workflow(alone.workflow_id)
    assert durable.cancel_workflow(family.workflow_id, cancel_children=True) is True
    assert statuses() == ["CANCELLED"] * 4 + ["PENDING"] * 2
    assert set(Workflow.objects.filter(status="PENDING").values_list("id", flat=True)) == {
        f"{alone.workflow_id}-1", f"{alone.workflow_id}-1-1",
    }  # fmt: skip
    # children of what has been cancelled already are still reached
    assert durable.cancel_workflow(alone.workflow_id, cancel_children=True) is False
    assert statuses() == ["CANCELLED"] * 6


def test_a_cancellation_leaves_a_trace_with_the_epoch_that_it_ended(executor):
    handle = waits.start()
    wait_until(lambda: is_parked(handle))
    epoch = row(handle.workflow_id).epoch
    durable.cancel_workflow(handle.workflow_id)
    assert row(handle.workflow_id).epoch == epoch + 1
    assert Attempt.objects.filter(workflow_id=handle.workflow_id, outcome="cancelled", epoch=epoch).count() == 1


@pytest.mark.parametrize("wrong", [[None], [7], [["a"]], None])
@pytest.mark.parametrize("verb", [durable.cancel_workflows, durable.resume_workflows])
def test_what_is_no_id_is_refused(database, verb, wrong):
    with pytest.raises(InvalidOption, match="workflow_ids"):
        verb(wrong)


# --- resume


def test_a_resumed_workflow_goes_on_at_its_last_step_and_old_handles_get_its_result(executor):
    handle = waits.start()
    wait_until(lambda: is_parked(handle))
    durable.cancel_workflow(handle.workflow_id)
    assert durable.resume_workflow(handle.workflow_id) == handle
    durable.send(handle.workflow_id, 7, "go on")
    assert handle.get_result(timeout=10) == ["x first", 7]
    assert Effect.objects.count() == 1
    assert row(handle.workflow_id).failure is None


@pytest.mark.parametrize("delay", [None, 600], ids=["enqueued", "delayed"])
def test_what_has_not_started_starts_at_once_and_passes_its_queue_by(executor, delay):
    durable.register_queue("steering.full")
    durable.pause_queue("steering.full")
    with durable.SetEnqueueOptions(delay=delay):
        handle = durable.Queue("steering.full").enqueue(app.total, 3)
    durable.resume_workflow(handle.workflow_id)
    assert handle.get_result(timeout=10) == 3
    assert row(handle.workflow_id).queue_name is None


def test_or_waits_its_turn_in_the_queue_that_is_named(executor):
    handle = waits.start()
    durable.cancel_workflow(handle.workflow_id)
    durable.register_queue("steering.paused")
    durable.pause_queue("steering.paused")
    durable.resume_workflow(handle.workflow_id, queue="steering.paused")
    found = row(handle.workflow_id)
    assert (found.status, found.queue) == ("ENQUEUED", "steering.paused")
    durable.resume_queue("steering.paused")
    wait_until(lambda: is_parked(handle))
    durable.cancel_workflow(handle.workflow_id)


def test_what_runs_or_has_succeeded_is_left_alone(executor):
    running, ended = waits.start(), app.total.start(3)
    ended.get_result(timeout=10)
    wait_until(lambda: is_parked(running))
    epochs = [row(each.workflow_id).epoch for each in (running, ended)]
    assert durable.resume_workflows([running.workflow_id, ended.workflow_id]) == [running, ended]
    assert [row(each.workflow_id).epoch for each in (running, ended)] == epochs
    durable.cancel_workflow(running.workflow_id)


def test_what_has_failed_is_refused_with_the_way_out(executor):
    handle = fails.start()
    wait_until(lambda: row(handle.workflow_id).is_finished)
    with pytest.raises(NotResumable, match=r"is ERROR .* Fork it from an earlier step"):
        durable.resume_workflow(handle.workflow_id)
    assert row(handle.workflow_id).status == "ERROR"


def test_a_dead_letter_starts_its_count_again(executor):
    handle = waits.start()
    wait_until(lambda: is_parked(handle))
    dead = {"status": "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "failure": "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}
    Workflow.objects.update(**dead, recovery_attempts=101, wake_at=None, run_after=None)
    durable.resume_workflow(handle.workflow_id)
    durable.send(handle.workflow_id, 7, "go on")
    assert handle.get_result(timeout=10) == ["x first", 7]
    assert row(handle.workflow_id).recovery_attempts == 0


@pytest.mark.parametrize("bad", ["nobody", "failed"])
def test_of_several_all_are_resumed_or_none(database, bad):
    handle = waits.using(workflow_id="good").start()
    durable.cancel_workflow("good")
    Workflow.objects.create(id="failed", name="x", status="ERROR", failure="ERROR", input="")
    with pytest.raises((WorkflowNotFound, NotResumable), match=bad):
        durable.resume_workflows(["good", bad])
    assert row(handle.workflow_id).status == "CANCELLED"


def test_of_two_who_resume_at_once_one_does(database):
    handle = waits.start()
    durable.cancel_workflow(handle.workflow_id)
    epoch = row(handle.workflow_id).epoch
    found = in_threads(4, lambda _: durable.resume_workflow(handle.workflow_id).workflow_id)
    assert found == [handle.workflow_id] * 4
    assert row(handle.workflow_id).status == "ENQUEUED"
    assert row(handle.workflow_id).epoch >= epoch + 1
    assert Attempt.objects.filter(outcome="resumed").count() == row(handle.workflow_id).epoch - epoch


# --- attributes


def test_attributes_are_replaced_or_added_to(database):
    handle = waits.using(attributes={"a": 1, "b": [2]}).start()
    durable.update_workflow_attributes(handle.workflow_id, {"b": 3}, merge=True)
    assert row(handle.workflow_id).attributes == {"a": 1, "b": 3}
    durable.update_workflow_attributes(handle.workflow_id, {"c": None})
    assert row(handle.workflow_id).attributes == {"c": None}
    with pytest.raises(WorkflowNotFound):
        durable.update_workflow_attributes("nobody", {})


def test_two_who_add_attributes_at_once_lose_none(database):
    handle = waits.start()
    in_threads(6, lambda n: durable.update_workflow_attributes(handle.workflow_id, {f"k{n}": n}, merge=True))
    assert row(handle.workflow_id).attributes == {f"k{n}": n for n in range(6)}


@pytest.mark.parametrize("wrong", [None, [], {1: 2}, {"a": object()}, {"a": float("inf")}, {"\x00": 1}])
def test_what_is_no_json_object_is_refused(database, wrong):
    handle = waits.using(attributes={"a": 1}).start()
    with pytest.raises(InvalidOption, match="attributes"):
        durable.update_workflow_attributes(handle.workflow_id, wrong)
    assert row(handle.workflow_id).attributes == {"a": 1}


def test_attributes_change_while_a_workflow_runs_and_after_it_has_ended(executor):
    handle = waits.start()
    wait_until(lambda: is_parked(handle))
    durable.update_workflow_attributes(handle.workflow_id, {"state": "waiting"})
    durable.send(handle.workflow_id, 7, "go on")
    handle.get_result(timeout=10)
    assert row(handle.workflow_id).attributes == {"state": "waiting"}
    durable.update_workflow_attributes(handle.workflow_id, {"state": "done"})
    assert row(handle.workflow_id).attributes == {"state": "done"}


# --- from outside, inside atomic


def test_what_is_steered_inside_atomic_is_rolled_back_with_it(executor):
    handle = waits.start()
    wait_until(lambda: is_parked(handle))
    with pytest.raises(RuntimeError), transaction.atomic():
        durable.cancel_workflow(handle.workflow_id)
        durable.update_workflow_attributes(handle.workflow_id, {"a": 1})
        durable.register_queue("steering.never")
        raise RuntimeError
    found = row(handle.workflow_id)
    assert (found.status, found.attributes, durable.retrieve_queue("steering.never")) == ("PENDING", None, None)
    assert not Attempt.objects.filter(outcome="cancelled").exists()
    durable.cancel_workflow(handle.workflow_id)


# --- coroutines outside


def test_coroutines_steer_too(executor):
    async def main():
        handle = await app.anaps.astart(600)
        with pytest.raises(NotDelayable, match="is PENDING"):
            await durable.aset_workflow_delay(handle.workflow_id, seconds=1)
        await durable.aupdate_workflow_attributes(handle.workflow_id, {"a": 1})
        assert await durable.acancel_workflow(handle.workflow_id) is True
        assert await durable.acancel_workflows([handle.workflow_id]) == []
        assert (await durable.aresume_workflow(handle.workflow_id)) == handle
        assert (await durable.aresume_workflows([handle.workflow_id])) == [handle]
        assert await durable.acancel_workflow(handle.workflow_id, cancel_children=True) is True
        with pytest.raises(WorkflowNotFound):
            await durable.aresume_workflow("nobody")
        return (await handle.aget_status()).attributes

    assert run_async(main()) == {"a": 1}
