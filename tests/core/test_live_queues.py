"""Queues that are made, limited, paused and deleted while workflows run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

import durable
from durable.backends.backend import Abilities, backend
from durable.errors import InvalidOption, QueueNotFound
from durable.executor import Executor
from durable.executor.queue_limits import QueueLimits
from durable.models import Executor as ExecutorRow
from durable.models import Queue, Step, Workflow
from tests.app import workflows as app
from tests.support import run_async, wait_until

from .metering import Meter
from .watching import parked

meter = Meter()
doors: dict[str, threading.Event] = {}


@pytest.fixture(autouse=True)
def all_doors_closed() -> Iterator[None]:
    meter.clear()
    doors.clear()
    yield
    for door in doors.values():
        door.set()


@durable.step(name="live.wait_at")
def wait_at(door: str) -> str:
    with meter.inside("all"):
        assert doors.setdefault(door, threading.Event()).wait(20)
    return door


@durable.workflow(name="live.waits_at")
def waits_at(door: str) -> str:
    """Runs, and holds its place, until its door is opened."""
    return wait_at(door)


def open_door(door: str) -> None:
    doors.setdefault(door, threading.Event()).set()


def put(queue: str, name: str, *args: Any, **options: Any) -> Any:
    return durable.start_by_name(name, args, queue=queue, **options)


def running(n: int) -> None:
    wait_until(lambda: meter.now["all"] == n, 10, f"{n} run")


def settle_down(executor: Any) -> None:
    """Whatever an executor would start, it has started."""
    app.total.start(1).get_result(timeout=10)
    executor.claimer.everything_changed()
    app.total.start(1).get_result(timeout=10)


@pytest.fixture
def deaf(database, settings) -> Iterator[Executor]:
    """An executor that would poll once a minute: what reaches it, reaches it by being told."""
    settings.DURABLE = {**settings.DURABLE, "POLL_SECONDS": 60, "LEASE_SECONDS": 60}
    executor = Executor(concurrency=8).start()
    yield executor
    for door in doors.values():
        door.set()
    executor.drain(2)


# --- declared, overridden, in force


def test_a_queue_has_declared_limits_and_overrides_and_the_latter_are_in_force(database):
    made = durable.register_queue("live", concurrency=4, worker_concurrency=2, limiter={"limit": 9, "period": 2})
    assert (made.concurrency, made.worker_concurrency, made.rate_limit, made.rate_period) == (4, 2, 9, 2.0)
    row = durable.set_queue_limits("live", concurrency=8, limiter=None)
    assert (row.concurrency, row.rate_limit, row.rate_period, row.worker_concurrency) == (8, None, None, 2)
    assert row.declared["concurrency"] == 4 and row.override == {
        "concurrency": 8,
        "rate_limit": None,
        "rate_period": None,
    }
    row = durable.register_queue("live", concurrency=5)  # the code changes; the operator's word stands
    assert (row.concurrency, row.worker_concurrency, row.declared["concurrency"]) == (8, None, 5)
    assert durable.clear_queue_limits("live", "concurrency").concurrency == 5
    row = durable.clear_queue_limits("live")
    assert row.override == {} and (row.concurrency, row.rate_limit) == (5, None)
    assert durable.retrieve_queue("live").concurrency == 5
    assert [queue.name for queue in durable.list_queues()] == ["live"]


def test_an_override_outlives_a_restart_and_a_change_of_the_code(database):
    durable.Queue("declared-live", concurrency=2)
    Executor(concurrency=1).start().drain(1)
    durable.set_queue_limits("declared-live", concurrency=7, partition_concurrency=1)
    durable.Queue("declared-live", concurrency=3)
    Executor(concurrency=1).start().drain(1)
    row = durable.retrieve_queue("declared-live")
    assert (row.concurrency, row.declared["concurrency"]) == (7, 3)
    assert (row.partition_concurrency, row.partitioned) == (1, True)  # though the code knows of no partitions
    durable.clear_queue_limits("declared-live")
    Executor(concurrency=1).start().drain(1)
    row = durable.retrieve_queue("declared-live")
    assert (row.concurrency, row.partition_concurrency, row.partitioned) == (3, None, False)


def test_limits_that_cannot_be_are_refused_and_change_nothing(database):
    durable.register_queue("live", concurrency=2)
    for wrong in ({"concurrency": 0}, {"worker_concurrency": 3}, {"limiter": {"limit": 0, "period": 1}}, {"speed": 9}):
        with pytest.raises(InvalidOption):
            durable.set_queue_limits("live", **wrong)
    for name in ("", "  ", "_durable_own", None, "a\x00b"):
        with pytest.raises(InvalidOption):
            durable.register_queue(name)
    with pytest.raises(InvalidOption):
        durable.register_queue("live", concurrency=1, worker_concurrency=2)
    row = durable.retrieve_queue("live")
    assert (row.concurrency, row.override) == (2, {})
    assert durable.retrieve_queue("nobody") is None
    for verb in (durable.set_queue_limits, durable.clear_queue_limits, durable.pause_queue, durable.resume_queue):
        with pytest.raises(QueueNotFound, match="Known: live"):
            verb("nobody")


def test_changes_commit_and_roll_back_with_the_callers_data(executor):
    durable.register_queue("live")
    with pytest.raises(ValueError), transaction.atomic():
        durable.pause_queue("live")
        durable.register_queue("other")
        raise ValueError
    assert not durable.retrieve_queue("live").paused and durable.retrieve_queue("other") is None
    assert put("live", "total", 3).get_result(timeout=10) == 3


@durable.workflow(name="live.manages")
def manages(name: str) -> list[Any]:
    durable.register_queue(name, concurrency=1)
    durable.pause_queue(name)
    durable.set_queue_limits(name, concurrency=5)
    durable.sleep(0.3)  # parks: nothing is done again
    row = durable.retrieve_queue(name)
    return [row.paused, row.concurrency, durable.retrieve_queue("nobody"), [q.name for q in durable.list_queues()]]


@durable.workflow(name="live.amanages")
async def amanages(name: str) -> list[Any]:
    await durable.aregister_queue(name, concurrency=1)
    await durable.apause_queue(name)
    await durable.aset_queue_limits(name, concurrency=5)
    await durable.asleep(0.3)
    row = await durable.aretrieve_queue(name)
    listed = await durable.alist_queues()
    return [row.paused, row.concurrency, await durable.aretrieve_queue("nobody"), [q.name for q in listed]]


@pytest.mark.parametrize("manager", [manages, amanages], ids=["thread", "coroutine"])
def test_a_workflow_manages_queues_in_recorded_steps(executor, manager):
    handle = manager.start("made-inside")
    wait_until(lambda: handle.get_status().waiting_for == "sleep", 10)
    durable.resume_queue("made-inside")  # a replay would pause it again
    paused, concurrency, nobody, names = handle.get_result(timeout=10)
    assert (paused, concurrency, nobody) == (False, 5, None) and "made-inside" in names
    assert Step.objects.filter(workflow_id=handle.workflow_id, kind="manage").count() == 6


def test_coroutines_manage_queues(database):
    async def main():
        await durable.aregister_queue("live", concurrency=1)
        await durable.aset_queue_limits("live", concurrency=3)
        await durable.apause_queue("live")
        paused = (await durable.aretrieve_queue("live")).paused
        await durable.aresume_queue("live")
        row = await durable.aclear_queue_limits("live")
        return paused, row.concurrency, row.paused, await durable.adelete_queue("live"), await durable.alist_queues()

    assert run_async(main()) == (True, 1, False, True, [])


# --- pause


def test_a_pause_starts_nothing_more_lets_go_on_what_started_and_a_resume_starts_the_rest(deaf):
    for limits in ({}, {"concurrency": 3}, {"partition_queue": True}):
        name = f"live-{len(limits)}-{next(iter(limits), '')}"
        durable.register_queue(name, **limits)
        works, sleeps = put(name, "live.waits_at", name), put(name, "naps", 0.4)
        running(1)
        parked(sleeps, "sleep")
        durable.pause_queue(name)
        waiting = [put(name, "total", n) for n in (1, 2)]
        delayed = put(name, "total", 3, delay=0.05)
        open_door(name)
        assert works.get_result(timeout=10) == name
        assert sleeps.get_result(timeout=10) == "woke"  # it was parked when the pause came
        wait_until(lambda d=delayed: d.get_status().status == "ENQUEUED", 10)
        assert {each.get_status().status for each in waiting} == {"ENQUEUED"}
        durable.resume_queue(name)
        assert durable.gather([*waiting, delayed]) == [0, 1, 3]


def test_an_executor_that_has_not_noticed_takes_nothing_from_a_queue_that_was_paused_or_limited(database):
    """It believes that all queues have no limits; the claim itself knows better."""
    ExecutorRow.objects.create(id="late", label="late", pid=1, lease_until="2999-01-01T00:00:00Z")
    can = Abilities(("total",), (app.total.version,))
    names = {"paused": {}, "limited": {"concurrency": 1}, "rated": {"limiter": {"limit": 1, "period": 9}},
             "parted": {"partition_queue": True}, "free": {}}  # fmt: skip
    for name, limits in names.items():
        durable.register_queue(name, **limits)
        put(name, "total", 0)
    durable.pause_queue("paused")
    session = backend().own(claims=True)
    claimed = backend().claim(session, "late", dict.fromkeys(names, 5), 9, can)
    session.close()
    assert [each.queue for each in claimed] == ["free"]


def test_what_such_an_executor_claimed_just_before_is_counted_when_it_notices(executor):
    durable.register_queue("live")
    first = [put("live", "live.waits_at", door) for door in "ab"]
    running(2)
    durable.set_queue_limits("live", concurrency=2)
    Workflow.objects.filter(queue="live").update(admitted=None)  # as if their claims had come a moment later
    unlimited = QueueLimits("live", False, None, None, None, None, False)
    executor.claimer.limits["live"] = unlimited
    executor.claimer.everything_changed()
    wait_until(lambda: set(Workflow.objects.filter(queue="live").values_list("admitted", flat=True)) == {"live"}, 10)
    waiting = put("live", "live.waits_at", "c")
    settle_down(executor)
    assert waiting.get_status().status == "ENQUEUED"
    for door in "abc":
        open_door(door)
    assert durable.gather([*first, waiting]) == ["a", "b", "c"]


# --- limits


def test_a_limit_that_is_added_counts_what_runs_and_what_is_parked(deaf):
    durable.register_queue("live")
    works, sleeps = put("live", "live.waits_at", "a"), put("live", "naps", 600)
    running(1)
    parked(sleeps, "sleep")
    durable.set_queue_limits("live", concurrency=2)
    waiting = put("live", "live.waits_at", "b")
    settle_down(deaf)
    assert waiting.get_status().status == "ENQUEUED"
    open_door("a")
    assert works.get_result(timeout=10) == "a"
    running(1)
    open_door("b")
    assert waiting.get_result(timeout=10) == "b"
    durable.cancel_workflow(sleeps.workflow_id)


def test_a_lowered_limit_stops_nothing_and_lets_nothing_start_until_there_is_room(executor):
    durable.register_queue("live", concurrency=3)
    first = [put("live", "live.waits_at", door) for door in "abc"]
    running(3)
    durable.set_queue_limits("live", concurrency=1)
    last = put("live", "live.waits_at", "d")
    for n, door in enumerate("ab", 1):
        open_door(door)
        running(3 - n)
        settle_down(executor)
        assert last.get_status().status == "ENQUEUED" and meter.now["all"] == 3 - n
    open_door("c")
    first[2].get_result(timeout=10)
    running(1)
    open_door("d")
    assert last.get_result(timeout=10) == "d"
    assert meter.most["all"] == 3


@pytest.mark.parametrize("more", [{"concurrency": 3}, {"concurrency": None}], ids=["raised", "removed"])
def test_a_limit_that_is_raised_or_removed_lets_those_that_wait_start_at_once(deaf, more):
    durable.register_queue("live", concurrency=1)
    handles = [put("live", "live.waits_at", door) for door in "abc"]
    running(1)
    durable.set_queue_limits("live", **more)
    running(3)
    for door in "abc":
        open_door(door)
    assert durable.gather(handles) == ["a", "b", "c"]


def test_a_worker_limit_that_is_changed_holds_at_once(deaf):
    durable.register_queue("live", worker_concurrency=1)
    handles = [put("live", "live.waits_at", door) for door in "abc"]
    running(1)
    durable.set_queue_limits("live", worker_concurrency=2)
    running(2)
    for door in "abc":
        open_door(door)
    assert durable.gather(handles) == ["a", "b", "c"]
    assert meter.most["all"] == 2


# --- unknown and deleted queues


def test_a_queue_that_is_made_while_all_runs_is_served_at_once(deaf):
    early = put("not-yet", "total", 3)
    settle_down(deaf)
    assert early.get_status().status == "ENQUEUED"
    durable.register_queue("not-yet", concurrency=1)
    assert early.get_result(timeout=10) == 3


def test_a_queue_that_holds_live_workflows_is_not_deleted(executor):
    durable.register_queue("live")
    for options in ({}, {"delay": 600}):
        durable.pause_queue("live")
        handle = put("live", "naps", 600, **options)
        with pytest.raises(InvalidOption, match="1 live workflows are in it"):
            durable.delete_queue("live")
        durable.cancel_workflow(handle.workflow_id)
    assert durable.delete_queue("live") is True
    assert durable.delete_queue("live") is False


def test_what_is_enqueued_on_a_deleted_queue_waits_until_it_is_there_again(executor):
    durable.register_queue("live", concurrency=1)
    assert put("live", "total", 1).get_result(timeout=10) == 0
    durable.delete_queue("live")
    wait_until(lambda: "live" not in executor.claimer.limits, 10)
    handle = put("live", "total", 2)
    settle_down(executor)
    assert handle.get_status().status == "ENQUEUED"
    durable.register_queue("live")
    assert handle.get_result(timeout=10) == 1


# --- how much one claim takes


@pytest.mark.parametrize("limits", [{}, {"concurrency": 50}], ids=["without other limits", "with a limit"])
def test_one_claim_takes_no_more_than_the_queue_says(database, monkeypatch, limits):
    durable.register_queue("live", max_tasks_per_iteration=3, **limits)
    handles = [put("live", "total", n) for n in range(8)]
    sizes: list[int] = []
    for name in ("claim", "claim_limited"):
        claim = getattr(type(backend()), name)

        def counted(self, *args, claim=claim):
            claimed = claim(self, *args)
            sizes.append(len([each for each in claimed if each.queue == "live"]))
            return claimed

        monkeypatch.setattr(type(backend()), name, counted)
    executor = Executor(concurrency=20).start()
    durable.gather(handles)
    executor.drain(1)
    assert max(sizes) == 3 and sum(sizes) == 8


# --- strange rows


def test_a_limit_counts_workflows_of_every_version_and_name(executor):
    """A place is a place, whoever holds it; a row of another version waits for an executor that has it."""
    durable.register_queue("live", concurrency=1)
    Workflow.objects.create(
        id="old", name="gone", queue="live", status="PENDING", admitted="live", version="old", input="{}",
        wake_at="2999-01-01T00:00:00Z", waiting_for="sleep", epoch=3,
    )  # fmt: skip
    handle = put("live", "total", 1)
    settle_down(executor)
    assert handle.get_status().status == "ENQUEUED"
    durable.cancel_workflow("old")
    assert handle.get_result(timeout=10) == 0


def test_many_pauses_and_changes_at_once_end_in_one_of_their_states(database):
    durable.register_queue("live", concurrency=1)

    def change(n: int) -> None:
        for _ in range(5):
            durable.set_queue_limits("live", concurrency=n)
            durable.pause_queue("live")
            durable.resume_queue("live")
        connection.close()

    threads = [threading.Thread(target=change, args=(n,)) for n in (2, 3, 4)]
    [each.start() for each in threads], [each.join(30) for each in threads]
    row = Queue.objects.get(name="live")
    assert row.concurrency in (2, 3, 4) and row.override == {"concurrency": row.concurrency}
    assert not row.paused
