"""A fork is a copy of a workflow that goes on from one of its steps; the original never notices."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import connections

import durable
from durable import forking
from durable.backends.backend import backend
from durable.backends.writing import Verdict, write
from durable.engine import commands as c
from durable.errors import InvalidOption, SerializationError, WorkflowConflict, WorkflowNotFound
from durable.models import Event, Message, Now, Queue, Step, StepAttempt, StreamEntry, Wait, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until


@durable.step(name="forking.adds")
def adds(key: str, n: int) -> int:
    Effect.objects.create(key=key)
    return n


@durable.workflow(name="forking.sums")
def sums(n: int) -> int:
    """Steps 1 to 4: a value, an event, a value, an event."""
    first = adds("first", n)
    durable.set_event("sum", first)
    second = first + adds("second", n)
    durable.set_event("sum", second)
    return second


@durable.workflow(name="forking.listens")
def listens(times: int) -> list:
    return [durable.recv("t", 600) for _ in range(times)]


@durable.workflow(name="forking.breaks")
def breaks() -> str:
    adds("before", 1)
    if Effect.objects.filter(key="mended").exists():
        return "well"
    raise ValueError("broken")


@durable.workflow(name="forking.parent")
def parent() -> int:
    return app.total.start(3).get_result() + adds("after", 10)


@durable.workflow(name="forking.forks")
def forks(original: str) -> list[str]:
    first = durable.fork_workflow(original, 3)
    with durable.SetWorkflowID("named"):
        second = durable.restart_workflow(original)
    durable.sleep(0.5)  # parks: what was forked is replayed, not forked again
    return [first.workflow_id, second.workflow_id, first.get_result(), second.get_result()]


def effects(key: str) -> int:
    return Effect.objects.filter(key=key).count()


def rows(model, workflow_id: str, *columns: str) -> list[tuple]:
    return list(model.objects.filter(workflow_id=workflow_id).values_list(*columns))


def ended(executor, fn=sums, *args, **options):
    handle = fn.using(**options).start(*args)
    handle.get_result(timeout=10)
    return handle.workflow_id


def test_a_fork_runs_from_its_step_and_leaves_the_original_alone(executor):
    original = ended(executor, sums, 5)
    before = Workflow.objects.filter(pk=original).values().get()
    fork = durable.fork_workflow(original, 3)
    assert fork.workflow_id != original and fork.get_result(timeout=10) == 10
    assert (effects("first"), effects("second")) == (1, 2)
    after = Workflow.objects.filter(pk=original).values().get()
    assert after == before | {"was_forked_from": True}
    row = fork.get_status()
    assert (row.forked_from, row.was_forked_from, row.status, row.epoch) == (original, False, "SUCCESS", 2)
    assert rows(Step, fork.workflow_id, "seq", "name") == rows(Step, original, "seq", "name")


def test_a_fork_has_the_events_as_of_its_step_with_their_history(database):
    from durable.executor import Executor

    executor = Executor().start()
    original = ended(executor, sums, 5)
    executor.drain(2)
    assert rows(Event, original, "seq", "value") == [(2, "5"), (4, "10")]
    histories = {
        start: rows(Event, durable.fork_workflow(original, start).workflow_id, "seq", "value") for start in range(1, 6)
    }
    assert histories == {1: [], 2: [], 3: [(2, "5")], 4: [(2, "5")], 5: [(2, "5"), (4, "10")]}
    early = durable.fork_workflow(original, 3).workflow_id
    assert durable.get_event(early, "sum", 0) == 5


def test_a_fork_carries_what_the_original_was_started_with_and_nothing_of_how_it_ran(database):
    handle = sums.using(
        queue="q", priority=7, dedup_id="d", delay=1000, timeout=60, attributes={"a": 1}, authenticated_user="ann",
        authenticated_roles=("boss",),
    ).start(5)  # fmt: skip
    original = Workflow.objects.get(pk=handle.workflow_id)
    fork = Workflow.objects.get(pk=durable.fork_workflow(original.id).workflow_id)
    same = (
        "name", "input", "serialization", "attributes", "authenticated_user", "authenticated_roles", "priority",
        "version", "application", "max_recovery_attempts", "class_name", "config_name",
    )  # fmt: skip
    assert {name: getattr(fork, name) for name in same} == {name: getattr(original, name) for name in same}
    assert (fork.status, fork.queue_name, fork.epoch, fork.generation) == ("ENQUEUED", None, 1, 0)
    gone = ("timeout", "deadline", "dedup_id", "parent", "wake_at", "schedule", "executor", "admitted", "partition_key")
    assert {getattr(fork, name) for name in gone} == {None}
    assert fork.position > original.position
    other = Workflow.objects.get(pk=durable.fork_workflow(original.id, version="v2", timeout=9, queue="q").workflow_id)
    assert (other.version, other.timeout, other.queue) == ("v2", 9.0, "q")


def test_a_fork_without_a_partition_key_has_a_place_in_a_partitioned_queue(database):
    Queue.objects.create(name="parted", partitioned=True)
    original = sums.start(5).workflow_id
    unnamed = durable.fork_workflow(original, queue="parted").get_status()
    named = durable.fork_workflow(original, queue="parted", partition_key="k").get_status()
    assert (unnamed.partition_key, named.partition_key) == ("", "k")
    with pytest.raises(InvalidOption, match="needs a queue"):
        durable.fork_workflow(original, partition_key="k")


@pytest.mark.parametrize("start", [0, 1])
def test_a_restart_is_a_fork_from_the_first_step(executor, start):
    original = ended(executor, sums, 5)
    handle = durable.restart_workflow(original) if start else durable.fork_workflow(original, 0)
    assert handle.get_result(timeout=10) == 10
    assert effects("first") == 2


def test_a_failed_workflow_goes_on_after_its_cause_is_mended(executor):
    handle = breaks.start()
    with pytest.raises(ValueError, match="broken"):
        handle.get_result(timeout=10)
    Effect.objects.create(key="mended")
    assert durable.fork_workflow(handle.workflow_id, 2).get_result(timeout=10) == "well"
    assert effects("before") == 1


@pytest.mark.parametrize("status", ["ENQUEUED", "DELAYED", "PENDING", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"])
def test_a_workflow_of_any_status_may_be_forked(executor, status):
    Workflow.objects.create(
        id="w", name=sums.name, input='{"args":[5],"kwargs":{}}', status=status, version=sums.version
    )
    assert durable.fork_workflow("w").get_result(timeout=10) == 10
    assert Workflow.objects.get(pk="w").status == status


def test_a_replaced_output_is_what_the_fork_sees_and_the_original_keeps_its_own(executor):
    original = ended(executor, sums, 5)
    fork = durable.fork_workflow(original, 3, outputs={1: 100})
    assert fork.get_result(timeout=10) == 105
    assert Step.objects.get(workflow_id=original, seq=1).output == "5"
    assert Step.objects.get(workflow_id=fork.workflow_id, seq=1).output == "100"


def test_a_value_may_take_the_place_of_a_recorded_error(executor):
    original = ended(executor, handles_failure)
    assert durable.retrieve_workflow(original).get_result() == "failed: no"
    assert durable.fork_workflow(original, 2, outputs={1: "yes"}).get_result(timeout=10) == "yes"
    assert durable.fork_workflow(original, 2, outputs={1: None}).get_result(timeout=10) is None


@durable.step(name="forking.fails")
def fails() -> str:
    raise ValueError("no")


@durable.workflow(name="forking.handles_failure")
def handles_failure() -> str | None:
    try:
        return fails()
    except ValueError as error:
        return f"failed: {error}"


@pytest.mark.parametrize("outputs", [{3: 1}, {2: 1}, {0: 1}, {"1": 1}, {True: 1}, {9: 1}])
def test_an_output_that_is_not_kept_or_is_no_value_cannot_be_replaced(executor, outputs):
    original = ended(executor, sums, 5)
    with pytest.raises(InvalidOption, match="outputs"):
        durable.fork_workflow(original, 3, outputs=outputs)
    with pytest.raises(SerializationError):
        durable.fork_workflow(original, 3, outputs={1: object()})
    assert Workflow.objects.count() == 1 and not Workflow.objects.get().was_forked_from


def test_messages_that_the_kept_steps_have_not_received_are_given_to_the_fork(executor):
    handle = listens.start(3)
    for letter in "abc":
        durable.send(handle.workflow_id, letter, "t", idempotency_key=letter)
    assert handle.get_result(timeout=10) == ["a", "b", "c"]
    durable.send(handle.workflow_id, "late", "t")
    fork = durable.fork_workflow(handle.workflow_id, 3)  # a recv takes two steps
    assert fork.get_result(timeout=10) == ["a", "b", "c"]
    assert rows(Message, fork.workflow_id, "body", "consumed_seq") == [('"b"', 3), ('"c"', 5), ('"late"', None)]
    assert rows(Message, handle.workflow_id, "consumed_seq") == [(1,), (3,), (5,), (None,)]


def test_streams_are_copied_as_of_the_step_without_gaps(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="SUCCESS")
    written = [("a", 0, 5), ("a", 1, 2), ("a", 2, 3), ("b", 0, 2), ("b", 1, 4)]
    for key, offset, seq in written:
        StreamEntry.objects.create(workflow_id="w", key=key, offset=offset, seq=seq, value=f"{seq}")
    fork = durable.fork_workflow("w", 4).workflow_id
    assert rows(StreamEntry, fork, "key", "offset", "value") == [("a", 0, "2"), ("a", 1, "3"), ("b", 0, "2")]


def test_failed_attempts_of_kept_steps_are_copied_and_others_count_anew(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="CANCELLED")
    Step.objects.create(workflow_id="w", seq=1, name="s", epoch=1, started_at=Now(), completed_at=Now())
    for seq in (1, 2, 3):
        StepAttempt.objects.create(
            workflow_id="w", seq=seq, n=1, name="s", error="{}", started_at=Now(), ended_at=Now()
        )  # fmt: skip
    assert rows(StepAttempt, durable.fork_workflow("w", 3).workflow_id, "seq") == [(1,)]


def test_children_of_kept_steps_are_shared_or_replaced(executor):
    original = parent.start()
    assert original.get_result(timeout=10) == 13
    child = f"{original.workflow_id}-1"
    other = app.total.start(5)
    other.get_result(timeout=10)
    shared = durable.fork_workflow(original.workflow_id, 2)
    replaced = durable.fork_workflow(original.workflow_id, 2, replacement_children={child: other.workflow_id})
    anew = durable.fork_workflow(original.workflow_id)
    assert [h.get_result(timeout=10) for h in (shared, replaced, anew)] == [13, 20, 13]
    assert Workflow.objects.filter(parent=shared.workflow_id).count() == 0
    assert Workflow.objects.get(parent=anew.workflow_id).id == f"{anew.workflow_id}-1"
    with pytest.raises(InvalidOption, match="'nobody' is no child"):
        durable.fork_workflow(original.workflow_id, 2, replacement_children={"nobody": other.workflow_id})
    with pytest.raises(WorkflowNotFound, match="nowhere"):
        durable.fork_workflow(original.workflow_id, 2, replacement_children={child: "nowhere"})


def test_a_fork_takes_a_given_id_that_of_a_block_or_a_fresh_one(executor):
    original = ended(executor, sums, 5)
    assert durable.fork_workflow(original, workflow_id="given").workflow_id == "given"
    with durable.SetWorkflowID("of a block"):
        assert durable.fork_workflow(original, 3).workflow_id == "of a block"
    for taken in ("given", original):
        with pytest.raises(WorkflowConflict, match=f"The id {taken!r} is taken"):
            durable.fork_workflow(original, workflow_id=taken)
    with pytest.raises(InvalidOption, match="workflow_id"):
        durable.fork_workflow(original, workflow_id=" ")
    assert Workflow.objects.filter(forked_from=original).count() == 2


@pytest.mark.parametrize("verb", [durable.fork_workflow, durable.restart_workflow, durable.rewind_workflow])
def test_an_unknown_id_is_said_to_be_unknown(database, verb):
    with pytest.raises(WorkflowNotFound, match="'nobody'"):
        verb("nobody")
    for impossible in ("a\x00b", "\ud800", None, 7):
        with pytest.raises(InvalidOption, match="workflow_id"):
            verb(impossible)


@pytest.mark.parametrize("verb", [durable.fork_workflow, durable.rewind_workflow])
@pytest.mark.parametrize("wrong", [-1, 1.0, "1", True, None, 2**31])
def test_an_impossible_step_is_refused(database, verb, wrong):
    Workflow.objects.create(id="w", name="total", input="{}", status="SUCCESS")
    with pytest.raises(InvalidOption, match="start_step"):
        verb("w", wrong)


def test_a_fork_in_atomic_is_there_with_it_or_not_at_all(executor):
    from django.db import transaction

    original = ended(executor, sums, 5)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        durable.fork_workflow(original)
        raise ZeroDivisionError
    assert Workflow.objects.count() == 1 and not Workflow.objects.get().was_forked_from
    with transaction.atomic():
        fork = durable.fork_workflow(original)
    assert fork.get_result(timeout=10) == 10


def test_a_workflow_forks_once_however_often_it_is_replayed(executor):
    original = ended(executor, sums, 5)
    first, second, *results = forks.start(original).get_result(timeout=10)
    assert (second, results) == ("named", [10, 10])
    assert set(Workflow.objects.filter(forked_from=original).values_list("id", flat=True)) == {first, second}
    kinds = Step.objects.filter(name__in=("fork_workflow", "restart_workflow")).values_list("kind", flat=True)
    assert list(kinds) == ["manage", "manage"]


def test_a_crash_after_the_fork_and_before_its_record_makes_no_second_one(executor):
    """The forks are there and the slots are not, as after a crash between the two: the replay finds its own."""
    original = ended(executor, sums, 5)
    handle = forks.using(workflow_id="forker").start(original)
    expected = handle.get_result(timeout=10)
    Step.objects.filter(workflow_id="forker").delete()
    Workflow.objects.filter(pk="forker").update(status="PENDING", executor=None, run_after=Now(), completed_at=None)
    assert handle.get_result(timeout=10) == expected
    assert Workflow.objects.filter(forked_from=original).count() == 2


def test_coroutines_fork_too(executor):
    original = ended(executor, sums, 5)

    async def main():
        with durable.SetWorkflowID("f"):
            fork = await durable.afork_workflow(original, 3)
        again = await durable.arestart_workflow(original)
        return fork.workflow_id, await fork.aget_result(10), await again.aget_result(10)

    assert run_async(main()) == ("f", 10, 10)


def test_two_who_fork_under_one_id_make_one_fork(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="SUCCESS")
    barrier, outcomes = threading.Barrier(2), []

    def fork():
        barrier.wait()
        try:
            outcomes.append(durable.fork_workflow("w", workflow_id="f").workflow_id)
        except WorkflowConflict:
            outcomes.append("conflict")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=fork) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == ["conflict", "f"]


def test_while_a_fork_copies_the_original_stands_still(database, monkeypatch):
    """So that the fork is of one moment: no event without its step. A run that writes meanwhile tries again."""
    if database == "sqlite":
        pytest.skip("SQLite has one lock for all rows; nobody writes while a fork copies")
    Workflow.objects.create(id="w", name="total", input="{}", status="PENDING", executor="me", epoch=1, run_after=Now())
    engine = backend()
    session = engine.own()
    row = c.Row(1, "set_event", "set_event", started_at=1.0, completed_at=1.0)
    entry = c.Entry("w", 1, c.Record((row,), (c.Publish("w", "k", 1, "1"),)))
    verdicts, insert = [], forking._insert

    def slow(*args):
        verdicts.append(write(engine, session, [entry]).verdicts[id(entry)])
        return insert(*args)

    monkeypatch.setattr(forking, "_insert", slow)
    fork = durable.fork_workflow("w", 10).workflow_id
    verdicts.append(write(engine, session, [entry]).verdicts[id(entry)])
    session.close()
    assert verdicts == [Verdict.BUSY, Verdict.DONE]
    assert not Event.objects.filter(workflow_id=fork).exists() and Event.objects.filter(workflow_id="w").exists()


def test_a_killed_executor_loses_nothing_of_a_fork(executor_process):
    first = executor_process(LEASE_SECONDS=1)
    original = app.naps.start(0.05)
    original.get_result(timeout=20)
    sleep = Step.objects.get(workflow_id=original.workflow_id, kind="sleep")
    fork = durable.fork_workflow(original.workflow_id, sleep.seq)
    other = durable.fork_workflow(app.receives.using(workflow_id="r").start("t", 600).workflow_id, 1)
    wait_until(lambda: Wait.objects.filter(workflow_id=other.workflow_id).exists(), 20, "the fork waits")
    first.kill()
    executor_process(LEASE_SECONDS=1)
    durable.send(other.workflow_id, "on", "t")
    assert fork.get_result(timeout=20) == "woke" and other.get_result(timeout=20) == ["on"]
    assert effects("slept") == 1


def test_json_of_the_statements_may_hold_anything(executor):
    """An edited output travels as a parameter: quotes, percent signs and backslashes stay what they are."""
    original = ended(executor, sums, 5)
    hostile = "%(id)s '; drop table x; -- \\u0000 \" ü \\"
    fork = durable.fork_workflow(original, 2, outputs={1: hostile})
    with pytest.raises(TypeError):
        fork.get_result(timeout=10)
    assert json.loads(Step.objects.get(workflow_id=fork.workflow_id, seq=1).output) == hostile
