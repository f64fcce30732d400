"""Timeouts: from start to completion, durable, inherited by children; whoever waits is told at once."""

from __future__ import annotations

import threading
import time

import pytest

import durable
from durable.backends.backend import backend
from durable.errors import InvalidOption, WorkflowWasCancelled
from durable.executor import Executor
from durable.models import Attempt, Step, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until

SOON = 0.15
"""Seconds after which what a test waits for has run out of time."""

gate = threading.Event()
"""Lets steps end that the tests hold."""


@pytest.fixture(autouse=True)
def closed_gate():
    gate.clear()
    yield
    gate.set()


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def let_time_pass(**which) -> None:
    """Let the deadlines of workflows be long ago."""
    Workflow.objects.filter(deadline__isnull=False, **which).update(deadline="2001-01-01T00:00:00Z")


def is_cancelled(workflow_id: str) -> bool:
    return row(workflow_id).status == "CANCELLED"


@durable.step(name="timeouts.notes")
def notes(key):
    Effect.objects.create(key=key)
    return key


@durable.step(name="timeouts.holds")
def holds():
    """Runs until the test lets it end, whatever becomes of its workflow."""
    Effect.objects.create(key="held")
    assert gate.wait(20)
    return "let go"


@durable.workflow(name="timeouts.sleeps")
def sleeps(seconds):
    durable.sleep(seconds)
    return "slept"


@durable.workflow(name="timeouts.asleeps")
async def asleeps(seconds):
    await durable.asleep(seconds)
    return "slept"


@durable.workflow(name="timeouts.stays", park=False)
def stays(seconds):
    durable.sleep(seconds)
    return "slept"


@durable.workflow(name="timeouts.astays", park=False)
async def astays(seconds):
    await durable.asleep(seconds)
    return "slept"


@durable.workflow(name="timeouts.listens")
def listens(seconds):
    return durable.recv("anything", timeout_seconds=seconds)


@durable.workflow(name="timeouts.alistens")
async def alistens(seconds):
    return await durable.arecv("anything", timeout_seconds=seconds)


WAITING = [sleeps, asleeps, stays, astays, listens, alistens]


# --- whatever it does


@pytest.mark.parametrize("waits", WAITING, ids=lambda each: each.name.removeprefix("timeouts."))
def test_a_waiting_workflow_is_cancelled_when_its_time_is_up_and_its_waiter_told_without_polling(
    database, settings, waits
):
    settings.DURABLE = {**settings.DURABLE, "POLL_SECONDS": 30}
    executor = Executor().start()
    handle = waits.using(timeout=SOON).start(600)
    began = time.monotonic()
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=20)
    assert time.monotonic() - began < 5
    found = row(handle.workflow_id)
    assert (found.status, found.failure, found.timeout, found.deadline) == ("CANCELLED", "CANCELLED", SOON, None)
    assert (found.run_after, found.wake_at, found.waiting_for) == (None, None, None)
    assert [(each.outcome, each.detail) for each in Attempt.objects.all()] == [("cancelled", "its timeout ran out")]
    wait_until(lambda: not executor.running)
    executor.drain(1)


@pytest.mark.parametrize("waits", [sleeps, listens], ids=["sleeps", "listens"])
def test_a_direct_call_is_cancelled_too(database, waits):
    began = time.monotonic()
    with durable.SetWorkflowTimeout(SOON), pytest.raises(WorkflowWasCancelled):
        waits(600)
    assert time.monotonic() - began < 5
    assert Workflow.objects.get().status == "CANCELLED"


@pytest.mark.parametrize("waits", [asleeps, alistens], ids=["asleeps", "alistens"])
def test_a_direct_call_of_a_coroutine_is_cancelled_too(database, waits):
    async def main():
        with durable.SetWorkflowTimeout(SOON), pytest.raises(WorkflowWasCancelled):
            await waits(600)

    began = time.monotonic()
    run_async(main())
    assert time.monotonic() - began < 5
    assert Workflow.objects.get().status == "CANCELLED"


