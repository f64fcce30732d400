"""Streams between processes that die, and limits of queues that are changed over their heads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

import durable
from durable.models import StreamEntry, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import wait_until

from . import streaming
from .test_lost_wakeups import ROUNDS, SOON, TIMES, Meeting, meeting, waiting_for  # noqa: F401
from .workflows import has, hooked, hooks


def followed(workflow_id: str) -> tuple[threading.Thread, list[Any]]:
    """A reader in this process, and what it has read."""
    got: list[Any] = []

    def follow() -> None:
        for value in durable.read_stream(workflow_id, "told"):
            got.append(value)
        connection.close()

    thread = threading.Thread(target=follow)
    thread.start()
    return thread, got


def stored(workflow_id: str) -> list[int]:
    return list(StreamEntry.objects.filter(workflow_id=workflow_id).values_list("offset", flat=True))


@pytest.mark.parametrize("listener", [streaming.listens, streaming.alistens], ids=["thread", "coroutine"])
def test_readers_here_and_in_other_processes_follow_what_one_process_writes(forked, listener):
    forked()
    writer = streaming.tells.using(workflow_id="teller").start(3)
    elsewhere = listener.start("teller")
    reader, got = followed("teller")
    expected: list[Any] = []
    for n in range(3):
        durable.send("teller", n, "tell")
        expected += [n, [n, "again"]]
        wait_until(lambda e=tuple(expected): got == list(e), 10, "it arrives while the writer waits for more")
    reader.join(10)
    assert not reader.is_alive() and got == expected
    assert writer.get_result(timeout=10) == "told"
    assert elsewhere.get_result(timeout=10) == expected
    assert stored("teller") == list(range(7))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", ["3 write_stream", "5 note", "6 recv", "8 write_stream", "11 close_stream"])
def test_a_writer_that_dies_at_a_write_has_written_it_once(forked, rescuer, when, point):
    """What its own code writes comes exactly once; a step that dies before its record writes again."""
    process = forked(crash={"root": "teller", "when": when, "point": f"checkout {point}"}, LEASE_SECONDS=60)
    streaming.tells.using(workflow_id="teller").start(2)
    reader, got = followed("teller")
    for n in range(2):
        durable.send("teller", n, "tell")
    wait_until(lambda: process.process.poll() is not None, 20, "it dies")
    rescuer(LEASE_SECONDS=60)
    assert durable.retrieve_workflow("teller").get_result(timeout=20) == "told"
    reader.join(10)
    assert not reader.is_alive()
    own = [value for value in got if isinstance(value, int)]
    steps = [value[0] for value in got if isinstance(value, list)]
    assert own == [0, 1] and sorted(set(steps)) == [0, 1]
    assert stored("teller") == list(range(len(got) + 1))
    assert Workflow.objects.get(pk="teller").recovery_attempts == 1


def test_a_pause_and_a_limit_reach_executors_in_other_processes_at_once(forked):
    process = forked(POLL_SECONDS=30, LEASE_SECONDS=60)
    durable.register_queue("far", concurrency=None)
    first = durable.start_by_name("streaming.waits_in_line", ("far", 1), queue="far")
    wait_until(lambda: has("far 1 in"), 10, f"it serves the new queue; {process.output}")
    durable.set_queue_limits("far", concurrency=1)
    second = durable.start_by_name("streaming.waits_in_line", ("far", 2), queue="far")
    app.total.start(1).get_result(timeout=10)
    assert second.get_status().status == "ENQUEUED"
    durable.pause_queue("far")
    durable.send(first.workflow_id, 1, "go")
    assert first.get_result(timeout=10) == 1
    app.total.start(1).get_result(timeout=10)
    assert second.get_status().status == "ENQUEUED"
    durable.resume_queue("far")
    durable.send(second.workflow_id, 1, "go")
    assert second.get_result(timeout=10) == 2


def test_partitions_keep_their_order_and_limits_when_an_executor_is_killed(forked, rescuer):
    first = forked(LEASE_SECONDS=60)
    handles = [
        streaming.lines.enqueue(streaming.waits_in_line.using(partition_key=key), key, n)
        for n in range(3)
        for key in ("p", "q")
    ]
    wait_until(lambda: has("p 0 in") and has("q 0 in"), 20)
    first.kill()
    rescuer(LEASE_SECONDS=60)
    for handle in handles:
        durable.send(handle.workflow_id, 1, "go")
    assert durable.gather(handles) == [0, 0, 1, 1, 2, 2]
    seen = list(Effect.objects.order_by("id").values_list("key", flat=True))
    for key in ("p", "q"):
        mine = [each for each in dict.fromkeys(seen) if each.startswith(key)]
        assert mine == [f"{key} {n} {what}" for n in range(3) for what in ("in", "out")]


# --- at the moment of parking


@durable.workflow(name="streaming.writes_one")
def writes_one() -> None:
    hooked("meet")
    durable.write_stream("told", "news")
    durable.recv("end", 60)


@durable.workflow(name="streaming.ends_without")
def ends_without() -> None:
    hooked("meet")


@durable.workflow(name="streaming.takes_one")
def takes_one(workflow_id: str) -> Any:
    return next(iter(durable.read_stream(workflow_id, "told")), "nothing")


@durable.workflow(name="streaming.atakes_one")
async def atakes_one(workflow_id: str) -> Any:
    return await anext(durable.aread_stream(workflow_id, "told"), "nothing")


@pytest.mark.parametrize("reader", [takes_one, atakes_one], ids=["thread", "coroutine"])
@pytest.mark.parametrize("writer, news", [(writes_one, "news"), (ends_without, "nothing")], ids=["a value", "the end"])
def test_what_comes_to_a_stream_at_the_moment_of_parking_wakes_its_reader(meeting, rescuer, reader, writer, news):  # noqa: F811
    for _ in range(2):
        rescuer(**TIMES, CONCURRENCY=1)
    hooks["meet"] = meeting.come
    for turn in range(ROUNDS // 2):
        handle = waiting_for(meeting, writer, lambda target: reader.using(workflow_id=f"{target}-w").start(target))
        try:
            assert handle.get_result(timeout=SOON) == news
        except TimeoutError:
            pytest.fail(f"lost in round {turn}: {handle.get_status().phase.word}, after {dict(meeting.verdicts)}")
        if writer is writes_one:
            durable.send(handle.workflow_id.removesuffix("-w"), 0, "end")
    wait_until(lambda: not Workflow.objects.live().exists(), 10)
    assert meeting.verdicts["DONE"], "it never parked; nothing was tested"
