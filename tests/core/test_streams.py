"""Streams: values in order, written once, that end when they are closed or their workflow ends."""

from __future__ import annotations

import pytest
from django.db import OperationalError, transaction

import durable
from durable.errors import (
    InsideAtomic,
    InvalidOption,
    OutsideWorkflow,
    StreamClosed,
    WorkflowNotFound,
    WrongColour,
)
from durable.executor import Executor, recorder
from durable.models import Step, StreamEntry, Workflow
from tests.support import run_async, wait_until

from .streaming import acounts, areads, counts, every, following, offsets, on_demand, reads, reads_in_a_step, stored
from .watching import ended, parked

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
