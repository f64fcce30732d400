"""Streams that steps, transactions and several writers at once write to."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

import durable
from durable.errors import (
    StreamClosed,
)
from durable.models import StreamEntry
from tests.support import wait_until

from .streaming import offsets, stored

tries: list[int] = []


@pytest.fixture(autouse=True)
def no_tries():
    tries.clear()


@durable.step(name="streams.flaky", retries_allowed=True, max_attempts=3, interval_seconds=0.01)
def flaky(close: bool) -> str:
    tries.append(1)
    durable.write_stream("s", len(tries))
    durable.write_stream("s", "end of it")
    if close:
        durable.close_stream("s")
    if len(tries) < 3:
        raise ValueError("not yet")
    return "written"


@durable.workflow(name="streams.writes_in_a_step")
def writes_in_a_step(close: bool = False) -> str:
    durable.write_stream("s", "before")
    written = flaky(close)
    if not close:
        durable.write_stream("s", "after")
    return written


def test_a_step_writes_again_with_each_attempt(executor):
    handle = writes_in_a_step.start()
    assert handle.get_result(timeout=10) == "written"
    expected = ["before", 1, "end of it", 2, "end of it", 3, "end of it", "after"]
    assert list(durable.read_stream(handle.workflow_id, "s")) == expected
    assert offsets(handle.workflow_id, "s") == list(range(8))
    seqs = StreamEntry.objects.filter(workflow_id=handle.workflow_id).values_list("seq", flat=True)
    assert list(seqs) == [1, 2, 2, 2, 2, 2, 2, 3]


def test_a_step_that_closed_its_stream_can_be_tried_again(executor):
    """What the first attempt wrote up to the end is whole; its successors add nothing, and do not fail for it."""
    handle = writes_in_a_step.start(True)
    assert handle.get_result(timeout=10) == "written"
    assert (len(tries), stored(handle.workflow_id, "s")) == (3, ["before", 1, "end of it", "closed"])


@durable.step(name="streams.closes_in_a_step")
def closes_in_a_step() -> str:
    durable.write_stream("s", 1)
    durable.close_stream("s")
    try:
        durable.write_stream("s", 2)
    except StreamClosed:
        return "refused"
    return "written"


@durable.workflow(name="streams.writes_after_a_step_closed")
def writes_after_a_step_closed(park: bool) -> list[str]:
    said = [closes_in_a_step()]
    if park:
        durable.sleep(0.4)
    try:
        durable.write_stream("s", 3)
    except StreamClosed:
        said.append("refused")
    return said


@pytest.mark.parametrize("park", [False, True], ids=["in the same run", "in a later run"])
def test_a_stream_that_a_step_closed_is_closed_for_its_workflow(executor, park):
    handle = writes_after_a_step_closed.start(park)
    assert handle.get_result(timeout=10) == ["refused", "refused"]
    assert stored(handle.workflow_id, "s") == [1, "closed"]


@durable.transaction(name="streams.books")
def books(fail: bool) -> int:
    tries.append(1)
    durable.write_stream("s", len(tries))
    durable.close_stream("s")
    if len(tries) == 1:
        if fail:
            raise ValueError("rolled back")
        raise OperationalError("database is locked") from type("Busy", (Exception,), {"sqlstate": "40001"})()
    return len(tries)


@durable.workflow(name="streams.writes_in_a_transaction")
def writes_in_a_transaction(fail: bool) -> Any:
    try:
        return books(fail)
    except ValueError:
        durable.write_stream("s", "still open")
        return "failed"


def test_a_transaction_writes_once_however_often_it_is_tried(executor):
    handle = writes_in_a_transaction.start(False)
    assert handle.get_result(timeout=10) == 2
    assert stored(handle.workflow_id, "s") == [2, "closed"]


def test_what_a_transaction_wrote_is_rolled_back_with_it(executor):
    handle = writes_in_a_transaction.start(True)
    assert handle.get_result(timeout=10) == "failed"
    assert stored(handle.workflow_id, "s") == ["still open"]


# --- several writers at once


@durable.step(name="streams.writes_some")
def writes_some(who: int, n: int) -> None:
    for i in range(n):
        durable.write_stream("shared", [who, i])


@durable.step(name="streams.awrites_some")
async def awrites_some(who: int, n: int) -> None:
    for i in range(n):
        await durable.awrite_stream("shared", [who, i])


@durable.workflow(name="streams.crowd")
async def crowd(n: int) -> None:
    """Steps in threads, steps on the loop and the workflow itself write to one stream."""
    await asyncio.gather(
        *[asyncio.to_thread(writes_some, who, n) for who in (1, 2)],
        *[awrites_some(who, n) for who in (3, 4)],
        *[durable.awrite_stream("shared", [5, i]) for i in range(n)],
    )


def test_offsets_have_no_gap_and_no_double_with_writers_in_threads_and_on_the_loop(executor):
    handle = crowd.start(12)
    handle.get_result(timeout=30)
    assert offsets(handle.workflow_id, "shared") == list(range(60))
    values = list(durable.read_stream(handle.workflow_id, "shared"))
    for who in range(1, 5):  # one writer's values keep their order
        assert [i for writer, i in values if writer == who] == list(range(12))
    assert sorted(i for writer, i in values if writer == 5) == list(range(12))


has_written = threading.Event()


@durable.step(name="streams.writes_and_lingers")
def writes_and_lingers() -> None:
    with transaction.atomic():
        durable.write_stream("shared", "first")
        has_written.set()
        wait_until(waits_for_a_lock, 10, "the other writer waits")


@durable.step(name="streams.writes_second")
def writes_second() -> None:
    assert has_written.wait(10)
    durable.write_stream("shared", "second")


@durable.workflow(name="streams.two_writers")
async def two_writers() -> None:
    await asyncio.gather(asyncio.to_thread(writes_and_lingers), asyncio.to_thread(writes_second))


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_locks where not granted")
        return cursor.fetchone()[0] > 0


def test_a_writer_waits_for_one_whose_transaction_is_still_open(executor):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets nobody else write meanwhile")
    has_written.clear()
    handle = two_writers.start()
    handle.get_result(timeout=10)
    assert stored(handle.workflow_id, "shared") == ["first", "second"]


@durable.workflow(name="streams.gathers")
async def gathers(n: int) -> None:
    await asyncio.gather(*[durable.awrite_stream("s", i) for i in range(n)])


def test_writes_that_are_gathered_come_in_the_order_of_the_calls(executor):
    handle = gathers.start(100)
    handle.get_result(timeout=10)
    assert stored(handle.workflow_id, "s") == list(range(100))
    assert list(StreamEntry.objects.values_list("seq", flat=True)) == list(range(1, 101))
