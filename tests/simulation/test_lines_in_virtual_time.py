"""Partitioned queues, streams and debouncing in virtual time: executors crash and stall, all from one seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

import durable
from durable.executor import living
from durable.executor.hub import hub
from durable.models import StreamEntry, Workflow
from tests.app import workflows as app
from tests.app.models import Effect

from .test_virtual_time import World, unfinished

TOTAL, EACH = 4, 2
KEYS = ("a", "b", "c")

line = durable.Queue("simulated-line", concurrency=TOTAL, partition_concurrency=EACH)


@durable.workflow(name="simulated.visit")
def visit(key: str, n: int) -> str:
    app.book(f"{key} {n} came")
    durable.write_stream("log", f"{n} came")
    durable.sleep(3)  # parks, and keeps its place
    durable.write_stream("log", f"{n} left")
    durable.close_stream("log")
    return app.book(f"{key} {n} left")


@durable.workflow(name="simulated.saved")
def saved(text: str) -> str:
    return app.book(text)


def held() -> Counter[str]:
    return Counter(Workflow.objects.filter(admitted="simulated-line").values_list("partition_key", flat=True))


class Watched(World):
    """Looks after every step, also after those that others take while one executor stands still."""

    check: Any = staticmethod(lambda: None)

    def step(self) -> None:
        super().step()
        self.check()


@pytest.fixture
def world(database, monkeypatch, request):
    if database != "sqlite":
        pytest.skip("virtual time needs a database whose clock is the machine's: SQLite")
    made = Watched(request.param)
    made.install(monkeypatch)
    monkeypatch.setattr("durable.executor.pool.log.exception", lambda *a: None)
    yield made
    for executor in list(made.executors):
        made.crash(executor)
    living.take_all()
    hub().stop()


def run(world: World, act: Any = lambda turn: None) -> None:
    for _ in range(3):
        world.start_executor()
    for turn in range(6_000):
        world.step()
        act(turn)
        if turn % 50 == 49 and turn > 300 and not unfinished():
            break
    assert not world.zombies
    left = Workflow.objects.exclude(status="SUCCESS").values_list("id", "status", "waiting_for")
    assert not list(left)


@pytest.mark.parametrize("world", range(12), indirect=True)
def test_limits_hold_at_every_instant_and_every_partition_is_in_order(world):
    ids = [line.enqueue(visit.using(partition_key=KEYS[n % 3]), KEYS[n % 3], n).workflow_id for n in range(15)]
    most: Counter[str] = Counter()

    def check() -> None:
        now = held()
        assert sum(now.values()) <= TOTAL and max(now.values(), default=0) <= EACH, now
        most.update({key: n - most[key] for key, n in now.items() if n > most[key]})

    world.check = check
    run(world)
    assert max(most.values()) == EACH, "the limits were never reached; nothing was tested"
    rows = {row.id: row for row in Workflow.objects.filter(pk__in=ids)}
    for key in KEYS:
        mine = [rows[each] for each in ids if rows[each].partition_key == key]
        assert all(one.started_at <= other.started_at for one, other in pairwise(mine))
    assert Effect.objects.count() == len(set(Effect.objects.values_list("key", flat=True))) == 30
    for n, each in enumerate(ids):
        entries = StreamEntry.objects.filter(workflow_id=each).values_list("offset", "value")
        assert list(entries) == [(0, f'"{n} came"'), (1, f'"{n} left"'), (2, None)]


@pytest.mark.parametrize("world", range(20, 32), indirect=True)
def test_of_each_debounced_series_the_last_call_runs_once(world):
    debouncer = durable.Debouncer.create(saved, debounce_timeout_sec=8, queue=line)
    asked: dict[str, list[str]] = {}

    def call(turn: int) -> None:
        if turn < 300 and world.random.random() < 0.3:
            text = f"call {turn}"
            asked.setdefault(debouncer.debounce("key", 3, text).workflow_id, []).append(text)

    run(world, call)
    assert len(asked) > 3
    results = {each: durable.retrieve_workflow(each).get_result() for each in asked}
    assert results == {each: texts[-1] for each, texts in asked.items()}
    assert sorted(Effect.objects.values_list("key", flat=True)) == sorted(results.values())