def test_a_coroutine_that_was_started_on_its_callers_loop_is_cancelled_too(executor):
    async def main():
        handle = await asleeps.using(timeout=SOON).astart(600)
        with pytest.raises(WorkflowWasCancelled):
            await handle.aget_result(timeout=10)

    run_async(main())


@durable.workflow(name="timeouts.works")
def works():
    holds()
    return notes("after")


def test_a_step_in_work_ends_and_counts_for_nothing(executor):
    handle = works.using(timeout=SOON).start()
    wait_until(lambda: Effect.objects.filter(key="held").exists())
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    assert handle.workflow_id in executor.running  # told before the step has ended
    gate.set()
    wait_until(lambda: not executor.running)
    assert is_cancelled(handle.workflow_id)
    assert not Step.objects.exists()
    assert not Effect.objects.filter(key="after").exists()


@durable.workflow(name="timeouts.defies")
def defies(what):
    """Handles every error that there is, and returns as if nothing had been."""
    try:
        if what == "a wait":
            durable.sleep(600)
        else:
            holds()
    except Exception:
        notes("caught an Exception")
    except BaseException:
        Effect.objects.create(key="caught the cancellation")
    return "as if nothing had been"


@pytest.mark.parametrize("what", ["a wait", "a step"])
def test_no_handler_of_errors_keeps_a_workflow_from_being_cancelled(executor, what):
    with durable.SetWorkflowTimeout(SOON):
        handle = defies.start(what)
    wait_until(lambda: is_cancelled(handle.workflow_id))
    gate.set()
    wait_until(lambda: not executor.running)
    found = row(handle.workflow_id)
    assert (found.status, found.output) == ("CANCELLED", None)
    assert not Effect.objects.filter(key="caught an Exception").exists()


@durable.workflow(name="timeouts.computes")
def computes():
    Effect.objects.create(key="held")
    assert gate.wait(20)
    return "computed"


def test_what_only_computes_ends_as_cancelled_though_it_returns(executor):
    handle = computes.using(timeout=SOON).start()
    wait_until(lambda: is_cancelled(handle.workflow_id))
    gate.set()
    wait_until(lambda: not executor.running)
    found = row(handle.workflow_id)
    assert (found.status, found.output) == ("CANCELLED", None)


def test_a_workflow_that_ends_in_time_has_no_deadline_any_more(executor):
    handle = sleeps.using(timeout=600).start(0)
    assert handle.get_result(timeout=10) == "slept"
    found = row(handle.workflow_id)
    assert (found.timeout, found.deadline) == (600, None)


def test_a_timeout_of_nothing_cancels_at_once(executor):
    with pytest.raises(WorkflowWasCancelled):
        sleeps.using(timeout=0).start(600).get_result(timeout=10)


# --- from start to completion


@pytest.mark.parametrize("delay", [None, 0.1], ids=["enqueued", "delayed"])
def test_the_time_in_a_queue_does_not_count(executor, delay):
    queue = durable.Queue("timeouts.one", concurrency=1)
    first = queue.enqueue(works)
    wait_until(lambda: Effect.objects.filter(key="held").exists())
    with durable.SetWorkflowTimeout(600), durable.SetEnqueueOptions(delay=delay):
        second = queue.enqueue(sleeps, 0.3)
    wait_until(lambda: row(second.workflow_id).status == "ENQUEUED")
    assert row(second.workflow_id).deadline is None
    gate.set()
    wait_until(lambda: row(second.workflow_id).deadline)
    found = row(second.workflow_id)
    assert 599 < (found.deadline - found.started_at).total_seconds() < 601
    assert second.get_result(timeout=10) == "slept"
    assert first.get_result(timeout=10) == "after"


def test_a_workflow_that_is_cancelled_leaves_its_place_in_the_queue(executor):
    queue = durable.Queue("timeouts.place", concurrency=1)
    with durable.SetWorkflowTimeout(SOON):
        first = queue.enqueue(sleeps, 600)
    second = queue.enqueue(sleeps, 0)
    assert second.get_result(timeout=10) == "slept"
    assert is_cancelled(first.workflow_id)


