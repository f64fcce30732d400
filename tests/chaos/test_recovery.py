"""What becomes of the workflows of an executor that ends, in good order or not."""

from __future__ import annotations

import signal
import threading

import pytest
from django.db import connection

import durable
from durable.backends.backend import Abilities, backend
from durable.backends.lines import Line
from durable.errors import WorkflowIsDead
from durable.models import Attempt, Executor, Queue, Step, Workflow
from durable.models.fields import Now
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import wait_until

from . import workflows
from .workflows import has

POISON_RECOVERIES = 2
TOTALS = Abilities(("total",), (app.total.version,))


def outcomes(workflow_id: str) -> list[str]:
    return list(Attempt.objects.filter(workflow_id=workflow_id).values_list("outcome", flat=True))


def let_end(key: str) -> None:
    Effect.objects.create(key=f"{key} may end")


def count(key: str) -> int:
    return Effect.objects.filter(key=key).count()


# --- what counts as a crash


def test_a_crash_counts_and_a_restart_on_this_machine_goes_on_at_once(forked, rescuer):
    first = forked(LEASE_SECONDS=60)
    was = first.executor
    handle = workflows.two_steps.start("a")
    wait_until(lambda: has("a began"), 20)
    first.kill()
    rescuer(LEASE_SECONDS=60)
    let_end("a")
    assert handle.get_result(timeout=20) == "a noted"
    row = handle.get_status()
    assert (row.recovery_attempts, outcomes(row.id), row.epoch) == (1, ["lost"], 3)
    assert Attempt.objects.get().executor == was.id
    assert (count("a began"), count("a ended"), count("a noted")) == (2, 1, 1)


def test_an_executor_that_was_there_before_takes_over_when_the_lease_has_ended(forked, rescuer):
    first = forked(LEASE_SECONDS=1)
    handle = workflows.two_steps.start("a")
    wait_until(lambda: has("a began"), 20)
    rescuer(LEASE_SECONDS=1)
    first.kill()
    dead = Executor.objects.get(pid=first.process.pid)
    let_end("a")
    assert handle.get_result(timeout=20) == "a noted"
    late = (Attempt.objects.get().ended_at - dead.lease_until).total_seconds()
    assert 0 < late < 1


@pytest.mark.parametrize("workflow", [workflows.two_steps, workflows.atwo_steps], ids=["thread", "coroutine"])
def test_a_drain_lets_a_step_finish_and_another_executor_go_on_and_counts_no_crash(forked, rescuer, workflow):
    first = forked(SHUTDOWN_GRACE_SECONDS=30)
    row = first.executor
    handle = workflow.start("a")
    waiting = app.naps.start(600)
    wait_until(lambda: has("a began"), 20)
    first.terminate()
    wait_until(lambda: Executor.objects.get(pk=row.pk).draining, 20, "it drains")
    later = app.total.start(3)
    let_end("a")
    assert first.wait() == 0, first.output

    row.refresh_from_db()
    assert row.stopped_at is not None
    assert later.get_status().status == "ENQUEUED"  # it took nothing new
    held = Step.objects.get(workflow_id=handle.workflow_id, seq=1)
    assert (held.name, held.output) == (("held" if workflow is workflows.two_steps else "aheld"), '"a"')
    assert not Workflow.objects.filter(executor__isnull=False).exists()
    assert (handle.get_status().status, count("a noted")) == ("PENDING", 0)  # the rest is for others

    rescuer()
    assert handle.get_result(timeout=20) == "a noted"
    assert later.get_result(timeout=20) == 3
    assert (count("a began"), count("a ended"), count("a noted")) == (1, 1, 1)
    assert Workflow.objects.filter(recovery_attempts__gt=0).count() == 0
    assert "lost" not in Attempt.objects.values_list("outcome", flat=True)
    durable.cancel_workflow(waiting.workflow_id)


def test_a_step_that_outlasts_the_grace_is_released_and_runs_again_elsewhere(forked, rescuer):
    first = forked("--grace", "0.2")
    handle = workflows.two_steps.start("a")
    wait_until(lambda: has("a began"), 20)
    first.terminate()
    assert first.wait() == 0, first.output
    row = handle.get_status()
    assert (row.executor, row.recovery_attempts, outcomes(row.id)) == (None, 0, ["released"])
    let_end("a")
    rescuer()
    assert handle.get_result(timeout=20) == "a noted"
    assert (count("a began"), count("a ended")) == (2, 1)


