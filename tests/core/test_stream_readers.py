"""Readers of streams: how long they wait, where they park, and what they record."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
from django.db import connection

import durable
from durable.errors import (
    StreamTimeout,
)
from durable.executor import Executor
from durable.models import Step, Wait, Workflow
from tests.support import run_async, wait_until

from .streaming import areads, counts, every, following, on_demand, reads, reads_in_a_step, stored
from .watching import parked

# --- timeouts


def test_a_reader_outside_gives_up_after_its_timeout_and_keeps_what_it_read(executor):
    writer = on_demand.start()
    durable.send(writer.workflow_id, 1, "write")
    got = []
    with pytest.raises(StreamTimeout, match=r"brought nothing for 0\.1 seconds") as caught:
        for value in durable.read_stream(writer.workflow_id, "numbers", timeout_seconds=0.1):
            got.append(value)
    assert isinstance(caught.value, TimeoutError) and got in ([1], [])
    wait_until(lambda: stored(writer.workflow_id) == [1], 10)
    with pytest.raises(StreamTimeout):
        run_async(every(writer.workflow_id, offset=1, timeout_seconds=0.05))
    with pytest.raises(StreamTimeout):
        list(durable.read_stream(writer.workflow_id, "numbers", offset=1, timeout_seconds=0))
    durable.cancel_workflow(writer.workflow_id)


@durable.workflow(name="streams.gives_up")
def gives_up(workflow_id: str, timeout: float) -> list[Any]:
    got: list[Any] = []
    try:
        for value in durable.read_stream(workflow_id, "numbers", timeout_seconds=timeout):
            got.append(value)
    except StreamTimeout as error:
        got.append(type(error).__name__)
    durable.sleep(0.4)  # parks: what was read, and the timeout, are replayed
    return [*got, durable.recv("more", 0)]


def test_a_timeout_inside_a_workflow_is_recorded_and_replayed(executor):
    writer = on_demand.start()
    durable.send(writer.workflow_id, "a", "write")
    wait_until(lambda: stored(writer.workflow_id) == ["a"], 10)
    reader = gives_up.start(writer.workflow_id, 0.3)
    assert reader.get_result(timeout=10) == ["a", "StreamTimeout", None]
    assert reader.get_status().epoch > 1
    names = Step.objects.filter(workflow_id=reader.workflow_id).values_list("name", flat=True)
    assert list(names) == ["read_stream", "read_stream", "sleep", "sleep", "recv", "sleep"]
    durable.cancel_workflow(writer.workflow_id)


def test_a_timeout_does_not_start_again_after_parking(executor):
    writer = on_demand.start()
    reader = reads.start(writer.workflow_id, timeout=1.0)
    row = parked(reader)
    deadline = Step.objects.get(workflow_id=reader.workflow_id, name="sleep").output
    assert row.wake_at.timestamp() == pytest.approx(float(deadline), abs=0.01)
    executor.sweeper.wake_the_missed()  # nothing was missed
    Workflow.objects.filter(pk=reader.workflow_id).update(run_after=row.created_at, wake_at=None)  # woken for nothing
    executor.claimer.everything_changed()
    wait_until(lambda: reader.get_status().epoch > row.epoch, 10)
    with pytest.raises(StreamTimeout):
        reader.get_result(timeout=10)
    late = reader.get_status().completed_at.timestamp() - float(deadline)
    assert 0 <= late < 1
    durable.cancel_workflow(writer.workflow_id)


# --- readers that wait


@pytest.mark.parametrize("reader", [reads, areads], ids=["thread", "coroutine"])
def test_a_parked_reader_wakes_with_each_value_and_parks_again(executor, reader):
    writer = on_demand.start()
    follower = reader.start(writer.workflow_id)
    reason = f"stream:{writer.workflow_id}/numbers"
    for n in range(3):
        epoch = parked(follower, reason).epoch
        wait = Wait.objects.get(workflow_id=follower.workflow_id, kind="stream")
        assert (wait.target, wait.detail, wait.number) == (writer.workflow_id, "numbers", n)
        durable.send(writer.workflow_id, n, "write")
        wait_until(lambda before=epoch: follower.get_status().epoch > before, 10, "it wakes")
    parked(follower, reason)
    durable.send(writer.workflow_id, None, "write")
    assert follower.get_result(timeout=10) == [0, 1, 2]
    steps = Step.objects.filter(workflow_id=follower.workflow_id).values_list("seq", "name", "child", "output")
    assert list(steps) == [
        (n + 1, "read_stream", writer.workflow_id, f"[{n},{n}]" if n < 3 else None) for n in range(4)
    ]
    assert not Wait.objects.filter(workflow_id=follower.workflow_id).exists()


def test_readers_that_have_read_all_leave_every_thread_free(database):
    """More readers than threads, all of them past the first value: none may spin, none may hold a thread."""
    executor = Executor(concurrency=2).start()
    writer = on_demand.start()
    durable.send(writer.workflow_id, "first", "write")
    followers = [reads.start(writer.workflow_id) for _ in range(6)]
    for follower in followers:
        wait_until(lambda f=follower: Step.objects.filter(workflow_id=f.workflow_id).exists(), 10)
        parked(follower)
    wait_until(lambda: not executor.running, 10, "they have left memory")
    durable.send(writer.workflow_id, None, "write")
    assert durable.gather(followers) == [["first"]] * 6
    executor.drain(1)


@durable.step(name="streams.areads_all")
async def areads_all(workflow_id: str) -> list[Any]:
    return await every(workflow_id)


@durable.workflow(name="streams.areads_in_a_step")
async def areads_in_a_step(workflow_id: str) -> list[Any]:
    return await areads_all(workflow_id)


@pytest.mark.parametrize("reader", [reads_in_a_step, areads_in_a_step], ids=["thread", "coroutine"])
def test_a_step_reads_while_it_comes_and_what_it_read_is_the_step_s_own(executor, reader):
    writer = on_demand.start()
    for n in range(3):
        durable.send(writer.workflow_id, n, "write")
    follower = reader.start(writer.workflow_id)
    wait_until(lambda: stored(writer.workflow_id) == [0, 1, 2], 10)
    durable.send(writer.workflow_id, None, "write")
    assert follower.get_result(timeout=10) == [0, 1, 2]
    assert Step.objects.filter(workflow_id=follower.workflow_id).count() == 1


@durable.workflow(name="streams.reads_two")
async def reads_two(one: str, two: str) -> list[Any]:
    return list(await asyncio.gather(every(one), every(two)))


def test_a_coroutine_follows_two_streams_at_once_and_parks_on_both(executor):
    one, two = on_demand.start(), on_demand.start()
    follower = reads_two.start(one.workflow_id, two.workflow_id)
    for n in range(2):
        parked(follower)
        durable.send(two.workflow_id, n, "write")
        wait_until(lambda n=n: len(stored(two.workflow_id)) == n + 1, 10)
    durable.send(one.workflow_id, "x", "write")
    for writer in (one, two):
        durable.send(writer.workflow_id, None, "write")
    assert follower.get_result(timeout=10) == [["x"], [0, 1]]


def test_readers_outside_follow_while_it_is_written(executor):
    writer = on_demand.start()
    got: dict[str, list[Any]] = {"thread": [], "loop": []}

    def follow():
        got["thread"].extend(durable.read_stream(writer.workflow_id, "numbers"))
        connection.close()

    async def afollow():
        async for value in durable.aread_stream(writer.workflow_id, "numbers"):
            got["loop"].append(value)

    threads = [threading.Thread(target=follow), threading.Thread(target=lambda: run_async(afollow()))]
    for thread in threads:
        thread.start()
    for n in range(3):
        durable.send(writer.workflow_id, n, "write")
        wait_until(lambda n=n: len(got["loop"]) == n + 1, 10, "the value arrives while the writer goes on")
    durable.send(writer.workflow_id, None, "write")
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert got == {"thread": [0, 1, 2], "loop": [0, 1, 2]}


def test_a_writer_can_be_read_before_it_starts(database):
    writer = counts.start(3)
    reader = Executor(concurrency=2, queues=[]).start()
    thread, got = following(writer.workflow_id)
    thread.join(20)
    assert got == [0, 1, 2]
    reader.drain(1)


@durable.workflow(name="streams.own_generator")
async def own_generator(workflow_id: str) -> list[Any]:
    async def doubled() -> Any:
        try:
            async for value in durable.aread_stream(workflow_id, "numbers"):
                yield 2 * value
        finally:
            unwound.append("generator")

    try:
        return [value async for value in doubled()]
    finally:
        unwound.append("workflow")


unwound: list[str] = []


def test_parking_unwinds_the_generators_of_a_coroutine_from_within(executor, caplog):
    unwound.clear()
    writer = on_demand.start()
    follower = own_generator.start(writer.workflow_id)
    parked(follower)
    wait_until(lambda: len(unwound) == 2, 10)
    assert unwound == ["generator", "workflow"]
    durable.send(writer.workflow_id, 4, "write")
    durable.send(writer.workflow_id, None, "write")
    assert follower.get_result(timeout=10) == [8]
    gc.collect()  # a generator that was left as it stood would complain now
    run_async(asyncio.sleep(0))
    assert not [record for record in caplog.records if record.name == "asyncio"]
