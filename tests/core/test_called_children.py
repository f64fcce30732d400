"""Coroutine workflows that call others: each parks by itself, and calls that run at once replay in order."""

from __future__ import annotations

import asyncio

import pytest

import durable
from durable.errors import WorkflowWasCancelled
from durable.executor import Executor
from durable.executor.nursery import _only_waits
from durable.models import Attempt, Step, Workflow
from tests.app.models import Effect
from tests.support import run_async, wait_until


@durable.step(name="called.notes")
async def notes(key):
    await Effect.objects.acreate(key=key)
    return key


@durable.workflow(name="called.naps")
async def naps(seconds, key="woke"):
    await notes(f"{key} before")
    await durable.asleep(seconds)
    return await notes(key)


@durable.workflow(name="called.listens")
async def listens(key):
    before = await notes(f"{key} before")
    return [before, await durable.arecv("go on"), await notes(f"{key} after")]


@durable.workflow(name="called.calls")
async def calls(key):
    return await listens.using(workflow_id=f"child {key}")(key)


@durable.workflow(name="called.calls_deeper")
async def calls_deeper(key):
    heard = await calls.using(workflow_id=f"middle {key}")(key)
    return [*heard, await notes("deeper")]


@durable.workflow(name="called.calls_many")
async def calls_many(n):
    return await asyncio.gather(*[listens.using(workflow_id=f"child {i}")(f"{i}") for i in range(n)])


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def is_parked(workflow_id: str) -> bool:
    found = Workflow.objects.filter(pk=workflow_id).first()
    return found is not None and found.executor is None and found.waiting_for is not None


def effects() -> list[str]:
    return sorted(Effect.objects.values_list("key", flat=True))


def test_a_child_that_waits_long_parks_and_its_parent_with_it(executor):
    handle = calls.start("a")
    wait_until(lambda: is_parked("child a") and is_parked(handle.workflow_id))
    assert row("child a").waiting_for == "message:go on"
    assert row(handle.workflow_id).waiting_for == "child:child a"
    wait_until(lambda: not executor.running)
    assert not executor.nursery.places
    durable.send("child a", 7, "go on")
    assert handle.get_result(timeout=10) == ["a before", 7, "a after"]
    assert effects() == ["a after", "a before"]
    assert not Attempt.objects.exists()


def test_so_do_children_of_children(executor):
    handle = calls_deeper.start("a")
    wait_until(lambda: all(is_parked(each) for each in ("child a", "middle a", handle.workflow_id)))
    wait_until(lambda: not executor.running)
    durable.send("child a", 7, "go on")
    assert handle.get_result(timeout=10) == ["a before", 7, "a after", "deeper"]
    assert effects() == ["a after", "a before", "deeper"]


def test_calls_that_run_at_once_take_their_slots_in_the_order_of_the_calls(executor):
    handle = calls_many.start(3)
    wait_until(lambda: all(is_parked(each) for each in ("child 0", "child 1", "child 2", handle.workflow_id)))
    for n in (2, 0, 1):  # they end in another order than they began
        durable.send(f"child {n}", n, "go on")
        durable.retrieve_workflow(f"child {n}").get_result(timeout=10)
    assert handle.get_result(timeout=10) == [[f"{n} before", n, f"{n} after"] for n in range(3)]
    slots = Step.objects.filter(workflow_id=handle.workflow_id).order_by("seq").values_list("kind", "child")
    assert [*slots] == [(kind, f"child {n}") for n in range(3) for kind in ("child", "result")]
    assert len(effects()) == 6


@durable.workflow(name="called.sleeps_beside")
async def sleeps_beside():
    """A wait of its own beside a child that waits: neither keeps the other in memory."""
    slept, heard = await asyncio.gather(durable.asleep(600), listens.using(workflow_id="child")("a"))
    return [slept, heard]


def test_a_parent_that_also_waits_itself_parks_when_its_child_has(executor):
    handle = sleeps_beside.start()
    wait_until(lambda: is_parked("child") and is_parked(handle.workflow_id))
    wait_until(lambda: not executor.running)
    durable.send("child", 7, "go on")
    assert durable.retrieve_workflow("child").get_result(timeout=10) == ["a before", 7, "a after"]
    durable.cancel_workflow(handle.workflow_id)


def test_another_executor_goes_on_with_both(database):
    first = Executor().start()
    handle = calls.start("a")
    wait_until(lambda: Step.objects.filter(workflow_id="child a").exists())
    first.drain(2)
    assert not Workflow.objects.filter(executor__isnull=False).exists()
    assert "lost" not in Attempt.objects.values_list("outcome", flat=True)
    second = Executor().start()
    durable.send("child a", 7, "go on")
    assert handle.get_result(timeout=10) == ["a before", 7, "a after"]
    assert effects() == ["a after", "a before"]
    second.drain(1)


def test_after_a_crash_too(database):
    first = Executor().start()
    handle = calls_many.start(2)
    wait_until(lambda: Step.objects.filter(name="called.notes").count() == 2)
    first.stop()  # without letting go of what it runs
    second = Executor().start()
    for n in range(2):
        durable.send(f"child {n}", n, "go on")
    assert handle.get_result(timeout=10) == [[f"{n} before", n, f"{n} after"] for n in range(2)]
    assert effects() == ["0 after", "0 before", "1 after", "1 before"]
    second.drain(1)


