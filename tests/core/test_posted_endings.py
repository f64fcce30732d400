"""A run's thread does not wait for the commit of its ending: what is stored then, what is told, and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, DataError, OperationalError, connections

import durable
from durable import signals
from durable.backends.backend import backend
from durable.backends.writing import Verdict
from durable.engine import commands as c
from durable.errors import LeaseLost, ResultTimeout
from durable.executor import Executor, recorder
from durable.executor.lease import Lease
from durable.models import Attempt, Step, Workflow
from durable.models import Executor as Row
from durable.models.fields import Now
from tests.support import wait_until

ran: list[tuple[str, int]] = []
"""Each run: what it was given, and its thread."""


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def note(key: str) -> int:
    ran.append((key, threading.get_ident()))
    return len(ran)


@durable.workflow(name="posted.in_a_thread")
def in_a_thread(key: str) -> int:
    return note(key)


@durable.workflow(name="posted.on_the_loop")
async def on_the_loop(key: str) -> int:
    return note(key)


BOTH = pytest.mark.parametrize("workflow", [in_a_thread, on_the_loop], ids=["thread", "coroutine"])

NOBODYS = c.Entry("nobody", 1, c.Record((c.Row(1, "nothing", "step"),)))


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., threading.Event]]:
    """`lands = in_flight(executor)`: a commit of that executor is under way until `lands` is set, in a thread as a run
    has it, or in the writer's."""
    took_off, lands, write = threading.Event(), threading.Event(), recorder.write
    threads = []

    def writes(backend: Any, session: Any, entries: list[Any]) -> Any:
        if entries[0] is NOBODYS:
            took_off.set()
            assert lands.wait(30)
        return write(backend, session, entries)

    monkeypatch.setattr(recorder, "write", writes)

    def begin(executor: Any, *, in_the_writer: bool = False) -> threading.Event:
        if in_the_writer:
            executor.recorder.post(NOBODYS, lambda ticket: None)
        else:
            threads.append(threading.Thread(target=executor.recorder.commit, args=(NOBODYS,)))
            threads[-1].start()
        assert took_off.wait(10)
        return lands

    yield begin
    lands.set()
    for thread in threads:
        thread.join(10)


def is_on_its_way(executor: Any, handle: Any) -> bool:
    """Whether the ending of a workflow waits for the writer."""
    entries = [ticket.entry for ticket in list(executor.recorder.inbox)]
    return any(entry.workflow == handle.workflow_id and entry.ending for entry in entries)


def posted(executor: Any, handle: Any) -> None:
    wait_until(lambda: is_on_its_way(executor, handle), 10, "its ending is on its way")


def row(handle: Any) -> Workflow:
    return Workflow.objects.get(pk=handle.workflow_id)


def test_a_thread_takes_the_next_run_while_the_ending_of_its_last_is_on_its_way(executor, in_flight):
    lands = in_flight(executor)
    first = in_a_thread.start("first")
    posted(executor, first)
    wait_until(lambda: not executor.pool._busy, 10, "its thread is free")
    second = in_a_thread.start("second")
    posted(executor, second)
    (_, one), (_, other) = ran
    assert one == other and executor.pool.threads == 1
    assert [row(first).status, row(second).status] == ["PENDING", "PENDING"]
    lands.set()
    assert durable.gather([first, second]) == [1, 2]
    assert executor.recorder.commits == 2, "both endings are one commit, after the one that was in flight"


@BOTH
def test_a_result_is_there_when_it_is_committed_and_a_place_is_free_then(executor, in_flight, workflow):
    lands = in_flight(executor)
    handle = workflow.start("a")
    posted(executor, handle)
    with pytest.raises(ResultTimeout):
        handle.get_result(timeout=0.05)
    assert (row(handle).status, row(handle).output) == ("PENDING", None)
    assert executor.room == executor.concurrency - 1 and handle.workflow_id in executor.running
    lands.set()
    assert handle.get_result(timeout=10) == 1
    wait_until(lambda: executor.room == executor.concurrency and not executor.running)


@BOTH
@pytest.mark.parametrize("knows", [True, False], ids=["that knows", "that does not know"])
def test_an_executor_that_lost_its_lease_meanwhile_ends_nothing(database, settings, in_flight, knows, workflow):
    settings.DURABLE = {**settings.DURABLE, "LEASE_SECONDS": 30}
    first = Executor(label="first").start()
    lands = in_flight(first)
    handle = workflow.start("a")
    posted(first, handle)
    first.claimer.stop()  # it renews nothing, and nobody tells it
    Row.objects.filter(pk=first.id).update(lease_until=Now())
    if knows:
        first.lease.lose()
    second = Executor(label="second").start()
    assert handle.get_result(timeout=10) == 2
    lands.set()
    wait_until(lambda: not first.running, 10, "the first has let go of it")
    found = row(handle)
    assert (found.status, found.executor, found.output, found.recovery_attempts) == ("SUCCESS", second.id, "2", 1)
    assert list(Attempt.objects.values_list("executor", "outcome")) == [(first.id, "lost")]
    assert first.recorder.commits == (1 if knows else 2), "one that knows does not even try"
    first.stop()
    second.drain(2)