def test_a_second_signal_ends_the_grace_at_once(forked, rescuer):
    first = forked("--grace", "600")
    row = first.executor
    handle = workflows.two_steps.start("a")
    wait_until(lambda: has("a began"), 20)
    first.terminate()
    wait_until(lambda: Executor.objects.get(pk=row.pk).draining, 20, "it drains")
    assert first.process.poll() is None
    first.terminate()
    assert first.wait(15) == 0, first.output
    assert "Traceback" not in first.output
    assert outcomes(handle.workflow_id) == ["released"]
    let_end("a")
    rescuer()
    assert handle.get_result(timeout=20) == "a noted"


def test_an_executor_that_is_asked_to_end_while_it_starts_ends_in_good_order(forked):
    process = forked(arms=("end at start",), ready=False)
    assert process.wait() == 0, process.output
    assert Executor.objects.get().stopped_at is not None


# --- poison


def test_a_workflow_that_kills_its_executor_each_time_is_set_aside_and_may_be_resumed(forked, rescuer):
    poison, innocent = workflows.poison.start(), app.naps.start(0.01)
    for tries in range(1, POISON_RECOVERIES + 2):
        process = forked(arms=("die",), ready=False, LEASE_SECONDS=60)
        assert process.wait() == -signal.SIGKILL, process.output
        assert count("tried") == tries
    rescuer(LEASE_SECONDS=60)
    with pytest.raises(WorkflowIsDead, match="crashed 3 times"):
        poison.get_result(timeout=20)
    row = poison.get_status()
    assert (row.status, row.failure) == ("MAX_RECOVERY_ATTEMPTS_EXCEEDED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
    assert outcomes(row.id) == ["lost"] * (POISON_RECOVERIES + 1)
    assert (count("tried"), row.run_after, row.wake_at) == (POISON_RECOVERIES + 1, None, None)
    assert innocent.get_result(timeout=20) == "woke"

    assert durable.resume_workflow(row.id).get_result(timeout=20) == "lived"  # here nothing kills
    row = poison.get_status()
    assert (row.status, row.recovery_attempts) == ("SUCCESS", 0)


def test_a_parent_learns_that_its_child_was_set_aside(rescuer):
    parent = Workflow.objects.create(
        id="parent", name="watcher", status="PENDING", waiting_for="child:child", wake_at=Now(), input=""
    )
    Workflow.objects.filter(pk="parent").update(wake_at="2999-01-01T00:00:00Z")
    parent.waits.create(kind="child", target="child")
    held("child", max_recovery_attempts=0)
    backend().recover(backend().borrowed())
    parent.refresh_from_db()
    assert parent.run_after is not None
    assert Workflow.objects.get(pk="child").status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED"


# --- many at once


def held(workflow_id: str, executor: str = "dead", **changes) -> Workflow:
    """A workflow that an executor held."""
    given = {"status": "PENDING", "epoch": 1, "run_after": Now(), "name": "total"}
    text = '{"args": [0], "kwargs": {}}'
    return Workflow.objects.create(id=workflow_id, executor=executor, input=text, **given | changes)


def in_threads(number: int, act) -> list:
    """What `act` gives in several threads that begin together."""
    barrier, results = threading.Barrier(number), []

    def run() -> None:
        session = backend().own()
        session.connect()
        barrier.wait(10)
        try:
            results.append(act(session))
        finally:
            session.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_executors_that_recover_at_once_recover_each_workflow_once(database):
    for turn in range(5):
        ids = {f"{turn}-{n}" for n in range(40)}
        for workflow_id in sorted(ids):
            held(workflow_id)
        results = in_threads(4, lambda session: [o.id for o in backend().recover(session)])
        leftover = [o.id for o in backend().recover(backend().borrowed())]  # locked by one, skipped by all others
        recovered = [workflow_id for result in (*results, leftover) for workflow_id in result]
        assert sorted(recovered) == sorted(ids)
    rows = Workflow.objects.values_list("epoch", "recovery_attempts", "executor").distinct()
    assert list(rows) == [(2, 1, None)]
    assert Attempt.objects.count() == 200


def test_executors_that_claim_at_once_claim_each_workflow_once(rescuer):
    for name in ("one", "two", "three"):
        Executor.objects.create(id=name, label=name, pid=1, lease_until="2999-01-01T00:00:00Z")
    ids = sorted(app.total.start(0).workflow_id for _ in range(60))
    names = iter(("one", "two", "three"))
    claim = lambda session: backend().claim(session, next(names), {"_durable": 60}, 30, TOTALS)  # noqa: E731
    results = in_threads(3, claim)
    claimed = [each.id for result in results for each in result]
    assert len(claimed) == len(set(claimed)) and set(claimed) <= set(ids)
    assert Workflow.objects.filter(executor__isnull=False, epoch=1).count() == len(claimed) > 0
    assert not Workflow.objects.filter(epoch__gt=1).exists()


def test_a_dead_or_draining_executor_can_claim_nothing(database):
    Executor.objects.create(id="expired", label="e", pid=1, lease_until=Now())
    Executor.objects.create(id="drains", label="d", pid=1, lease_until="2999-01-01T00:00:00Z", draining=True)
    app.total.start(0)
    Queue.objects.create(name="limited", concurrency=3)
    app.limited.enqueue(app.total, 0)
    for name in ("expired", "drains", "unknown"):
        session = backend().borrowed()
        assert backend().claim(session, name, {"_durable": 10}, 10, TOTALS) == []
        assert backend().claim_limited(session, name, Line("limited"), 10, TOTALS) == []


# --- what nobody runs


def test_a_claim_whose_answer_was_lost_is_let_go(rescuer):
    executor = rescuer(LEASE_SECONDS=1)
    stray = held("stray", executor.id, epoch=1)
    assert durable.retrieve_workflow(stray.id).get_result(timeout=20) == 0
    row = Workflow.objects.get(pk="stray")
    assert (row.recovery_attempts, outcomes("stray"), row.epoch) == (0, ["released"], 3)


def test_what_an_executor_runs_is_no_stray(rescuer):
    executor = rescuer(LEASE_SECONDS=60)
    handle = workflows.two_steps.start("a")
    wait_until(lambda: has("a began"), 20)
    for _ in range(4):
        executor.sweeper.let_go_of_strays()
    assert handle.get_status().epoch == 1
    let_end("a")
    assert handle.get_result(timeout=20) == "a noted"


# --- the lease


@pytest.mark.slow
def test_pure_python_in_many_threads_does_not_cost_the_lease(forked, rescuer):
    first = forked(LEASE_SECONDS=8)
    handle = workflows.spins.start(12, 4)
    wait_until(lambda: handle.get_status().executor, 20)
    rescuer(LEASE_SECONDS=8)
    lease = Executor.objects.living().filter(pid=first.process.pid)
    wait_until(lambda: not lease.exists() or handle.get_status().is_finished, 60)
    assert lease.exists()
    assert handle.get_result(timeout=30) == 4
    row = handle.get_status()
    assert (row.epoch, row.recovery_attempts) == (1, 0)
    assert Executor.objects.get(pid=first.process.pid).id == row.executor
    assert "declared dead" not in first.output


def test_a_direct_call_whose_process_dies_is_finished_by_an_executor(zygote, forked, rescuer, tmp_path):
    process = forked(arms=("call directly",), ready=False)
    wait_until(lambda: has("a began"), 20)
    row = Executor.objects.get()
    assert not row.claims
    process.kill()
    rescuer(LEASE_SECONDS=60)
    let_end("a")
    wait_until(lambda: Workflow.objects.get().status == "SUCCESS", 20)
    assert Workflow.objects.get().recovery_attempts == 1


# --- the database goes away and comes back


@pytest.mark.parametrize("workflow", [workflows.freezes, workflows.afreezes], ids=["thread", "coroutine"])
def test_connections_that_the_server_closes_cost_no_workflow(rescuer, workflow):
    if backend().vendor != "postgresql":
        pytest.skip("SQLite has no server")
    rescuer()
    assert workflow.start().get_result(timeout=20) == "end by another"
    ours = "datname = current_database() and pid <> pg_backend_pid()"
    with connection.cursor() as cursor:
        cursor.execute(f"select count(pg_terminate_backend(pid)) from pg_stat_activity where {ours}")
        assert cursor.fetchone()[0] >= 3
    assert [workflow.start().get_result(timeout=20) for _ in range(3)] == ["end by another"] * 3
    assert not Attempt.objects.exists()