# --- durable


def test_a_deadline_outlives_the_executor_that_set_it(database):
    first = Executor().start()
    handle = sleeps.using(timeout=600).start(500)
    wait_until(lambda: row(handle.workflow_id).waiting_for == "sleep")
    deadline = row(handle.workflow_id).deadline
    first.drain(1)
    second = Executor().start()
    Workflow.objects.update(wake_at=deadline)  # far from due; it is woken below by its cancellation only
    wait_until(lambda: second.claimer._deadline is not None)
    assert row(handle.workflow_id).deadline == deadline
    let_time_pass()
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    second.drain(1)


def test_what_ran_out_of_time_while_no_executor_lived_is_not_run_again(database, monkeypatch):
    monkeypatch.setattr("durable.executor.executor.STOP_SECONDS", 0)
    first = Executor().start()
    handle = works.using(timeout=600).start()
    wait_until(lambda: Effect.objects.filter(key="held").exists())
    first.stop()  # without letting go of what it runs
    let_time_pass()
    second = Executor().start()
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    gate.set()
    second.drain(1)
    assert Effect.objects.filter(key="held").count() == 1
    assert not Step.objects.exists()


@pytest.mark.slow
def test_a_deadline_outlives_a_kill(executor_process):
    process = executor_process(LEASE_SECONDS=60)
    handle = app.naps.using(timeout=1.5).start(600)
    wait_until(lambda: row(handle.workflow_id).deadline)
    deadline = row(handle.workflow_id).deadline
    process.kill()
    executor = Executor().start()
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=20)
    found = row(handle.workflow_id)
    assert 0 <= (found.completed_at - deadline).total_seconds() < 2
    executor.drain(1)


# --- afterwards


def test_a_resumed_workflow_has_its_whole_timeout_again(executor):
    handle = sleeps.using(timeout=0.3).start(600)
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    Workflow.objects.update(timeout=300)  # to see it without a race
    durable.resume_workflow(handle.workflow_id)
    wait_until(lambda: row(handle.workflow_id).deadline)
    found = row(handle.workflow_id)
    assert 290 < (found.deadline - found.updated_at).total_seconds() <= 301
    durable.cancel_workflow(handle.workflow_id)


def test_a_resumed_workflow_is_cancelled_again_when_it_takes_as_long_again(executor):
    handle = sleeps.using(timeout=SOON).start(600)
    for _ in range(2):
        with pytest.raises(WorkflowWasCancelled):
            handle.get_result(timeout=10)
        durable.resume_workflow(handle.workflow_id)
    durable.cancel_workflow(handle.workflow_id)
    assert Attempt.objects.filter(outcome="cancelled").count() >= 2


def test_executors_that_see_the_deadline_at_once_cancel_it_once(database):
    for n in range(40):
        Workflow.objects.create(
            id=f"late-{n}", name="timeouts.sleeps", status="PENDING", epoch=1, input="", wake_at="2999-01-01T00:00:00Z",
            deadline="2001-01-01T00:00:00Z",
        )  # fmt: skip
    barrier, found = threading.Barrier(4), []

    def expire() -> None:
        session = backend().own()
        session.connect()
        barrier.wait(10)
        for _ in range(5):  # what one holds the others pass over
            found.extend(cancelled[0] for cancelled in backend().expire(session))
        session.close()

    threads = [threading.Thread(target=expire) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == sorted(f"late-{n}" for n in range(40))
    assert Attempt.objects.count() == 40
    assert set(Workflow.objects.values_list("epoch", "status")) == {(2, "CANCELLED")}


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), True, "10", 10**10])
def test_what_is_no_number_of_seconds_is_refused_where_it_is_written(wrong):
    with pytest.raises(InvalidOption, match="timeout = "):
        durable.SetWorkflowTimeout(wrong)
    with pytest.raises(InvalidOption, match="timeout = "):
        sleeps.using(timeout=wrong)
