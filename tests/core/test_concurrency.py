"""Coroutine workflows that do several things at once, and the same things when they are run again."""

from __future__ import annotations

import asyncio

import pytest

import durable
from durable.errors import OutsideWorkflow
from durable.executor import Executor
from durable.models import Step, Workflow
from tests.support import run_async, wait_until

ran: list[str] = []


async def noted(name, seconds=0.0):
    await asyncio.sleep(seconds)
    ran.append(name)
    return name


@durable.workflow
async def runs_reserved_steps_backwards():
    first, second = durable.reserve_step(), durable.reserve_step()
    late = await second.run({"name": "second"}, noted, "b")
    return [await first.run({"name": "first"}, noted, "a"), late]


@durable.workflow
async def takes_the_faster(key):
    slow = durable.run_step({"name": "slow"}, noted, "slow", 0.2)
    fast = durable.run_step({"name": "fast"}, noted, "fast")
    done, pending = await durable.await_tasks([slow, fast], return_when=asyncio.FIRST_COMPLETED)
    names = [task.result() for task in done]
    await asyncio.gather(*pending)
    await durable.arecv("go", 60)
    return names


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


def test_reserved_steps_keep_their_numbers_in_whatever_order_they_run(executor):
    handle = runs_reserved_steps_backwards.start()
    assert handle.get_result(timeout=10) == ["a", "b"]
    assert ran == ["b", "a"]
    steps = Step.objects.filter(workflow=handle.workflow_id).values_list("seq", "name")
    assert list(steps) == [(1, "first"), (2, "second")]


def test_a_reservation_is_made_and_used_in_its_workflow_only(executor):
    with pytest.raises(OutsideWorkflow, match="reserve_step"):
        durable.reserve_step()


def test_what_was_done_first_is_done_first_in_a_replay_too(database):
    one = Executor().start()
    handle = takes_the_faster.start("k")
    wait_until(lambda: Workflow.objects.get(pk=handle.workflow_id).waiting_for == "message:go")
    one.drain()
    assert sorted(ran) == ["fast", "slow"]
    other = Executor().start()
    durable.send(handle.workflow_id, "go", "go")
    assert handle.get_result(timeout=10) == ["fast"]
    assert sorted(ran) == ["fast", "slow"]
    other.drain()


def test_outside_a_workflow_it_is_asyncio_wait():
    async def main():
        done, pending = await durable.await_tasks([noted("x")], timeout=5)
        return [task.result() for task in done], pending

    assert run_async(main()) == (["x"], set())
