"""Waiting costs rows, not memory, and how work is let go."""

from __future__ import annotations

import asyncio
import resource
import sys
import threading

import pytest

import durable
from durable.errors import WorkflowWasCancelled
from durable.executor import Executor
from durable.models import Attempt, Step, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import wait_until


def memory() -> float:
    """MB that this process uses now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def sleepers() -> int:
    return Workflow.objects.filter(waiting_for="sleep", executor=None).count()


@pytest.mark.parametrize("colour", [app.naps, app.anaps], ids=["threads", "coroutines"])
def test_a_hundred_sleepers_hold_no_thread(executor, colour):
    handles = [colour.start(600) for _ in range(100)]
    wait_until(lambda: sleepers() == 100, 20, "all are parked")
    wait_until(lambda: not executor.running, 5, "none is in memory")
    assert executor.pool.threads <= executor.concurrency
    for handle in handles:
        durable.cancel_workflow(handle.workflow_id)


@pytest.mark.slow
@pytest.mark.parametrize("colour", [app.naps, app.anaps], ids=["threads", "coroutines"])
def test_ten_thousand_sleepers_cost_neither_threads_nor_memory(database, colour, capsys):
    def park(total: int) -> tuple[int, float]:
        for start in range(0, total, 500):  # in parts, so that the test's own objects are not what is measured
            Workflow.objects.bulk_create(
                Workflow(name=colour.name, input='{"args":[86400],"kwargs":{}}', run_after=now, position=start + n)
                for n in range(min(500, total - start))
            )
        wait_until(lambda: sleepers() >= total and not executor.running, 300, f"{total} are parked")
        return threading.active_count(), memory()

    from durable.models import Now

    now = Now()
    executor = Executor(concurrency=20).start()
    park(2_000)
    before_threads, before = threading.active_count(), memory()
    after_threads, after = park(10_000)
    with capsys.disabled():
        sys.stdout.write(
            f"\n  {database}, {colour.name}: 10,000 asleep; threads {before_threads} -> {after_threads}, "
            f"memory {before:.0f} -> {after:.0f} MB\n"
        )
    executor.drain(2)
    assert after_threads <= before_threads + 8  # the helpers of the event loop, however many sleep
    assert after - before < 40


@durable.workflow(park=False)
def stays(seconds):
    durable.sleep(seconds)
    return "stayed"


def test_a_workflow_may_choose_to_wait_in_memory(executor):
    assert stays.start(0.5).get_result(timeout=10) == "stayed"
    assert Workflow.objects.get().epoch == 1


seen: list[str] = []


@durable.workflow()
def has_finally():
    try:
        durable.sleep(600)
    except Exception:
        seen.append("except")
    finally:
        seen.append("finally")
        try:
            durable.set_event("too", "late")
        except BaseException as error:
            seen.append(type(error).__name__)
            raise


def test_parking_unwinds_finally_blocks_and_no_except_clause_and_writes_nothing(executor):
    seen.clear()
    handle = has_finally.start()
    wait_until(lambda: not executor.running and sleepers() == 1, 10, "it parks")
    assert seen == ["finally", "Parked"]
    assert Step.objects.count() == 1
    durable.cancel_workflow(handle.workflow_id)


@durable.workflow()
def swallows():
    while True:
        try:
            durable.sleep(600)
        except BaseException:
            return "swallowed"


def test_a_run_that_swallows_its_parking_ends_nothing(executor):
    handle = swallows.start()
    wait_until(lambda: not executor.running and sleepers() == 1, 10, "it parks")
    assert handle.get_status().status == "PENDING"
    durable.cancel_workflow(handle.workflow_id)


@durable.workflow()
async def gathers_waits(n):
    naps = [durable.asleep(0.6 + i / 10) for i in range(n)]
    message = durable.arecv("t", 600)
    return (await asyncio.gather(message, *naps))[0]


def test_a_gather_of_waits_parks_as_one_and_wakes_for_each(executor):
    handle = gathers_waits.start(3)
    wait_until(lambda: not executor.running and handle.get_status().waiting_for is not None, 10, "it parks")
    durable.send(handle.workflow_id, "arrived", "t")
    assert handle.get_result(timeout=10) == "arrived"
    assert handle.get_status().epoch >= 3


@durable.workflow()
async def works_and_waits():
    nap, busy = durable.asleep(600), app.anote("busy")
    await asyncio.wait([asyncio.ensure_future(nap), asyncio.ensure_future(slow_step())], return_when="FIRST_COMPLETED")
    await busy
    return "done"


@durable.step()
async def slow_step():
    await asyncio.sleep(0.6)


def test_a_coroutine_that_still_works_is_not_evicted(executor):
    assert works_and_waits.start().get_result(timeout=10) == "done"
    assert Workflow.objects.get().epoch == 1


def test_cancelling_wakes_a_waiting_run_and_stops_a_working_one(executor):
    parked, busy = app.naps.start(600), app.stages.start(2000)
    wait_until(
        lambda: sleepers() == 1 and Step.objects.filter(workflow_id=busy.workflow_id).exists(), 10, "both are under way"
    )
    for handle in (parked, busy):
        assert durable.cancel_workflow(handle.workflow_id) is True
        assert durable.cancel_workflow(handle.workflow_id) is False
        with pytest.raises(WorkflowWasCancelled):
            handle.get_result(timeout=5)
    wait_until(lambda: not executor.running, 10, "nothing runs")
    done = Step.objects.filter(workflow_id=busy.workflow_id).count()
    assert done < 4000
    assert Effect.objects.count() - 1 <= done + 1  # it stopped at its next operation
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"cancelled"}


def test_cancelling_reaches_a_direct_call_that_waits(database):
    raised = []

    def call():
        from django.db import connections

        try:
            app.naps.using(workflow_id="direct")(600)
        except WorkflowWasCancelled as error:
            raised.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: Step.objects.filter(workflow_id="direct", kind="sleep").exists(), 10, "it sleeps")
    durable.cancel_workflow("direct")
    thread.join(timeout=10)
    assert len(raised) == 1


def test_a_resumed_workflow_goes_on_from_its_last_step(executor):
    handle = app.naps.start(1)
    wait_until(lambda: sleepers() == 1, 10, "it parks")
    durable.cancel_workflow(handle.workflow_id)
    assert durable.resume_workflow(handle.workflow_id).get_result(timeout=10) == "woke"
    assert Effect.objects.filter(key="slept").count() == 1
    outcomes = list(Attempt.objects.order_by("id").values_list("outcome", flat=True))
    assert outcomes == ["cancelled", "resumed"]


def test_draining_releases_what_waits_and_another_executor_finishes_it(database):
    first = Executor(concurrency=4, label="first").start()
    handle = app.stages.start(200)
    wait_until(lambda: Step.objects.count() > 5, 10, "it is under way")
    first.drain(5)
    row = handle.get_status()
    assert (row.status, row.executor, row.recovery_attempts) == ("PENDING", None, 0)
    assert Attempt.objects.get().outcome == "released"
    second = Executor(concurrency=4, label="second").start()
    assert len(handle.get_result(timeout=20)) == 400
    second.drain(2)
    assert Effect.objects.filter(key__startswith="book-").count() == 200


def test_threads_do_not_grow_with_what_waits_for_children(executor):
    handle = app.fans_out.start(60)
    assert handle.get_result(timeout=30) == sum(n * (n - 1) // 2 for n in range(60))
    assert executor.pool.threads <= executor.concurrency
