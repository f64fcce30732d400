"""Delayed workflows: when they join their queue, in which order, and how that time is changed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

import durable
from durable.errors import InvalidOption, NotDelayable, QueueDeduplicated, WorkflowNotFound
from durable.executor import Executor
from durable.models import Now, Step, Workflow
from tests.app import workflows as app
from tests.support import run_async, wait_until

from .watching import ended, parked

order: list[Any] = []


@pytest.fixture(autouse=True)
def no_order():
    order.clear()


@durable.workflow(name="delays.appends")
def appends(what: Any) -> Any:
    order.append(what)
    return what


line = durable.Queue("delays", concurrency=1)
shelves = durable.Queue("delays-partitioned", partition_queue=True, concurrency=1)


def put(what: Any, delay: float | None = None, **options: Any) -> Any:
    return line.enqueue(appends.using(delay=delay, **options), what)


def wait_seconds(handle: Any) -> float:
    row = handle.get_status()
    return (row.wake_at - row.created_at).total_seconds()


# --- waiting


def test_a_delayed_workflow_is_in_no_line_until_its_time_has_come(executor):
    handle = put("late", 0.4)
    row = handle.get_status()
    assert (row.status, row.run_after, row.admitted) == ("DELAYED", None, None)
    assert wait_seconds(handle) == pytest.approx(0.4, abs=0.01)
    assert put("now").get_result(timeout=10) == "now"  # it takes no place
    assert handle.get_result(timeout=10) == "late"
    row = handle.get_status()
    assert (row.started_at - row.created_at).total_seconds() >= 0.4


def test_the_timer_is_kept_to_without_a_poll(database, settings):
    settings.DURABLE = {**settings.DURABLE, "POLL_SECONDS": 60, "LEASE_SECONDS": 60}
    executor = Executor(concurrency=2).start()
    durable.gather([app.total.start(1)])
    first = put("first", 0.5)
    second = put("second", 0.2)  # an earlier timer than the one that is known
    assert durable.gather([second, first]) == ["second", "first"]
    row = first.get_status()
    assert 0.5 <= (row.started_at - row.created_at).total_seconds() < 3
    executor.drain(1)


def test_delayed_workflows_join_their_queue_in_the_order_in_which_they_came_due(database):
    """Nobody was there to let them in one by one: all are overdue when an executor starts."""
    delays = {put(delay, delay).workflow_id: delay for delay in (0.04, 0.02, 0.05, 0.01, 0.03)}
    rows = list(Workflow.objects.filter(pk__in=delays).order_by("wake_at"))
    due, last = [delays[row.pk] for row in rows], rows[-1].wake_at.timestamp()
    put("enqueued at once")
    wait_until(lambda: time.time() > last, 10)
    executor = Executor(concurrency=1).start()
    wait_until(lambda: len(order) == 6, 10)
    executor.drain(1)
    assert order == ["enqueued at once", *due]


def test_a_delay_outlives_the_executors(database):
    first = Executor(concurrency=1).start()
    handle = put("late", 0.4)
    first.drain(1)
    second = Executor(concurrency=1).start()
    assert handle.get_result(timeout=10) == "late"
    second.drain(1)


def test_priority_partition_and_deduplication_hold_for_the_delayed(executor):
    delayed = put("first", 600, dedup_id="d", priority=7)
    with pytest.raises(QueueDeduplicated):
        put("second", 600, dedup_id="d")
    assert delayed.get_status().priority == 7
    durable.cancel_workflow(delayed.workflow_id)
    put("third", 600, dedup_id="d")
    keyed = shelves.enqueue(appends.using(delay=0.05, partition_key="p"), "keyed")
    assert keyed.get_status().partition_key == "p"
    assert keyed.get_result(timeout=10) == "keyed"


def test_a_delayed_workflow_can_be_cancelled_and_resumed(executor):
    cancelled, resumed = put("a", 600), put("b", 600)
    assert durable.cancel_workflow(cancelled.workflow_id)
    assert ended(cancelled).status == "CANCELLED"
    assert durable.resume_workflow(resumed.workflow_id).get_result(timeout=10) == "b"  # at once
    assert order == ["b"]


def test_a_delay_counts_from_the_start_and_commits_with_the_callers_data(executor):
    with pytest.raises(ValueError), transaction.atomic():
        put("never", 0.01)
        raise ValueError
    with transaction.atomic():
        handle = put("late", 0.1)
    assert handle.get_result(timeout=10) == "late"
    assert Workflow.objects.count() == 1


@durable.workflow(name="delays.delays_a_child")
def delays_a_child() -> list[Any]:
    child = line.enqueue(appends.using(delay=600), "child")
    durable.set_workflow_delay(child.workflow_id, seconds=0.05)
    durable.sleep(0.3)  # parks: the delay is not set again
    return [child.workflow_id, child.get_result()]


@durable.workflow(name="delays.adelays_a_child")
async def adelays_a_child() -> list[Any]:
    child = await line.aenqueue(appends.using(delay=600), "child")
    await durable.aset_workflow_delay(child.workflow_id, seconds=0.05)
    await durable.asleep(0.3)
    return [child.workflow_id, await child.aget_result()]


@pytest.mark.parametrize("parent", [delays_a_child, adelays_a_child], ids=["thread", "coroutine"])
def test_a_workflow_delays_its_child_and_records_that(executor, parent):
    handle = parent.start()
    assert handle.get_result(timeout=10) == [f"{handle.workflow_id}-1", "child"]
    steps = Step.objects.filter(workflow_id=handle.workflow_id).values_list("seq", "name")
    assert list(steps)[:2] == [(1, "delays.appends"), (2, "set_workflow_delay")]
    assert order == ["child"]


def test_a_block_delays_what_is_enqueued_in_it(database):
    with durable.SetEnqueueOptions(delay=60):
        assert wait_seconds(line.enqueue(appends, 1)) == pytest.approx(60, abs=0.1)
        assert wait_seconds(put(2, 5)) == pytest.approx(5, abs=0.1)
    assert put(3).get_status().status == "ENQUEUED"


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "soon", True, 10**10])
def test_an_impossible_delay_is_refused(database, wrong):
    with pytest.raises(InvalidOption, match="delay"):
        put("x", wrong)
    with pytest.raises(InvalidOption, match="delay"):
        durable.set_workflow_delay("any", seconds=wrong)
    assert not Workflow.objects.exists()


# --- changing it


def test_a_delay_is_made_shorter_and_longer(executor):
    short, long = put("short", 600), put("long", 600)
    durable.set_workflow_delay(short.workflow_id, seconds=0.05)
    assert short.get_result(timeout=10) == "short"
    durable.set_workflow_delay(long.workflow_id, seconds=3600)
    assert wait_seconds(long) == pytest.approx(3600, abs=5)
    durable.set_workflow_delay(long.workflow_id, seconds=0)
    assert long.get_result(timeout=10) == "long"


def test_a_delay_is_until_a_time_and_a_naive_one_is_utc(database):
    handle = put("x", 600)
    moment = datetime(2099, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    for until in (moment, moment.replace(tzinfo=None), moment.astimezone()):
        durable.set_workflow_delay(handle.workflow_id, until=until)
        assert handle.get_status().wake_at == moment
    run_async(durable.aset_workflow_delay(handle.workflow_id, until=moment + timedelta(days=1)))
    assert handle.get_status().wake_at == moment + timedelta(days=1)


def test_a_time_that_has_passed_means_now(executor):
    handle = put("x", 600)
    durable.set_workflow_delay(handle.workflow_id, until=datetime(2020, 1, 1))
    assert handle.get_result(timeout=10) == "x"


def test_what_waits_in_its_queue_can_be_delayed_and_goes_to_its_end(database):
    first, second = put("first"), put("second")
    durable.set_workflow_delay(first.workflow_id, seconds=0.05)
    assert first.get_status().status == "DELAYED"
    executor = Executor(concurrency=1).start()
    assert durable.gather([second, first]) == ["second", "first"]
    assert order == ["second", "first"]
    executor.drain(1)


def test_what_has_started_or_ended_or_is_debounced_cannot_be_delayed(executor):
    sleeping = app.naps.start(600)
    parked(sleeping)
    done = put("done")
    done.get_result(timeout=10)
    debounced = durable.Debouncer.create(appends).debounce("k", 600, 1)
    for handle, status in ((sleeping, "PENDING"), (done, "SUCCESS"), (debounced, "DELAYED")):
        with pytest.raises(NotDelayable, match=f"is {status}"):
            durable.set_workflow_delay(handle.workflow_id, seconds=1)
    with pytest.raises(WorkflowNotFound):
        durable.set_workflow_delay("nobody", seconds=1)
    for wrong in ({}, {"seconds": 1, "until": datetime(2099, 1, 1)}):
        with pytest.raises(InvalidOption, match="one of them"):
            durable.set_workflow_delay(done.workflow_id, **wrong)
    durable.cancel_workflow(sleeping.workflow_id)


def test_a_change_of_delay_rolls_back_with_the_callers_data(database):
    handle = put("x", 600)
    before = handle.get_status().wake_at
    with pytest.raises(ValueError), transaction.atomic():
        durable.set_workflow_delay(handle.workflow_id, seconds=1)
        raise ValueError
    assert handle.get_status().wake_at == before


def test_a_promotion_takes_the_earliest_first_however_many_are_due(database):
    """More than one round of promotions; each joins in the order in which it came due."""
    from durable.backends.backend import backend

    rows = [
        Workflow(id=f"w{n:04}", name="delays.appends", queue="delays", status="DELAYED", position=n,
                 wake_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=(n * 7919) % 1009))
        for n in range(1009)
    ]  # fmt: skip
    Workflow.objects.bulk_create(rows, batch_size=500)
    session = backend().own()
    sizes = [len(backend().promote(session)) for _ in range(4)]
    session.close()
    assert sizes == [500, 500, 9, 0]
    got = (
        Workflow.objects.filter(status="ENQUEUED", run_after__lte=Now())
        .order_by("position")
        .values_list("id", flat=True)
    )
    assert list(got) == [row.id for row in sorted(rows, key=lambda row: row.wake_at)]