@BOTH
@pytest.mark.parametrize("stop", [Executor.stop, Executor.drain_now], ids=["stop", "drain"])
@pytest.mark.parametrize("in_the_writer", [True, False], ids=["of the writer", "of a run"])
def test_a_stop_commits_the_endings_that_are_on_their_way(database, in_flight, in_the_writer, stop, workflow):
    executor = Executor().start()
    lands = in_flight(executor, in_the_writer=in_the_writer)
    handle = workflow.start("a")
    posted(executor, handle)
    stopping = threading.Thread(target=stop, args=(executor,))
    stopping.start()
    inbox, stopped = executor.recorder.inbox, executor.recorder._stopped
    wait_until(lambda: stopped.is_set() or len(inbox) > 1, 10, "it stops and waits for the commit")
    assert row(handle).status == "PENDING"
    lands.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert (row(handle).status, row(handle).output, len(ran)) == ("SUCCESS", "1", 1)


def test_a_writer_that_has_not_begun_when_the_stop_comes_commits_what_waits(database, monkeypatch):
    row = Workflow.objects.create(name="w", status="PENDING", epoch=1, executor="e", run_after=Now())
    writer, told = recorder.Recorder(backend(), Lease(60), lambda keys: None), []
    run = writer._run
    monkeypatch.setattr(writer, "_run", lambda: writer._stopped.wait(10) and run())
    writer.post(c.Entry(row.id, 1, ending=c.Ending("SUCCESS", "1"), executor="e"), told.append)
    writer.stop()
    assert [ticket.verdict for ticket in told] == [Verdict.DONE]
    writer.post(c.Entry(row.id, 1, ending=c.Ending("SUCCESS", "2"), executor="e"), told.append)
    with pytest.raises(LeaseLost):
        told[1].outcome()
    row.refresh_from_db()
    assert (row.status, row.output) == ("SUCCESS", "1")


def test_a_drain_tells_of_no_release_of_what_has_ended(database, in_flight):
    executor = Executor().start()
    lands = in_flight(executor)
    handle = in_a_thread.start("a")
    posted(executor, handle)
    draining = threading.Thread(target=executor.drain_now)
    draining.start()
    wait_until(lambda: len(executor.recorder.inbox) > 1, 10, "it would release the run")
    lands.set()
    draining.join(20)
    assert row(handle).status == "SUCCESS"
    assert list(Attempt.objects.values_list("outcome", "detail")) == []


@BOTH
@pytest.mark.parametrize("begins", ["before the run", "while its ending is on its way"])
def test_who_listens_hears_of_an_end_once_and_after_its_commit(executor, in_flight, begins, workflow):
    heard: list[tuple[str, str, str]] = []
    session = backend().own()  # a receiver may be called on the event loop

    def hear(sender: Any, workflow_id: str, status: str, **_: Any) -> None:
        [(stored,)] = session.run("select status from durable_workflow where id = %(id)s", {"id": workflow_id})
        heard.append((workflow_id, status, stored))

    lands = in_flight(executor)
    try:
        if begins == "before the run":
            signals.workflow_finished.connect(hear)
        handle = workflow.start("a")
        posted(executor, handle)
        signals.workflow_finished.connect(hear)
        assert heard == []
        lands.set()
        wait_until(lambda: handle.get_status().is_finished and not executor.running)
    finally:
        signals.workflow_finished.disconnect(hear)
        session.close()
    assert heard == [(handle.workflow_id, "SUCCESS", "SUCCESS")]


@BOTH
def test_an_ending_that_is_refused_is_logged_and_no_other_suffers(executor, in_flight, monkeypatch, caplog, workflow):
    write, refused = recorder.write, []

    def refuses(backend: Any, session: Any, entries: list[Any]) -> Any:
        bad = [each for each in entries if each.ending and each.workflow == "bad"]
        if bad and len(refused) < 2:  # once among others, once alone
            refused.append(len(entries))
            raise DataError("no such value")
        return write(backend, session, entries)

    monkeypatch.setattr(recorder, "write", refuses)
    lands = in_flight(executor)
    good, bad = workflow.start("good"), workflow.using(workflow_id="bad").start("bad")
    posted(executor, good)
    posted(executor, bad)
    lands.set()
    assert good.get_result(timeout=10) in (1, 2)
    wait_until(lambda: not executor.running)
    assert (refused, row(bad).status) == ([2, 1], "PENDING")
    wait_until(lambda: "the end of bad was not stored; it will be recovered" in caplog.text)
    assert workflow.start("next").get_result(timeout=10) == 3
    wait_until(lambda: executor.sweeper.wake() or row(bad).status == "SUCCESS", 10, "it is recovered")
    assert row(bad).output == "4"


# --- a step that is a workflow of its own


@durable.step(name="posted.step")
def step(key: str) -> int:
    return note(key)


@durable.step(name="posted.astep")
async def astep(key: str) -> int:
    return note(key)


