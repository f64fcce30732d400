"""Streams: values in order, written once, read from anywhere while they come."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

import durable
from durable.errors import (
    InsideAtomic,
    InvalidOption,
    OutsideWorkflow,
    StreamClosed,
    StreamTimeout,
    WorkflowNotFound,
    WrongColour,
)
from durable.executor import Executor, recorder
from durable.models import Step, StreamEntry, Wait, Workflow
from tests.support import run_async, wait_until

from .watching import ended, parked


@durable.workflow(name="streams.counts")
def counts(n: int, close: bool = True) -> int:
    for i in range(n):
        durable.write_stream("numbers", i)
    if close:
        durable.close_stream("numbers")
    return n


@durable.workflow(name="streams.acounts")
async def acounts(n: int) -> int:
    for i in range(n):
        await durable.awrite_stream("numbers", i)
    await durable.aclose_stream("numbers")
    return n


@durable.workflow(name="streams.on_demand")
def on_demand(key: str = "numbers") -> str:
    """Writes what it is sent; None ends it, without a close."""
    while (value := durable.recv("write", 600)) is not None:
        durable.write_stream(key, value)
    return "done"


@durable.workflow(name="streams.reads")
def reads(workflow_id: str, key: str = "numbers", offset: int = 0, timeout: float | None = None) -> list[Any]:
    return list(durable.read_stream(workflow_id, key, offset=offset, timeout_seconds=timeout))


@durable.workflow(name="streams.areads")
async def areads(workflow_id: str, key: str = "numbers", offset: int = 0, timeout: float | None = None) -> list[Any]:
    return [value async for value in durable.aread_stream(workflow_id, key, offset=offset, timeout_seconds=timeout)]


def offsets(workflow_id: str, key: str = "numbers") -> list[int]:
    return list(StreamEntry.objects.filter(workflow_id=workflow_id, key=key).values_list("offset", flat=True))


def stored(workflow_id: str, key: str = "numbers") -> list[Any]:
    """What the table holds, in order; the entry that closes it as "closed"."""
    texts = StreamEntry.objects.filter(workflow_id=workflow_id, key=key).values_list("value", flat=True)
    return ["closed" if text is None else json.loads(text) for text in texts]


def following(workflow_id: str) -> tuple[threading.Thread, list[Any]]:
    """A thread that reads all of a stream, and what it has read."""
    got: list[Any] = []

    def follow() -> None:
        for value in durable.read_stream(workflow_id, "numbers"):
            got.append(value)
        connection.close()

    thread = threading.Thread(target=follow)
    thread.start()
    return thread, got


async def every(workflow_id: str, key: str = "numbers", **options: Any) -> list[Any]:
    return [value async for value in durable.aread_stream(workflow_id, key, **options)]


# --- order, offsets, ends


@pytest.mark.parametrize("writer", [counts, acounts], ids=["thread", "coroutine"])
def test_values_come_in_the_order_in_which_they_were_written(executor, writer):
    handle = writer.start(250)  # more than a reader takes at once
    assert list(durable.read_stream(handle.workflow_id, "numbers")) == list(range(250))
    assert run_async(every(handle.workflow_id)) == list(range(250))
    assert offsets(handle.workflow_id) == list(range(251))


def test_a_reader_begins_at_the_offset_it_gives_and_learns_where_it_stands(executor):
    handle = counts.start(5)
    entries = durable.read_stream_entries(handle.workflow_id, "numbers", offset=3)
    assert list(entries) == [(3, 3), (4, 4)]

    async def main():
        return [each async for each in durable.aread_stream_entries(handle.workflow_id, "numbers", offset=4)]

    assert run_async(main()) == [(4, 4)]
    assert list(durable.read_stream(handle.workflow_id, "numbers", offset=5)) == []


def test_a_reader_behind_the_end_of_a_closed_stream_ends_though_its_writer_lives(executor):
    handle = closes_and_waits.start()
    wait_until(lambda: stored(handle.workflow_id, "s") == [1, "closed"], 10)
    for offset in (1, 2, 50):
        assert list(durable.read_stream(handle.workflow_id, "s", offset=offset, timeout_seconds=5)) == []
    durable.cancel_workflow(handle.workflow_id)


def test_none_and_other_empty_values_are_values(executor):
    handle = writes_nothings.start()
    expected = [None, 0, "", [], False, {}]
    assert list(durable.read_stream(handle.workflow_id, "s")) == expected
    assert reads.start(handle.workflow_id, "s").get_result(timeout=10) == expected
    assert run_async(every(handle.workflow_id, "s")) == expected


@durable.workflow(name="streams.writes_nothings")
def writes_nothings() -> None:
    for value in (None, 0, "", [], False, {}):
        durable.write_stream("s", value)


def test_each_key_is_a_stream_of_its_own(executor):
    handle = writes_two_streams.start()
    handle.get_result(timeout=10)
    assert (stored(handle.workflow_id, "a"), stored(handle.workflow_id, "b")) == ([1, 3, "closed"], [2, 4])
    assert list(durable.read_stream(handle.workflow_id, "b")) == [2, 4]
    assert list(durable.read_stream(handle.workflow_id, "never written")) == []


@durable.workflow(name="streams.writes_two_streams")
def writes_two_streams() -> None:
    durable.write_stream("a", 1)
    durable.write_stream("b", 2)
    durable.write_stream("a", 3)
    durable.close_stream("a")
    durable.write_stream("b", 4)


@durable.workflow(name="streams.writes_and_fails")
def writes_and_fails() -> None:
    durable.write_stream("numbers", 1)
    raise ValueError("no more")


def test_the_end_of_a_workflow_ends_its_streams_whatever_end_it_is(executor):
    for writer, values in ((counts.start(2, False), [0, 1]), (writes_and_fails.start(), [1])):
        assert list(durable.read_stream(writer.workflow_id, "numbers", timeout_seconds=10)) == values
        assert not StreamEntry.objects.filter(workflow_id=writer.workflow_id, value=None).exists()


def test_a_cancelled_writer_ends_the_reading_of_all_who_follow(executor):
    writer = on_demand.start()
    durable.send(writer.workflow_id, 7, "write")
    outside, got = following(writer.workflow_id)
    inside, coroutine = reads.start(writer.workflow_id), areads.start(writer.workflow_id)
    for reader in (inside, coroutine):
        parked(reader, f"stream:{writer.workflow_id}/numbers")
    wait_until(lambda: got == [7], 10)
    durable.cancel_workflow(writer.workflow_id)
    assert inside.get_result(timeout=10) == coroutine.get_result(timeout=10) == [7]
    outside.join(10)
    assert got == [7] and not outside.is_alive()


def test_a_dead_lettered_writer_ends_its_streams_too(executor):
    Workflow.objects.create(
        id="dead", name="streams.counts", status="MAX_RECOVERY_ATTEMPTS_EXCEEDED", wake_at=None, input=""
    )
    StreamEntry.objects.create(workflow_id="dead", key="numbers", offset=0, seq=1, value="5")
    assert list(durable.read_stream("dead", "numbers", timeout_seconds=10)) == [5]


# --- what is refused


def test_nothing_is_written_to_a_closed_stream_and_closing_it_twice_changes_nothing(executor):
    handle = closes_twice_and_writes.start()
    assert "Stream 's' of workflow 'closer' is closed" in handle.get_result(timeout=10)
    assert stored("closer", "s") == [1, "closed"]
    assert "StreamClosed" in Step.objects.get(workflow_id="closer", seq=4).error


@durable.workflow(name="streams.closes_twice_and_writes")
def _closes_twice_and_writes() -> str:
    durable.write_stream("s", 1)
    durable.close_stream("s")
    durable.close_stream("s")
    try:
        durable.write_stream("s", 2)
    except StreamClosed as error:
        durable.sleep(0.5)  # parks: the error is replayed
        return str(error)
    return "written"


closes_twice_and_writes = _closes_twice_and_writes.using(workflow_id="closer")


@durable.workflow(name="streams.closes_and_waits")
def closes_and_waits() -> None:
    durable.write_stream("s", 1)
    durable.close_stream("s")
    durable.recv("end", 600)


def test_reading_an_unknown_workflow_is_an_error_everywhere(executor):
    with pytest.raises(WorkflowNotFound, match="'nobody'"):
        list(durable.read_stream("nobody", "numbers"))
    with pytest.raises(WorkflowNotFound, match="'nobody'"):
        run_async(every("nobody"))
    for reader in (reads, areads, reads_in_a_step):
        with pytest.raises(WorkflowNotFound, match="'nobody'"):
            reader.start("nobody").get_result(timeout=10)
    assert Step.objects.filter(name="read_stream", error__contains="WorkflowNotFound").count() == 2


@pytest.mark.parametrize("offset", [-1, 1.5, True, None, 2**31])
def test_an_impossible_offset_is_refused_when_the_reading_begins(database, offset):
    with pytest.raises(InvalidOption, match="from 0 on"):
        durable.read_stream("any", "numbers", offset=offset)
    with pytest.raises(InvalidOption, match="from 0 on"):
        durable.aread_stream("any", "numbers", offset=offset)


def test_only_a_workflow_writes_and_no_loop_is_blocked(database):
    for wrong in (lambda: durable.write_stream("s", 1), lambda: durable.close_stream("s")):
        with pytest.raises(OutsideWorkflow):
            wrong()
    with pytest.raises(InvalidOption, match="give text"):
        durable.read_stream("any", 5)

    async def main():
        with pytest.raises(WrongColour, match="aread_stream"):
            list(durable.read_stream("any", "s"))

    run_async(main())


def test_waiting_for_a_stream_inside_atomic_is_an_error_and_no_hang(executor):
    writer = on_demand.start()
    wait_until(lambda: writer.get_status().started_at, 10)
    with transaction.atomic(), pytest.raises(InsideAtomic, match="read_stream"):
        list(durable.read_stream(writer.workflow_id, "numbers"))
    durable.cancel_workflow(writer.workflow_id)


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


# --- exactly once from the workflow


@durable.workflow(name="streams.parks_between")
def parks_between() -> None:
    for i in range(3):
        durable.write_stream("s", i)
        durable.sleep(0.3)
    durable.close_stream("s")


def test_a_replay_writes_nothing_again(executor):
    handle = parks_between.start()
    assert list(durable.read_stream(handle.workflow_id, "s", timeout_seconds=10)) == [0, 1, 2]
    assert ended(handle).epoch > 1
    assert stored(handle.workflow_id, "s") == [0, 1, 2, "closed"]


def lose_the_answer(monkeypatch, when):
    """Let the first group commit that `when(entry)` holds for be stored and its acknowledgement be lost."""
    write, lost = recorder.write, []

    def writes(backend, session, entries):
        written = write(backend, session, entries)
        if not lost and any(when(entry) for entry in entries):
            lost.append(entries)
            raise OperationalError("the connection was closed")
        return written

    monkeypatch.setattr(recorder, "write", writes)
    return lost


@pytest.mark.parametrize("writer", [counts, acounts], ids=["thread", "coroutine"])
@pytest.mark.parametrize("name", ["write_stream", "close_stream"])
def test_a_write_whose_acknowledgement_was_lost_is_not_written_twice(executor, monkeypatch, writer, name):
    lost = lose_the_answer(monkeypatch, lambda entry: entry.record and entry.record.rows[0].name == name)
    handle = writer.start(3)
    assert handle.get_result(timeout=10) == 3
    assert lost
    assert stored(handle.workflow_id) == [0, 1, 2, "closed"]


def test_a_crash_after_a_write_does_not_write_it_again(database):
    first = Executor(label="first").start()
    handle = on_demand.start()
    durable.send(handle.workflow_id, "before", "write")
    wait_until(lambda: stored(handle.workflow_id) == ["before"], 10)
    first.stop()  # no release: its lease ends, and its workflows are recovered
    second = Executor(label="second").start()
    durable.send(handle.workflow_id, "after", "write")
    durable.send(handle.workflow_id, None, "write")
    assert list(durable.read_stream(handle.workflow_id, "numbers", timeout_seconds=10)) == ["before", "after"]
    assert handle.get_result(timeout=10) == "done"
    second.drain(1)


# --- from steps and transactions

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


@durable.step(name="streams.reads_all")
def reads_all(workflow_id: str) -> list[Any]:
    return list(durable.read_stream(workflow_id, "numbers"))


@durable.workflow(name="streams.reads_in_a_step")
def reads_in_a_step(workflow_id: str) -> list[Any]:
    return reads_all(workflow_id)


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
