"""Executors that were paused for longer than their lease, and what keeps them from writing when they wake."""

from __future__ import annotations

import threading
import time

import pytest

from durable.backends.backend import backend
from durable.models import Attempt, Event, Executor, Message, Step, StepAttempt, Wait, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import wait_until

from . import workflows

LEASE = 0.8
TABLES = (Workflow, Step, StepAttempt, Event, Message, Wait, Attempt, Effect)


def everything() -> dict[str, list[tuple]]:
    """All that runs have ever written."""
    return {model.__name__: sorted(model.objects.values_list(), key=repr) for model in TABLES}


def effects() -> list[str]:
    return list(Effect.objects.values_list("key", flat=True))


def thaw(zombie) -> None:
    """Let it go on until its run is over."""
    zombie.proceed()
    wait_until(lambda: "it is over" in zombie.output, 20, "the zombie's run is over")


def end(zombie) -> None:
    """Let it end in good order, so that nothing of it is still to come."""
    zombie.terminate()
    assert zombie.wait() == 0, zombie.output
    assert "caught" not in zombie.output and "Traceback" not in zombie.output, zombie.output


@pytest.fixture(autouse=True)
def _no_hooks():
    yield
    workflows.hooks.clear()
    workflows.caught.clear()


both_colours = pytest.mark.parametrize("workflow", [workflows.freezes, workflows.afreezes], ids=["thread", "coroutine"])


@both_colours
def test_a_zombie_writes_nothing_when_its_workflow_has_ended(forked, rescuer, workflow):
    zombie = forked(arms=("freeze",), LEASE_SECONDS=LEASE)
    was = zombie.executor
    handle = workflow.start()
    wait_until(lambda: zombie.is_suspended, 20, "it stops in the middle of a step")
    assert effects() == ["before"]

    rescuer(LEASE_SECONDS=LEASE)
    assert handle.get_result(timeout=20) == "end by another"
    after = everything()
    assert effects() == ["before", "after", "end"]

    thaw(zombie)
    end(zombie)
    assert everything() == after
    assert [(a.outcome, a.executor) for a in Attempt.objects.all()] == [("lost", was.id)]


@both_colours
def test_a_zombie_that_comes_to_its_slot_before_the_new_owner_does_not_get_it(forked, rescuer, workflow):
    inside, go_on = threading.Event(), threading.Event()

    def wait_in_the_step() -> None:
        inside.set()
        assert go_on.wait(20)

    workflows.hooks["frozen"] = wait_in_the_step
    zombie = forked(arms=("freeze",), LEASE_SECONDS=LEASE)
    handle = workflow.start()
    wait_until(lambda: zombie.is_suspended, 20)
    rescuer(LEASE_SECONDS=LEASE)
    assert inside.wait(20)  # the same step, run by its new owner; its slot is free
    before = everything()
    thaw(zombie)
    assert everything() == before
    go_on.set()
    assert handle.get_result(timeout=20) == "end by another"
    end(zombie)
    assert effects() == ["before", "after", "end"]
    assert set(Step.objects.exclude(seq=1).values_list("epoch", flat=True)) == {3}


def test_a_zombie_says_so_and_goes_on_as_another_executor(forked, rescuer):
    zombie = forked(arms=("freeze",), LEASE_SECONDS=LEASE)
    was = zombie.executor
    handle = workflows.freezes.start()
    wait_until(lambda: zombie.is_suspended, 20)
    rescue = rescuer(LEASE_SECONDS=LEASE)
    assert handle.get_result(timeout=20) == "end by another"
    rescue.drain(2)

    zombie.proceed()
    now = wait_until(lambda: Executor.objects.filter(pid=zombie.process.pid).exclude(pk=was.pk).first(), 20)
    assert "declared dead by others" in zombie.output
    later = app.total.start(3)
    assert later.get_result(timeout=20) == 3
    assert later.get_status().executor == now.id
    was.refresh_from_db()
    assert was.stopped_at is not None


