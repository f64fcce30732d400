"""Partitioned queues: every partition a line of its own, with limits of its own, all of them in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

import durable
from durable import current
from durable.backends.limits import share
from durable.errors import InvalidOption
from durable.executor import Executor
from durable.models import Now, Step, Workflow
from tests.app import workflows as app
from tests.support import wait_until

from .metering import Meter
from .watching import parked

meter = Meter()


@pytest.fixture(autouse=True)
def nothing_measured():
    meter.clear()


@durable.step(name="partitions.work")
def work(key: str, n: int, seconds: float) -> int:
    meter.hold(seconds, "all", key, (current.executor_id(), key), note=(key, n))
    return n


@durable.workflow(name="partitions.works")
def works(key: str, n: int = 0, seconds: float = 0.01) -> int:
    return work(key, n, seconds)


@durable.workflow(name="partitions.aworks")
async def aworks(key: str, n: int = 0) -> int:
    with meter.inside("all", key, note=(key, n)):
        await asyncio.sleep(0.01)
    return n


@durable.workflow(name="partitions.naps_and_works")
def naps_and_works(key: str, n: int = 0) -> int:
    work(key, n, 0.02)
    durable.sleep(0.5)
    return work(key, n, 0.1)


one_each = durable.Queue("one-each", partition_queue=True, concurrency=1)
two_each = durable.Queue("two-each", partition_queue=True, concurrency=2)
narrow = durable.Queue("narrow", concurrency=3, partition_concurrency=1)
local = durable.Queue("local", partition_worker_concurrency=1)
paced = durable.Queue("paced", partition_limiter={"limit": 2, "period": 0.4})
spread = durable.Queue("spread", partition_queue=True)


def put(queue: Any, key: str | None, *args: Any, fn: Any = works) -> Any:
    start = fn.using(partition_key=key) if key is not None else fn
    return queue.enqueue(start, key or "", *args)


@pytest.fixture
def two_executors(database) -> Iterator[list[Executor]]:
    pair = [Executor(concurrency=8, label=f"e{n}").start() for n in (1, 2)]
    yield pair
    for each in pair:
        each.drain(2)


# --- limits


def test_a_limit_holds_in_each_partition_over_two_executors_at_every_instant(two_executors):
    handles = [put(two_each, f"p{n % 4}", n) for n in range(32)]
    durable.gather(handles)
    assert {meter.most[f"p{k}"] for k in range(4)} == {2}
    assert 2 < meter.most["all"] <= 8
    assert set(Workflow.objects.values_list("executor", flat=True)) == {each.id for each in two_executors}


def test_each_partition_is_in_order_of_arrival_over_two_executors(two_executors):
    handles = [put(one_each, f"p{n % 3}", n, 0.001) for n in range(30)]
    durable.gather(handles)
    for key in ("p0", "p1", "p2"):
        mine = [n for at, n in meter.order if at == key]
        assert mine == sorted(mine) and meter.most[key] == 1


def test_limits_of_the_whole_queue_hold_beside_those_of_its_partitions(two_executors):
    handles = [put(narrow, f"p{n % 6}", n) for n in range(24)]
    durable.gather(handles)
    assert meter.most["all"] == 3
    assert {meter.most[f"p{k}"] for k in range(6)} == {1}


def test_a_worker_limit_holds_in_each_executor_and_partition(two_executors):
    handles = [put(local, f"p{n % 2}", n, 0.03) for n in range(16)]
    durable.gather(handles)
    for executor in two_executors:
        assert {meter.most[executor.id, key] for key in ("p0", "p1")} == {1}
    assert max(meter.most["p0"], meter.most["p1"]) == 2


def test_a_worker_limit_also_holds_for_those_that_were_parked(executor):
    """While the first sleeps another starts; when both could go on, only one does."""
    handles = [put(local, "p", n, fn=naps_and_works) for n in range(4)]
    for handle in handles:
        parked(handle, "sleep")
    durable.gather(handles)
    assert meter.most["p"] == 1


def most_within(period: float, started: list[float]) -> int:
    """How many there are in the fullest window of `period` seconds."""
    exact = period - 1e-6  # times are stored in microseconds
    return max(sum(first <= each < first + exact for each in started) for first in started)


def started_at(**which: Any) -> list[float]:
    moments = Workflow.objects.filter(**which).order_by("started_at").values_list("started_at", flat=True)
    return [moment.timestamp() for moment in moments]


def test_a_rate_limit_holds_in_every_window_of_every_partition(two_executors):
    handles = [put(paced, key, n, 0) for key in ("p", "q") for n in range(5)]
    durable.gather(handles)
    firsts = []
    for key in ("p", "q"):
        starts = started_at(partition_key=key)
        assert len(starts) == 5 and most_within(0.4, starts) <= 2
        assert starts[-1] - starts[0] < 2 * 0.4 * 5 / 2, "it waited longer than its limit made it"
        firsts.append(starts[0])
    assert abs(firsts[0] - firsts[1]) < 0.4  # neither waits for the other


def test_a_rate_limit_of_the_whole_queue_holds_in_every_window_over_its_partitions(two_executors):
    durable.register_queue("paced-whole", partition_concurrency=2, limiter={"limit": 3, "period": 0.3})
    handles = [
        durable.start_by_name("partitions.works", (key, n, 0), queue="paced-whole", partition_key=key)
        for n in range(5)
        for key in ("p", "q")
    ]
    durable.gather(handles)
    starts = started_at()
    assert len(starts) == 10 and most_within(0.3, starts) <= 3
    assert starts[-1] - starts[0] < 2 * 0.3 * 10 / 3, "it waited longer than its limit made it"


@pytest.mark.parametrize("limits", [{"limiter": {"limit": 1, "period": 0.1}},
                                    {"partition_limiter": {"limit": 1, "period": 0.1}}],
                         ids=["of the queue", "of a partition"])  # fmt: skip
def test_a_rate_limit_lets_the_next_one_start_when_it_can_and_not_at_the_next_poll(database, settings, limits):
    settings.DURABLE = {**settings.DURABLE, "POLL_SECONDS": 60, "LEASE_SECONDS": 60}
    durable.register_queue("every-now-and-then", **limits)
    for n in range(4):
        durable.start_by_name("partitions.works", ("p", n, 0), queue="every-now-and-then")
    executor = Executor(concurrency=4).start()
    assert wait_until(lambda: len(meter.order) == 4, 5, "all of them start, one every 0.1 s")
    executor.drain(1)
    assert most_within(0.1, started_at()) == 1


def test_a_parked_workflow_keeps_the_place_in_its_partition_and_in_no_other(executor):
    first, second = put(one_each, "p", 1, fn=naps_and_works), put(one_each, "p", 2)
    other = put(one_each, "q", 3)
    parked(first, "sleep")
    assert other.get_result(timeout=10) == 3
    assert second.get_status().status == "ENQUEUED"
    assert durable.gather([first, second]) == [1, 2]


def test_places_of_a_dead_executor_are_kept_for_its_workflows(database):
    held = Workflow.objects.create(
        id="held", name="partitions.works", queue="one-each", partition_key="p", admitted="one-each", status="PENDING",
        executor="dead", epoch=1, run_after=Now(), version=works.version, position=1,
        input='{"args":["p",1],"kwargs":{}}',
    )  # fmt: skip
    executor = Executor(concurrency=4).start()
    second = put(one_each, "p", 2)
    executor.sweeper.wake()
    assert durable.gather([durable.retrieve_workflow(held.id), second]) == [1, 2]
    assert meter.order == [("p", 1), ("p", 2)]
    assert Workflow.objects.get(pk="held").recovery_attempts == 1
    executor.drain(1)


def test_coroutine_workflows_are_limited_too(executor):
    handles = [put(two_each, f"p{n % 2}", n, fn=aworks) for n in range(12)]
    durable.gather(handles)
    assert meter.most["p0"] == meter.most["p1"] == 2


# --- turns


def test_partitions_take_turns_one_by_one(database):
    for key, n in (("a", 4), ("b", 2), ("c", 3)):
        for i in range(n):
            put(spread, key, i, 0)
    executor = Executor(concurrency=1).start()
    wait_until(lambda: len(meter.order) == 9, 10)
    executor.drain(1)
    assert [key for key, _ in meter.order] == ["a", "b", "c", "a", "b", "c", "a", "c", "a"]


def test_a_long_partition_delays_a_new_one_by_one_turn(database):
    for n in range(60):
        put(spread, "long", n, 0.002)
    executor = Executor(concurrency=1).start()
    wait_until(lambda: len(meter.order) > 3, 10)
    before = len(meter.order)
    put(spread, "short", 0).get_result(timeout=10)
    at = meter.order.index(("short", 0))
    assert at - before <= 5, f"it came {at - before} starts after it was enqueued"
    executor.drain(1)


def test_low_priorities_go_first_within_their_partition(database):
    for key in ("a", "b"):
        for n, priority in enumerate((9, 1, None, 9)):
            options = {"partition_key": key} | ({} if priority is None else {"priority": priority})
            spread.enqueue(works.using(**options), key, n, 0)
    executor = Executor(concurrency=1).start()
    wait_until(lambda: len(meter.order) == 8, 10)
    executor.drain(1)
    for mine in ("a", "b"):
        assert [n for key, n in meter.order if key == mine] == [2, 1, 0, 3]


@pytest.mark.parametrize("wants, room, expected", [
    ({"a": 5, "b": 5}, 3, {"a": 2, "b": 1}),
    ({"a": 1, "b": 5}, 4, {"a": 1, "b": 3}),
    ({"a": 0, "b": 2}, 9, {"b": 2}),
    ({"a": 3}, 0, {}),
    ({}, 4, {}),
])  # fmt: skip
def test_room_is_dealt_out_one_by_one(wants, room, expected):
    assert share(wants, room) == expected


# --- rows without a key


def test_what_is_enqueued_by_name_without_a_key_has_a_partition_of_its_own(executor):
    durable.register_queue("one-each", partition_queue=True, concurrency=1)
    unnamed = [durable.start_by_name("partitions.works", ("", n), queue="one-each") for n in range(4)]
    named = [put(one_each, "p", n) for n in range(4)]
    durable.gather([*unnamed, *named])
    assert (meter.most[""], meter.most["p"]) == (1, 1)
    assert set(Workflow.objects.values_list("partition_key", flat=True)) == {"", "p"}


def test_the_partition_without_a_name_takes_its_turn_like_any_other(database):
    durable.register_queue("spread", partition_queue=True)
    for n in range(5):
        durable.start_by_name("partitions.works", ("", n, 0), queue="spread")
        put(spread, "p", n, 0)
    executor = Executor(concurrency=1).start()
    wait_until(lambda: len(meter.order) == 10, 10)
    executor.drain(1)
    assert [key for key, _ in meter.order] == ["", "p"] * 5


def test_a_partitioned_queue_asks_for_a_key_and_takes_no_deduplication_id(database):
    with pytest.raises(InvalidOption, match="'one-each' is partitioned: say which partition"):
        one_each.enqueue(works, "p")
    with pytest.raises(InvalidOption, match="ids do not deduplicate"):
        one_each.enqueue(works.using(partition_key="p", dedup_id="d"), "p")
    with pytest.raises(InvalidOption, match="needs a queue"):
        works.using(partition_key="p").start("p")
    for wrong in ("", "  ", 5, "a\x00b"):
        with pytest.raises(InvalidOption, match="partition_key"):
            works.using(partition_key=wrong, queue="one-each")
    assert not Workflow.objects.exists()
    with durable.SetEnqueueOptions(partition_key="p"):
        assert one_each.enqueue(works, "p").get_status().partition_key == "p"


def test_impossible_limits_of_partitions_are_refused():
    for wrong in (
        {"partition_concurrency": 0},
        {"partition_worker_concurrency": -1},
        {"partition_concurrency": 1, "partition_worker_concurrency": 2},
        {"partition_limiter": {"limit": 1}},
        {"partition_queue": True, "concurrency": 1, "worker_concurrency": 2},
    ):
        with pytest.raises(InvalidOption):
            durable.Queue("wrong", **wrong)


# --- queues that become partitioned


def test_a_queue_that_becomes_partitioned_while_it_runs_loses_nothing(executor):
    durable.register_queue("turns")
    first = durable.start_by_name("partitions.naps_and_works", ("", 0), queue="turns")
    parked(first, "sleep")
    durable.pause_queue("turns")
    waiting = [durable.start_by_name("partitions.works", ("", n), queue="turns") for n in (1, 2)]
    late = durable.start_by_name("partitions.works", ("", 3), queue="turns", delay=0.2)
    row = durable.register_queue("turns", partition_queue=True, concurrency=1)
    assert row.partitioned and row.paused
    assert set(Workflow.objects.values_list("partition_key", flat=True)) == {""}
    durable.resume_queue("turns")
    keyed = durable.start_by_name("partitions.works", ("k", 4), queue="turns", partition_key="k")
    assert durable.gather([keyed, first, *waiting, late]) == [4, 0, 1, 2, 3]
    assert meter.most[""] == 1


def test_what_was_enqueued_before_a_partitioned_queue_was_known_starts_with_it(executor):
    early = [durable.start_by_name("partitions.works", ("", n), queue="unheard-of") for n in range(3)]
    assert {each.get_status().partition_key for each in early} == {None}
    durable.register_queue("unheard-of", partition_queue=True, concurrency=1)
    assert {each.get_status().partition_key for each in early} == {""}
    assert durable.gather(early) == [0, 1, 2]
    assert meter.most[""] == 1


def test_a_row_that_missed_the_change_of_its_queue_is_found(executor, monkeypatch):
    """Its transaction began while the queue had no partitions yet, and ended after the change."""
    durable.register_queue("turns", partition_queue=True, concurrency=1)
    handle = durable.start_by_name("partitions.works", ("", 1), queue="turns", delay=3600)
    Workflow.objects.update(partition_key=None, status="ENQUEUED", wake_at=None, run_after=Now())
    monkeypatch.setattr("durable.executor.sweeper.UNSERVED_EVERY_SECONDS", 0.0)
    executor.sweeper._next_unserved = 0.0
    executor.sweeper.wake()
    assert handle.get_result(timeout=10) == 1
    assert handle.get_status().partition_key == ""


def test_a_workflow_that_is_resumed_onto_a_partitioned_queue_waits_its_turn_there(executor):
    durable.register_queue("one-each", partition_queue=True, concurrency=1)
    handle = app.naps.start(600)
    parked(handle)
    durable.cancel_workflow(handle.workflow_id)
    durable.resume_workflow(handle.workflow_id, queue="one-each")
    assert handle.get_status().partition_key == ""
    wait_until(lambda: handle.get_status().admitted == "one-each", 10)
    durable.cancel_workflow(handle.workflow_id)


def test_positions_within_a_partition_rise_in_the_order_of_arrival(database):
    ids = [put(one_each, f"p{n % 2}", n).workflow_id for n in range(20)]
    positions = dict(Workflow.objects.values_list("id", "position"))
    assert all(positions[a] < positions[b] for a, b in pairwise(ids))
    assert not Step.objects.exists()
