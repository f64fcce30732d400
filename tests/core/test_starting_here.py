"""A start in a process that has an executor begins there at once; a coroutine begins on its caller's event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import transaction

import durable
from durable.models import Workflow
from durable.states import Status
from tests.support import run_async, wait_until

loops: dict[str, asyncio.AbstractEventLoop] = {}
gates: dict[str, asyncio.Event] = {}
open_gate = threading.Event()


@durable.workflow
def waits_for_a_gate():
    open_gate.wait(10)
    return "through"


@durable.workflow
async def tells_its_loop():
    loops[durable.workflow_id()] = asyncio.get_running_loop()
    return "told"


@durable.workflow
async def waits_on_the_callers_event(key):
    await gates[key].wait()
    return "set"


@durable.step(name="starting_here_slow")
async def forever():
    await asyncio.sleep(60)


@durable.workflow
async def naps_in_a_step(first_time):
    if await durable.aget_event(durable.workflow_id(), "seen", 0) is None:
        await durable.aset_event("seen", True)
    if first_time in loops:
        return "gone on"
    loops[first_time] = asyncio.get_running_loop()
    await forever()


@pytest.fixture(autouse=True)
def _fresh():
    loops.clear()
    gates.clear()
    open_gate.clear()
    yield
    open_gate.set()


def test_a_start_where_an_executor_lives_needs_no_claim(executor):
    handle = waits_for_a_gate.start()
    row = Workflow.objects.get(pk=handle.workflow_id)
    assert (row.status, row.executor, row.epoch) == (Status.PENDING, executor.id, 1)
    open_gate.set()
    assert handle.get_result(timeout=10) == "through"


def test_a_start_inside_an_atomic_block_begins_after_its_commit(executor):
    with transaction.atomic():
        handle = waits_for_a_gate.start()
        assert Workflow.objects.get(pk=handle.workflow_id).status == Status.ENQUEUED
    open_gate.set()
    assert handle.get_result(timeout=10) == "through"


def test_a_start_that_finds_no_room_waits_for_it(database):
    from durable.executor import Executor

    small = Executor(concurrency=1).start()
    first, second = waits_for_a_gate.start(), waits_for_a_gate.start()
    assert Workflow.objects.get(pk=second.workflow_id).status == Status.ENQUEUED
    open_gate.set()
    assert [first.get_result(timeout=10), second.get_result(timeout=10)] == ["through", "through"]
    small.drain()


def test_a_start_takes_no_room_that_a_claim_is_counting_on(executor):
    with executor.taking:
        handle = waits_for_a_gate.start()
        assert Workflow.objects.get(pk=handle.workflow_id).status == Status.ENQUEUED
    open_gate.set()
    assert handle.get_result(timeout=10) == "through"


def test_a_coroutine_runs_on_its_callers_loop_and_shares_what_belongs_to_it(executor):
    async def main():
        gates["shared"] = asyncio.Event()
        told = await tells_its_loop.astart()
        waiting = await waits_on_the_callers_event.astart("shared")
        gates["shared"].set()
        results = [await told.aget_result(timeout=10), await waiting.aget_result(timeout=10)]
        return results, loops[told.workflow_id] is asyncio.get_running_loop()

    assert run_async(main()) == (["told", "set"], True)


def test_a_loop_that_ends_takes_no_workflow_with_it(executor):
    async def main():
        handle = await naps_in_a_step.astart("left")
        while "left" not in loops:
            await asyncio.sleep(0.01)
        return handle

    handle = run_async(main())
    assert handle.get_result(timeout=10) == "gone on"
    row = Workflow.objects.get(pk=handle.workflow_id)
    assert (row.status, row.recovery_attempts) == (Status.SUCCESS, 0)
    wait_until(lambda: handle.workflow_id not in executor.running)
