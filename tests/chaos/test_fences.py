"""The fence of every write, at the statements: who has lost a workflow writes nothing for it, and learns why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import durable
from durable.backends.backend import Backend, backend
from durable.backends.session import Own
from durable.backends.writing import Verdict, write
from durable.engine import commands as c
from durable.executor.lease import Lease
from durable.executor.recorder import Recorder
from durable.models import Attempt, Event, Message, Step, StepAttempt, Wait, Workflow
from durable.models.fields import Now

TABLES = (Workflow, Step, StepAttempt, Event, Message, Wait, Attempt)
EPOCH = 3


def workflow(workflow_id: str, **changes: Any) -> Workflow:
    """A row that an executor holds."""
    given = {"status": "PENDING", "epoch": EPOCH, "executor": "me", "run_after": Now(), "name": "total"}
    return Workflow.objects.create(id=workflow_id, input='{"args": [], "kwargs": {}}', **given | changes)


def row(seq: int = 1, name: str = "note", output: str = '"x"') -> c.Row:
    return c.Row(seq, name, "step", output, started_at=time.time(), completed_at=time.time())


def new() -> c.NewWorkflow:
    return c.NewWorkflow(id="child", name="total", input='{"args": [1], "kwargs": {}}', queue="_durable", parent="mine")


def failed_try() -> c.FailedTry:
    return c.FailedTry(1, 1, "note", '{"type": "ValueError"}', time.time(), time.time())


WRITES: dict[str, Callable[[], dict[str, Any]]] = {
    "a step": lambda: {"record": c.Record((row(),))},
    "several steps": lambda: {"record": c.Record((row(), row(2)))},
    "a child": lambda: {"record": c.Record((row(),), (new(),))},
    "a message": lambda: {"record": c.Record((row(),), (c.Deliver("other", "t", "key", "1", "mine"),))},
    "a message received": lambda: {"record": c.Record((row(),), (c.Consume(Message.objects.get().pk, 1),))},
    "an event": lambda: {"record": c.Record((row(),), (c.Publish("mine", "key", 1, "1"),))},
    "a failed attempt": lambda: {"record": c.Record((), (failed_try(),))},
    "a failed step": lambda: {"record": c.Record((row(),), (failed_try(),))},
    "a success": lambda: {"ending": c.Ending("SUCCESS", output="1")},
    "an error": lambda: {"ending": c.Ending("ERROR", error="{}", error_type="ValueError")},
    "a parking": lambda: {"letting": c.Letting("message:u", (c.Condition("message", "mine", "u"),), time.time() + 60)},
    "a release": lambda: {"letting": c.Letting(None, outcome="released", detail="it drains")},
}  # fmt: skip
AGAIN = [name for name, make in WRITES.items() if name not in ("a success", "an error", "a parking", "a release")]
"""What may be written again when the answer was lost, and must then be taken as written."""


def entry(name: str, epoch: int = EPOCH, workflow_id: str = "mine") -> c.Entry:
    return c.Entry(workflow_id, epoch, executor="me", **WRITES[name]())


def everything() -> dict[str, list[tuple]]:
    """All rows; when a row was written is no part of what it says."""
    return {model.__name__: sorted(model.objects.values_list(*said(model)), key=repr) for model in TABLES}


def said(model: Any) -> list[str]:
    return [f.attname for f in model._meta.concrete_fields if f.attname not in ("created_at", "ended_at")]


@pytest.fixture
def engine(database: str) -> Backend:
    """The engine's backend, and two workflows: one of ours with a message in its mailbox, and another."""
    workflow("mine")
    workflow("other")
    Message.objects.create(workflow_id="mine", topic="t", key="k", body="1")
    return backend()


@pytest.fixture
def session(engine: Backend) -> Iterator[Own]:
    own = engine.own()
    own.connect()
    if engine.vendor == "postgresql":
        own.run("set lock_timeout = '5s'", {})  # a statement that waits for a lock fails, so that no test hangs
    yield own
    own.close()


@pytest.fixture
def holder(engine: Backend) -> Iterator[Own]:
    """A foreign connection."""
    if engine.vendor != "postgresql":
        pytest.skip("SQLite has one lock for all rows; a foreign transaction makes every writer wait")
    own = engine.own()
    yield own
    own.close()


def verdicts(engine: Backend, session: Own, *entries: c.Entry) -> list[Verdict]:
    written = write(engine, session, list(entries))
    return [written.verdicts[id(each)] for each in entries]


@pytest.mark.parametrize("what", WRITES)
def test_whoever_holds_the_workflow_writes(engine, session, what):
    before = everything()
    assert verdicts(engine, session, entry(what)) == [Verdict.DONE]
    assert everything() != before


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("epoch", [EPOCH - 1, EPOCH + 1], ids=["an older", "a newer"])
def test_a_write_under_another_epoch_changes_nothing(engine, session, what, epoch):
    before = everything()
    assert verdicts(engine, session, entry(what, epoch)) == [Verdict.FENCED]
    assert everything() == before


def ended_by_another_executor() -> None:
    Workflow.objects.filter(pk="mine").update(status="SUCCESS", run_after=None, epoch=EPOCH + 2)


def set_aside() -> None:
    Workflow.objects.filter(pk="mine").update(max_recovery_attempts=0)
    backend().recover(backend().borrowed())


def cancelled() -> None:
    durable.cancel_workflow("mine")