def test_a_pause_that_nobody_noticed_costs_nothing(forked):
    alone = forked(arms=("freeze",), LEASE_SECONDS=LEASE)
    handle = workflows.freezes.start()
    wait_until(lambda: alone.is_suspended, 20)
    row = alone_row(alone)
    wait_until(lambda: not Executor.objects.living().filter(pk=row.pk).exists(), 20, "its lease ends")
    alone.proceed()
    assert handle.get_result(timeout=20).startswith("end by")
    assert effects() == ["before", "after", "end"], (
        list(Step.objects.values_list("seq", "name", "output", "epoch")),
        list(Effect.objects.values_list()),
    )


def alone_row(process) -> Executor:
    return Executor.objects.get(pid=process.process.pid)


def test_a_transaction_of_a_zombie_is_rolled_back(forked, rescuer):
    zombie = forked(arms=("freeze",), LEASE_SECONDS=LEASE)
    handle = workflows.freezes_in_a_transaction.start()
    wait_until(lambda: zombie.is_suspended, 20)
    lease_until = alone_row(zombie).lease_until
    if backend().vendor == "postgresql":  # on SQLite nobody can write before the zombie's transaction has ended
        rescuer(LEASE_SECONDS=LEASE)
        assert handle.get_result(timeout=20) == "booked"
        after = everything()
        thaw(zombie)
        end(zombie)
        assert everything() == after
    else:
        time.sleep(max(0.0, lease_until.timestamp() - time.time()) + 0.05)
        zombie.proceed()
        rescuer(LEASE_SECONDS=LEASE)
        assert handle.get_result(timeout=20) == "booked"
    assert effects() == ["booked"]
    assert Step.objects.count() == 1


def test_the_end_of_a_lease_is_no_error_that_a_workflow_can_handle(rescuer):
    """It would take the way for a failed step, on a step that has not failed."""
    executor, stalled = rescuer(LEASE_SECONDS=LEASE), []

    def stall() -> None:
        if not stalled:
            stalled.append(True)
            executor.lease._until = time.monotonic() - 1

    workflows.hooks["stall"] = stall
    assert workflows.calls_hook.start("stall").get_result(timeout=20) == "after"
    assert stalled and not workflows.caught
    assert effects() == ["after"]


def test_an_executor_that_ends_without_a_lease_ends_in_good_order(rescuer, monkeypatch):
    monkeypatch.setattr("durable.executor.executor.STOP_SECONDS", 0.05)  # the step waits for us
    executor, inside, go_on = rescuer(LEASE_SECONDS=60), threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go_on.wait(20)

    workflows.hooks["wait"] = wait
    handle = workflows.calls_hook.start("wait")
    assert inside.wait(20)
    executor.lease._until = time.monotonic() - 1
    executor.drain(0)
    go_on.set()
    assert Executor.objects.get(pk=executor.id).stopped_at is not None
    rescuer()
    assert handle.get_result(timeout=20) == "after"
    assert not workflows.caught


@pytest.mark.slow
def test_many_pauses_let_no_zombie_write(database, forked, rescuer):
    if database == "sqlite":  # a process may stand still inside a write: SQLite has one lock, and nobody can break it
        pytest.skip("a process that is frozen in a write holds SQLite's only lock until it goes on")
    for _ in range(20):
        zombie = forked(arms=("freeze",), LEASE_SECONDS=LEASE)
        handles = [workflows.freezes.start() for _ in range(5)]
        wait_until(lambda zombie=zombie: zombie.is_suspended, 20, "it stops in the middle of a step")
        rescue = rescuer(LEASE_SECONDS=LEASE)
        for handle in handles:
            assert handle.get_result(timeout=20).startswith("end by")
        after = recorded()
        zombie.proceed()
        end(zombie)
        assert recorded() == after
        rescue.drain(2)
    assert Attempt.objects.filter(outcome="lost").count() >= 20
    for workflow in Workflow.objects.all():
        assert list(workflow.steps.values_list("seq", flat=True)) == [1, 2, 3, 4, 5]


def recorded() -> dict[str, list[tuple]]:
    """All but the effects on the world of a step that the pause found in its middle: nothing can take them back."""
    return {name: rows for name, rows in everything().items() if name != "Effect"}
