"""Queues: order, limits, priorities, deduplication, delay, and who serves them."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from django.db import transaction

import durable
from durable.errors import InvalidOption, QueueDeduplicated
from durable.executor import Executor
from durable.models import Queue, Step, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import wait_until

order: list[int] = []


@durable.workflow()
def appends(n: int) -> int:
    order.append(n)
    return n


@pytest.fixture(autouse=True)
def no_order():
    order.clear()


def most_at_once() -> int:
    """The largest number of `enter` that had no `leave` yet, in the order in which they were stored."""
    now = most = 0
    for key in Effect.objects.order_by("id").values_list("key", flat=True):
        now += 1 if key == "enter" else -1
        most = max(most, now)
    return most


@pytest.fixture
def two_executors(database):
    pair = [Executor(concurrency=8, label=f"e{n}").start() for n in (1, 2)]
    yield pair
    for each in pair:
        each.drain(2)


def test_a_queue_of_one_runs_in_order_of_arrival(executor):
    handles = [app.one_by_one.enqueue(appends, n) for n in range(20)]
    assert durable.gather(handles) == list(range(20))
    assert order == list(range(20))


def test_global_concurrency_holds_over_two_executors_at_every_instant(two_executors):
    handles = [app.limited.enqueue(app.holds, 0.03) for _ in range(24)]
    durable.gather(handles)
    assert 1 < most_at_once() <= 3
    assert set(Workflow.objects.values_list("executor", flat=True)) == {e.id for e in two_executors}


def test_worker_concurrency_holds_in_one_executor(executor):
    handles = [app.per_worker.enqueue(app.holds, 0.03) for _ in range(10)]
    durable.gather(handles)
    assert most_at_once() == 2


def test_a_rate_limit_holds_in_every_window(two_executors):
    durable.gather([app.rated.enqueue(app.add, n, 0) for n in range(13)])
    started = sorted(Workflow.objects.values_list("started_at", flat=True))
    for first, sixth in zip(started, started[5:], strict=False):
        assert (sixth - first).total_seconds() >= 0.99  # 5 within any second; timestamps follow the count


def test_a_parked_workflow_keeps_its_place(executor):
    handles = [app.one_by_one.enqueue(app.naps, 0.5, f"woke-{n}") for n in range(2)]
    first, second = (handle.workflow_id for handle in handles)
    wait_until(lambda: Workflow.objects.get(pk=first).waiting_for == "sleep", 10, "the first parks")
    assert Workflow.objects.get(pk=second).status == "ENQUEUED"
    assert durable.gather(handles) == ["woke-0", "woke-1"]


def test_a_cancelled_workflow_gives_up_its_place_and_the_next_starts(executor):
    first = app.one_by_one.enqueue(app.naps, 600)
    second = app.one_by_one.enqueue(app.total, 2)
    wait_until(lambda: first.get_status().waiting_for == "sleep", 10, "it parks")
    assert durable.cancel_workflow(first.workflow_id)
    assert second.get_result(timeout=10) == 1


def test_low_priorities_go_first_and_none_before_all(database):
    queue = app.one_by_one
    for n, priority in enumerate((5, 1, None, 5, 1)):
        options = {} if priority is None else {"priority": priority}
        queue.enqueue(appends.using(**options), n)
    executor = Executor(concurrency=1).start()
    wait_until(lambda: len(order) == 5, 10, "all ran")
    executor.drain(1)
    assert order == [2, 1, 4, 0, 3]


def test_options_without_a_queue_are_refused_before_anything_is_stored(database):
    for option in ({"priority": 1}, {"dedup_id": "d"}, {"delay": 1}, {"partition_key": "k"}):
        with pytest.raises(InvalidOption, match="needs a queue"):
            app.total.using(**option).start(1)
    with pytest.raises(InvalidOption, match="known options are"):
        app.total.using(prioritty=1)
    with pytest.raises(InvalidOption, match="from 1"):
        app.total.using(queue="limited", priority=0)
    assert not Workflow.objects.exists()


def test_impossible_limits_are_refused():
    for wrong in (
        {"concurrency": 0},
        {"worker_concurrency": -1},
        {"limiter": {"limit": 1}},
        {"concurrency": 1, "worker_concurrency": 2},
    ):
        with pytest.raises(InvalidOption):
            durable.Queue("wrong", **wrong)
    with pytest.raises(InvalidOption, match="Durable's own"):
        durable.Queue("_durable_mine")


def test_one_live_workflow_for_each_deduplication_id(executor):
    start = app.naps.using(dedup_id="user-1")
    first = app.limited.enqueue(start, 600)
    with pytest.raises(QueueDeduplicated, match="user-1"):
        app.limited.enqueue(start, 0)
    app.per_worker.enqueue(app.naps.using(dedup_id="user-1"), 0)  # another queue
    durable.cancel_workflow(first.workflow_id)
    assert app.limited.enqueue(start, 0).get_result(timeout=10) == "woke"


def test_only_one_of_many_threads_gets_a_deduplication_id(database):
    results = []

    def enqueue():
        from django.db import connection

        try:
            app.limited.enqueue(app.total.using(dedup_id="one"), 1)
            results.append("in")
        except QueueDeduplicated:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert sorted(results) == ["in"] + ["refused"] * 7
    assert Workflow.objects.count() == 1


def test_a_delayed_workflow_joins_its_queue_when_due(executor):
    handle = app.limited.enqueue(app.total.using(delay=0.4), 2)
    row = handle.get_status()
    assert (row.status, row.phase.word) == ("DELAYED", "Delayed")
    assert handle.get_result(timeout=10) == 1
    row = handle.get_status()
    assert (row.started_at - row.created_at).total_seconds() >= 0.4


def test_enqueueing_commits_and_rolls_back_with_the_business_data(executor):
    with pytest.raises(ValueError), transaction.atomic():
        app.limited.enqueue(app.total, 1)
        raise ValueError
    assert not Workflow.objects.exists()
    with transaction.atomic():
        Effect.objects.create(key="order")
        handle = app.limited.enqueue(app.total, 3)
    assert handle.get_result(timeout=10) == 3


def test_an_executor_serves_the_queues_it_was_given(database):
    chosen = Executor(queues=["per-worker"], concurrency=4).start()
    elsewhere = app.limited.enqueue(app.total, 1)
    mine, without = app.per_worker.enqueue(app.total, 2), app.total.start(3)
    assert durable.gather([mine, without]) == [1, 3]
    assert elsewhere.get_status().status == "ENQUEUED"
    chosen.drain(1)


def test_a_queue_that_nobody_declared_waits_until_somebody_does(executor):
    handle = durable.start_workflow(app.total.using(queue="later"), 2)
    app.total.start(1).get_result(timeout=10)
    assert handle.get_status().status == "ENQUEUED"
    Queue.objects.create(name="later")
    assert handle.get_result(timeout=10) == 1


def test_a_function_that_no_executor_knows_waits_visibly_and_starts_when_one_does(executor, monkeypatch, database):
    name = f"not.yet.{database}"
    monkeypatch.setattr("durable.executor.sweeper.UNSERVED_EVERY_SECONDS", 0.0)
    handle = durable.enqueue_by_name("limited", name, 4)
    executor.sweeper.wake()
    wait_until(lambda: handle.get_status().waiting_for == f"executor:{name}", 10, "it is set aside")
    assert handle.get_status().phase.word == "Unserved"
    assert app.limited.enqueue(app.total, 2).get_result(timeout=10) == 1  # it blocks nobody

    @durable.workflow(name=name)
    def now_known(n):
        return n

    newer = Executor(concurrency=2).start()
    assert handle.get_result(timeout=10) == 4
    newer.drain(1)


def test_declared_limits_change_with_the_code_and_count_what_already_runs(database):
    queue = durable.Queue("grows")
    first = Executor(concurrency=4).start()
    sleeping = queue.enqueue(app.naps, 600)
    wait_until(lambda: sleeping.get_status().waiting_for == "sleep", 10, "it parks")
    first.drain(1)
    durable.Queue("grows", concurrency=1)
    second = Executor(concurrency=4).start()
    row = Queue.objects.get(name="grows")
    assert (row.concurrency, row.declared["concurrency"]) == (1, 1)
    waiting = queue.enqueue(app.total, 1)
    app.total.start(1).get_result(timeout=10)
    assert waiting.get_status().status == "ENQUEUED"
    durable.cancel_workflow(sleeping.workflow_id)
    assert waiting.get_result(timeout=10) == 0
    second.drain(1)


def test_a_long_queue_does_not_starve_a_short_one(database):
    long = [app.limited.enqueue(app.add, n, 0) for n in range(200)]
    executor = Executor(concurrency=2).start()
    short = app.per_worker.enqueue(app.add, 1, 1)
    short.get_result(timeout=20)
    done = Workflow.objects.filter(queue="limited", status="SUCCESS").count()
    assert done < len(long)
    durable.gather(long)
    executor.drain(1)
    assert Step.objects.count() == 201


def test_positions_rise_in_the_order_of_arrival(database):
    ids = [app.limited.enqueue(app.total, 0).workflow_id for _ in range(50)]
    positions = dict(Workflow.objects.values_list("id", "position"))
    assert all(positions[a] < positions[b] for a, b in pairwise(ids))