@durable.step(name="posted.failing_step")
def failing_step(key: str) -> None:
    note(key)
    raise ValueError(key)


@durable.step(name="posted.retried", retries_allowed=True, interval_seconds=0.001, max_attempts=5)
def retried(key: str) -> int:
    if note(key) < 3:
        raise ValueError(key)
    return len(ran)


line = durable.Queue("posted")
STEPS = pytest.mark.parametrize("alone", [step, astep], ids=["thread", "coroutine"])


def journal() -> tuple[list[tuple[Any, ...]], list[str]]:
    """The steps that are stored, and how their workflows stand."""
    steps = Step.objects.values_list("seq", "output", "epoch")
    return list(steps), list(Workflow.objects.values_list("status", flat=True))


@pytest.mark.parametrize(
    "alone, commits, status",
    [(step, 1, "SUCCESS"), (astep, 1, "SUCCESS"), (failing_step, 1, "ERROR"), (retried, 3, "SUCCESS")],
)
def test_an_enqueued_step_is_recorded_with_its_end_in_one_commit(executor, alone, commits, status):
    handle = line.enqueue(alone, "a")
    wait_until(lambda: handle.get_status().is_finished and not executor.running)
    assert (executor.recorder.commits, executor.recorder.entries) == (commits, commits), "one for each failed try"
    [found], stored = Step.objects.all(), row(handle)
    assert (found.seq, found.name, found.attempts) == (1, f"posted.{alone.__name__}", commits)
    assert (stored.status, stored.output, stored.error is None) == (status, found.output, found.error is None)


def test_what_listens_to_steps_hears_of_one_that_was_enqueued_once(executor):
    heard = []

    def hear(sender: Any, workflow_id: str, step: str, **_: Any) -> None:
        heard.append((workflow_id, step))

    signals.step_recorded.connect(hear)
    try:
        handle = line.enqueue(step, "a")
        wait_until(lambda: handle.get_status().is_finished and not executor.running)
    finally:
        signals.step_recorded.disconnect(hear)
    assert heard == [(handle.workflow_id, "posted.step")]


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """`seen = dies("before")`: the first executor that would commit an ending dies before, or after; what is stored
    at that moment."""

    def at(when: str) -> list[Any]:
        seen: list[Any] = []
        write = recorder.write

        def writes(backend: Any, session: Any, entries: list[Any]) -> Any:
            if seen or not any(each.ending for each in entries):
                return write(backend, session, entries)
            written = write(backend, session, entries) if when == "after" else None
            seen.append(journal())
            if when == "before":
                Workflow.objects.update(executor="somebody who died", epoch=7)
            connections.close_all()
            return written or write(backend, session, entries)

        monkeypatch.setattr(recorder, "write", writes)
        return seen

    return at


@STEPS
def test_a_crash_before_that_commit_leaves_neither_and_the_step_runs_again(executor, dies, alone):
    seen = dies("before")
    handle = line.enqueue(alone, "a")
    wait_until(lambda: seen and not executor.running)
    assert seen == [([], ["PENDING"])]
    executor.sweeper.wake()
    assert handle.get_result(timeout=10) == len(ran) == 2
    assert journal() == ([(1, "2", 9)], ["SUCCESS"])


@STEPS
def test_after_that_commit_both_are_there_and_nothing_runs_again(executor, dies, alone):
    seen = dies("after")
    handle = line.enqueue(alone, "a")
    assert handle.get_result(timeout=10) == 1
    wait_until(lambda: seen and not executor.running)
    assert len(ran) == 1 and seen == [([(1, "1", 1)], ["SUCCESS"])]


@STEPS
def test_an_answer_to_that_commit_that_is_lost_changes_nothing(executor, monkeypatch, alone):
    write, lost = recorder.write, []

    def loses(backend: Any, session: Any, entries: list[Any]) -> Any:
        written = write(backend, session, entries)
        if not lost:
            lost.append(written)
            raise OperationalError("the connection is closed")
        return written

    monkeypatch.setattr(recorder, "write", loses)
    handle = line.enqueue(alone, "a")
    assert handle.get_result(timeout=10) == 1
    wait_until(lambda: not executor.running)
    assert lost and journal() == ([(1, "1", 1)], ["SUCCESS"]) and len(ran) == 1


def test_an_end_that_cannot_be_written_leaves_no_record_either(database, monkeypatch):
    Workflow.objects.create(id="w", name="w", status="PENDING", epoch=1, executor="e", run_after=Now())
    engine = backend()
    session = engine.own()
    entry = c.Entry("w", 1, c.Record((c.Row(1, "s", "step", "1"),)), c.Ending("SUCCESS", "1"), executor="e")
    with monkeypatch.context() as broken, pytest.raises(DatabaseError):
        broken.setattr(engine.sql, "finish", "update no_such_table set a = 1")
        recorder.write(engine, session, [entry])
    assert journal() == ([], ["PENDING"])
    recorder.write(engine, session, [entry])
    assert journal() == ([(1, "1", 1)], ["SUCCESS"])
    session.close()
