"""A rewind takes a workflow that has ended back to one of its steps, under its own id."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

import durable
from durable.backends.backend import backend
from durable.backends.writing import Verdict, write
from durable.engine import commands as c
from durable.errors import InvalidOption, NotRewindable
from durable.models import Attempt, Checkpoint, Event, Message, Now, Step, StepAttempt, StreamEntry, Wait, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until


@durable.step(name="rewinding.counts")
def counts(key: str) -> int:
    """How often it has run."""
    Effect.objects.create(key=key, detail=durable.idempotency_key())
    return Effect.objects.filter(key=key).count()


@durable.workflow(name="rewinding.three")
def three() -> list[int]:
    """Steps 1, 2 (an event), 3, 4 (an event), 5."""
    found = [counts("a")]
    durable.set_event("k", found[0])
    found.append(counts("b"))
    durable.set_event("k", found[1])
    return [*found, counts("c")]


@durable.workflow(name="rewinding.family")
def family(waits: bool = False) -> list[int]:
    """Steps: 1 starts a child, 2 starts it again (and attaches), 3 starts another, 4 starts a grandparent."""
    app.total.using(workflow_id="first").start(1)
    app.total.using(workflow_id="first").start(1)
    second = app.total.using(workflow_id="second").start(2)
    third = generation.using(workflow_id="third").start(waits)
    return [second.get_result(), 0 if waits else third.get_result()]


@durable.workflow(name="rewinding.generation")
def generation(waits: bool) -> int:
    child = app.receives.using(workflow_id="below").start("t", 600) if waits else app.total.start(3)
    return 0 if waits else child.get_result()


def ended(fn: Any = three, *args: Any, workflow_id: str = "w") -> Any:
    handle = fn.using(workflow_id=workflow_id).start(*args)
    handle.get_result(timeout=10)
    return handle


def rows(model: Any, *columns: str) -> list[tuple]:
    return list(model.objects.filter(workflow_id="w").values_list(*columns))


def test_only_the_steps_from_there_on_run_again(executor):
    handle = ended()
    for start, expected in ((5, [1, 1, 2]), (3, [1, 2, 3]), (1, [2, 3, 4]), (99, [2, 3, 4])):
        again = durable.rewind_workflow("w", start)
        assert again == handle and again.get_result(timeout=10) == expected
        assert len(rows(Step, "seq")) == 5
    row = handle.get_status()
    assert (row.status, row.generation, row.recovery_attempts) == ("SUCCESS", 4, 0)
    tries = Attempt.objects.filter(outcome="resumed").order_by("id").values_list("detail", flat=True)
    assert list(tries) == [f"rewound to step {n}" for n in (5, 3, 1, 99)]


def test_events_are_those_of_the_steps_that_stay(database):
    from durable.executor import Executor

    executor = Executor().start()
    ended()
    executor.drain(2)
    durable.rewind_workflow("w", 4)
    assert rows(Event, "seq", "value") == [(2, "1")] and durable.get_event("w", "k", 0) == 1
    row = Workflow.objects.get(pk="w")
    assert (row.status, row.queue_name, row.output, row.completed_at) == ("ENQUEUED", None, None, None)
    assert row.run_after is not None and row.deadline is None and row.epoch >= 2


def test_a_rewound_workflow_may_join_a_queue_and_run_on_another_version(database):
    Workflow.objects.create(
        id="w", name="total", input="{}", status="ERROR", failure="ERROR", dedup_id="d", version="1"
    )
    durable.rewind_workflow("w", 1, queue="q", version="2", partition_key="k")
    row = Workflow.objects.get()
    assert (row.queue, row.version, row.partition_key, row.failure, row.dedup_id) == ("q", "2", "k", None, None)
    with pytest.raises(InvalidOption, match="needs a queue"):
        durable.rewind_workflow("w", partition_key="k")


def test_messages_that_those_steps_received_are_given_back_in_order(executor):
    handle = app.receives.using(workflow_id="w").start("t", 600, 3)
    for letter in "abc":
        durable.send("w", letter, "t")
    assert handle.get_result(timeout=10) == ["a", "b", "c"]
    durable.send("w", "d", "t")
    assert durable.rewind_workflow("w", 3).get_result(timeout=10) == ["a", "b", "c"]
    assert rows(Message, "body", "consumed_seq") == [('"a"', 1), ('"b"', 3), ('"c"', 5), ('"d"', None)]


def test_children_of_those_steps_are_gone_with_theirs_and_start_anew(executor):
    handle = ended(family)
    made = dict(Workflow.objects.values_list("id", "created_at"))
    assert set(made) == {"w", "first", "second", "third", "third-1"}
    assert durable.rewind_workflow("w", 2).get_result(timeout=10) == [1, 3]
    now = dict(Workflow.objects.values_list("id", "created_at"))
    assert {id for id in made if made[id] == now[id]} == {"w", "first"}  # named by a step that stays
    assert handle.get_status().status == "SUCCESS"


def test_a_child_that_still_runs_is_stopped_and_one_of_another_parent_is_left_alone(executor):
    app.total.using(workflow_id="second").start(2).get_result(timeout=10)
    ended(family, True)
    wait_until(lambda: Wait.objects.filter(workflow_id="below").exists(), 10, "the grandchild waits")
    before = Workflow.objects.get(pk="below").created_at
    waiter = app.watches.start("below", "never", 0.3)
    durable.rewind_workflow("w", 3).get_result(timeout=10)
    wait_until(lambda: Wait.objects.filter(workflow_id="below").exists(), 10, "a new grandchild waits")
    assert Workflow.objects.get(pk="below").created_at > before
    assert Workflow.objects.get(pk="second").parent is None
    assert waiter.get_result(timeout=10) is None
    durable.cancel_workflow("below")


def test_what_hangs_on_those_steps_is_gone_and_streams_have_no_gaps(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="CANCELLED", failure="CANCELLED", epoch=4)
    now = {"started_at": Now(), "completed_at": Now()}
    for seq in (1, 2, 4, 5):
        Step.objects.create(workflow_id="w", seq=seq, name="s", epoch=1, **now)
    for seq in (2, 3, 4):
        StepAttempt.objects.create(
            workflow_id="w", seq=seq, n=1, name="s", error="{}", started_at=Now(), ended_at=Now()
        )  # fmt: skip
    for offset, seq in enumerate((5, 1, 4, 2, 2)):
        StreamEntry.objects.create(workflow_id="w", key="a", offset=offset, seq=seq, value=f"{seq}.{offset}")
    StreamEntry.objects.create(workflow_id="w", key="b", offset=0, seq=4, value="4")
    Wait.objects.create(kind="message", target="w", workflow_id="w")
    durable.rewind_workflow("w", 4)
    assert rows(Step, "seq") == [(1,), (2,)]
    assert rows(StepAttempt, "seq") == [(2,)]  # step 3 was in the middle of its tries: they count anew
    assert rows(StreamEntry, "key", "offset", "value") == [("a", 0, "1.1"), ("a", 1, "2.3"), ("a", 2, "2.4")]
    assert not Wait.objects.exists()


@pytest.mark.parametrize("status", ["ENQUEUED", "DELAYED", "PENDING"])
def test_one_that_has_not_ended_is_not_rewound(database, status):
    Workflow.objects.create(id="w", name="total", input="{}", status=status, epoch=3)
    Step.objects.create(workflow_id="w", seq=1, name="s", epoch=1, started_at=Now(), completed_at=Now())
    with pytest.raises(NotRewindable, match=f"'w' is {status} and cannot be rewound: it has not ended"):
        durable.rewind_workflow("w")
    assert (Workflow.objects.get().epoch, Step.objects.count()) == (3, 1)


def test_a_workflow_cannot_rewind_itself(executor):
    with pytest.raises(NotRewindable, match="PENDING"):
        rewinds_itself.using(workflow_id="w").start().get_result(timeout=10)


@durable.workflow(name="rewinding.itself")
def rewinds_itself() -> None:
    durable.rewind_workflow(durable.workflow_id())


def test_of_two_rewinds_at_once_one_wins(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="SUCCESS", epoch=1)
    barrier, outcomes = threading.Barrier(4), []

    def rewind(start: int) -> None:
        barrier.wait()
        try:
            durable.rewind_workflow("w", start)
            outcomes.append("won")
        except NotRewindable:
            outcomes.append("lost")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=rewind, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == ["lost"] * 3 + ["won"]
    row = Workflow.objects.get()
    assert (row.epoch, row.generation) == (2, 1)


def test_handles_wait_on_for_the_new_end(executor):
    handle = app.receives.using(workflow_id="w").start("t", 600)
    durable.send("w", "once", "t")
    assert handle.get_result(timeout=10) == ["once"]
    Message.objects.all().delete()
    durable.rewind_workflow("w")
    results: list[Any] = []

    def wait() -> None:
        results.append(handle.get_result(timeout=10))
        connections.close_all()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: Wait.objects.filter(workflow_id="w").exists(), 10, "it waits for a message anew")
    assert not results
    durable.send("w", "again", "t")
    thread.join(10)
    assert results == [["again"]]


def test_a_zombie_of_the_life_before_writes_nothing_into_the_rewound_journal(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="ERROR", failure="ERROR", epoch=1)
    durable.rewind_workflow("w", 1)
    Workflow.objects.update(status="PENDING", executor="new")
    engine = backend()
    session = engine.own()
    late = c.Entry("w", 1, c.Record((c.Row(5, "late", "step", started_at=1.0, completed_at=1.0),)))
    assert write(engine, session, [late]).verdicts[id(late)] is Verdict.FENCED
    session.close()
    assert not Step.objects.exists()


def test_keys_for_the_outside_world_are_new(executor):
    ended()
    durable.rewind_workflow("w", 3).get_result(timeout=10)
    keys = list(Effect.objects.filter(key="b").order_by("id").values_list("detail", flat=True))
    assert keys == ["w:3", "w.1:3"]


@durable.transaction(using="elsewhere", name="rewinding.book_there")
def book_there() -> None:
    Effect.objects.using("elsewhere").create(key="there")


@durable.workflow(name="rewinding.books_there")
def books_there() -> None:
    book_there()


@pytest.fixture
def elsewhere(database, tmp_path):
    """A SQLite database of its own, migrated, under the alias "elsewhere"."""
    own = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "elsewhere.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
    connections.settings["elsewhere"] = connections.configure_settings({"default": own})["default"]
    call_command("migrate", database="elsewhere", verbosity=0)
    yield "elsewhere"
    connections["elsewhere"].close()
    del connections["elsewhere"]
    del connections.settings["elsewhere"]


def test_a_transaction_on_another_database_is_done_again_and_forgotten_with_its_workflow(elsewhere, executor):
    ended(books_there)
    durable.rewind_workflow("w").get_result(timeout=10)
    assert Effect.objects.using(elsewhere).count() == 2
    kept = Checkpoint.objects.using(elsewhere).values_list("workflow_id", "generation", "seq")
    assert sorted(kept) == [("w", 0, 1), ("w", 1, 1)]
    assert durable.delete_workflow("w")
    assert not Checkpoint.objects.using(elsewhere).exists()
    ended(books_there)  # the id is free, and nothing of the old one answers in its place
    assert Effect.objects.using(elsewhere).count() == 3


@durable.workflow(name="rewinding.manages")
def manages(target: str) -> int:
    handle = durable.rewind_workflow(target, 5)
    durable.sleep(0.5)
    return handle.get_result()[2]


def test_inside_a_workflow_it_is_a_step_that_is_done_once(executor):
    ended()
    assert manages.using(workflow_id="m").start("w").get_result(timeout=10) == 2
    assert Workflow.objects.get(pk="w").generation == 1
    assert Step.objects.get(workflow_id="m", seq=1).kind == "manage"


def test_coroutines_rewind_too(executor):
    ended()

    async def main() -> Any:
        return await (await durable.arewind_workflow("w", 5)).aget_result(10)

    assert run_async(main()) == [1, 1, 2]