def recovered() -> None:
    backend().recover(backend().borrowed())


def claimed_by_another_executor() -> None:
    recovered()
    Workflow.objects.filter(pk="mine").update(epoch=EPOCH + 2, executor="they")


LOSSES = [ended_by_another_executor, set_aside, cancelled, recovered, claimed_by_another_executor]


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("lose", LOSSES, ids=[lose.__name__.replace("_", " ") for lose in LOSSES])
def test_whoever_has_lost_the_workflow_writes_nothing(engine, session, what, lose):
    lose()
    before = everything()
    assert verdicts(engine, session, entry(what)) == [Verdict.CANCELLED if lose is cancelled else Verdict.FENCED]
    assert everything() == before


def test_a_zombie_in_a_batch_stops_none_of_its_neighbours(engine, session):
    entries = [entry("a step", EPOCH - 1), entry("a step", workflow_id="other"), entry("a child", EPOCH - 1)]
    assert verdicts(engine, session, *entries) == [Verdict.FENCED, Verdict.DONE, Verdict.FENCED]
    assert list(Step.objects.values_list("workflow_id", flat=True)) == ["other"]
    assert not Workflow.objects.filter(pk="child").exists()


@pytest.mark.parametrize("what", AGAIN)
def test_a_write_whose_answer_was_lost_is_written_once_and_done(engine, session, what):
    again = entry(what)
    assert verdicts(engine, session, again) == [Verdict.DONE]
    once = everything()
    assert verdicts(engine, session, again) == [Verdict.DONE]
    assert everything() == once


def test_a_slot_that_holds_another_operation_is_taken(engine, session):
    first = c.Entry("mine", EPOCH, c.Record((row(name="note"),)))
    assert verdicts(engine, session, first) == [Verdict.DONE]
    stored = Step.objects.get()
    second = c.Entry("mine", EPOCH, c.Record((row(name="another"),)))
    tried = c.Entry("mine", EPOCH, c.Record((row(name="another"),), (failed_try(),)))
    assert verdicts(engine, session, second, tried) == [Verdict.TAKEN, Verdict.TAKEN]
    assert (Step.objects.get().name, Step.objects.get().output) == (stored.name, stored.output)


@pytest.mark.parametrize("what", WRITES)
def test_a_row_that_somebody_holds_makes_its_entry_busy_and_no_other(engine, session, holder, what):
    before = everything()["Step"]
    with holder.transaction():
        holder.run("select id from durable_workflow where id = 'mine' for update", {})
        mine, others = entry(what), entry("a step", workflow_id="other")
        assert verdicts(engine, session, mine, others) == [Verdict.BUSY, Verdict.DONE]
        assert [(step[0], step[1]) for step in everything()["Step"]] == [*before, ("other", 1)]
    assert verdicts(engine, session, mine) == [Verdict.DONE]


@pytest.mark.parametrize("what", ["a message", "a child's end"])
def test_a_locked_row_of_another_workflow_makes_busy_what_needs_it(engine, session, holder, what):
    waits = c.Entry("mine", EPOCH, letting=c.Letting("child:other", (c.Condition("child", "other"),)))
    mine = entry("a message") if what == "a message" else waits
    before = everything()
    with holder.transaction():
        holder.run("select id from durable_workflow where id = 'other' for update", {})
        assert verdicts(engine, session, mine) == [Verdict.BUSY]
        assert everything() == before
    assert verdicts(engine, session, mine) == [Verdict.DONE]


def test_a_locked_row_stalls_no_other_commit_of_the_executor(engine, holder):
    recorder = Recorder(engine, Lease(60), lambda keys: None)
    results: list[Any] = []

    def commit() -> None:
        results.append(recorder.commit(entry("a step")).verdict)

    with holder.transaction():
        holder.run("select id from durable_workflow where id = 'mine' for update", {})
        thread = threading.Thread(target=commit)
        thread.start()
        for seq in range(1, 21):
            neighbour = c.Entry("other", EPOCH, c.Record((row(seq),)))
            assert recorder.commit(neighbour).verdict is Verdict.DONE
        assert not results
    thread.join(10)
    assert results == [Verdict.DONE]
    recorder.stop()


def test_a_takeover_that_is_not_committed_yet_already_keeps_the_old_owner_out(engine, session, holder):
    """A fence that only looked, and did not lock, would let it in here."""
    take = "update durable_workflow set epoch = epoch + 1, executor = 'they' where id = 'mine'"
    for what in WRITES:
        before = everything()
        with holder.transaction():
            holder.run(take, {})
            mine = entry(what)
            assert verdicts(engine, session, mine) == [Verdict.BUSY], what
        assert verdicts(engine, session, mine) == [Verdict.FENCED], what
        Workflow.objects.filter(pk="mine").update(epoch=EPOCH, executor="me")
        assert everything() == before, what


def test_a_recovery_passes_over_a_row_that_its_owner_is_writing(engine, session, holder):
    with holder.transaction():
        assert verdicts(engine, holder, entry("a step")) == [Verdict.DONE]
        assert {orphan.id for orphan in engine.recover(session)} == {"other"}
    assert {orphan.id for orphan in engine.recover(session)} == {"mine"}
    assert Step.objects.filter(workflow_id="mine").count() == 1
    assert verdicts(engine, session, c.Entry("mine", EPOCH, c.Record((row(2),)))) == [Verdict.FENCED]