@pytest.mark.parametrize("parked", [False, True], ids=["in memory", "parked"])
def test_a_cancelled_child_is_an_error_to_its_parent(executor, parked):
    handle = calls.start("a")
    wait_until(lambda: is_parked("child a") if parked else Effect.objects.exists())
    durable.cancel_workflow("child a")
    with pytest.raises(WorkflowWasCancelled, match="child a"):
        handle.get_result(timeout=10)
    assert (row("child a").status, row(handle.workflow_id).status) == ("CANCELLED", "ERROR")
    wait_until(lambda: not executor.running)


def test_a_cancelled_parent_leaves_its_child_to_others(executor):
    handle = calls.start("a")
    wait_until(lambda: Effect.objects.exists())
    durable.cancel_workflow(handle.workflow_id)
    durable.send("child a", 7, "go on")
    assert durable.retrieve_workflow("child a").get_result(timeout=10) == ["a before", 7, "a after"]
    wait_until(lambda: not executor.running)
    assert row(handle.workflow_id).status == "CANCELLED"


@durable.workflow(name="called.stays", park=False)
async def stays(key):
    return await listens.using(workflow_id=f"child {key}")(key)


@durable.workflow(name="called.calls_one_that_stays")
async def calls_one_that_stays(key):
    return await stays.using(workflow_id=f"middle {key}")(key)


def test_a_parent_that_stays_in_memory_waits_there_for_a_child_that_does_not(executor):
    handle = calls_one_that_stays.start("a")
    wait_until(lambda: is_parked("child a"))
    assert not is_parked("middle a") and not is_parked(handle.workflow_id)
    durable.send("child a", 7, "go on")
    assert handle.get_result(timeout=10) == ["a before", 7, "a after"]
    assert row("middle a").epoch == 1


@durable.workflow(name="called.handles_all")
async def handles_all():
    """Code between the child and its parent does not meet the child's parking."""
    try:
        return await calls("a")
    except BaseException as error:
        await notes(f"met {type(error).__name__}")
        raise


def test_the_parent_does_not_meet_the_parking_of_its_child(executor):
    handle = handles_all.start()
    wait_until(lambda: is_parked("child a") and is_parked(handle.workflow_id))
    durable.send("child a", 7, "go on")
    assert handle.get_result(timeout=10) == ["a before", 7, "a after"]
    assert effects() == ["a after", "a before"]


def test_a_task_that_goes_on_in_a_moment_is_not_taken_for_one_that_only_waits():
    async def main():
        loop = asyncio.get_running_loop()
        own, other = loop.create_future(), loop.create_future()

        async def both():
            await asyncio.gather(wait_for(own), wait_for(other))

        async def wait_for(future):
            await future

        task = asyncio.create_task(both())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not _only_waits(task, {own: None})
        assert _only_waits(task, {own: None, other: None})
        other.set_result(None)  # a record was committed; its task has not had its turn yet
        assert not _only_waits(task, {own: None})
        await asyncio.sleep(0)
        assert _only_waits(task, {own: None})
        own.set_result(None)
        assert not _only_waits(task, {own: None})
        await task

    asyncio.run(main())


# --- the caller of a direct call goes away


def test_a_call_whose_caller_is_cancelled_is_finished_by_an_executor(database):
    async def main():
        task = asyncio.create_task(naps.using(workflow_id="left")(0.3))
        while not await Step.objects.aexists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(main())
    assert row("left").status == "PENDING"
    assert [each.outcome for each in Attempt.objects.all()] == ["released"]
    executor = Executor().start()
    assert durable.retrieve_workflow("left").get_result(timeout=10) == "woke"
    executor.drain(1)
    assert effects() == ["woke", "woke before"]
    assert row("left").recovery_attempts == 0


def test_a_start_whose_loop_ends_is_finished_by_the_executor(executor):
    async def main():
        handle = await naps.astart(0.3)
        while not await Step.objects.aexists():
            await asyncio.sleep(0.01)
        return handle.workflow_id

    handle = durable.retrieve_workflow(run_async(main()))
    assert handle.get_result(timeout=10) == "woke"
    assert effects() == ["woke", "woke before"]


@durable.workflow(name="called.loses_patience")
async def loses_patience():
    try:
        async with asyncio.timeout(0.1):
            await naps.using(workflow_id="slow")(0.4)
    except TimeoutError:
        return "gave up"


def test_a_parent_that_loses_patience_with_a_call_leaves_it_to_others(executor):
    assert loses_patience.start().get_result(timeout=10) == "gave up"
    assert durable.retrieve_workflow("slow").get_result(timeout=10) == "woke"
    assert effects() == ["woke", "woke before"]


def test_a_workflow_that_raises_a_cancellation_itself_fails_with_it(executor):
    @durable.workflow(name="called.cancels_itself")
    async def cancels_itself():
        raise asyncio.CancelledError("of its own")

    handle = cancels_itself.start()
    wait_until(lambda: row(handle.workflow_id).is_finished)
    assert row(handle.workflow_id).error_type == "CancelledError"
