"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import durable
from durable.executor import Executor

from ..measuring import Figures, Job, Meter, Shift
from .app import first, nothing, one, queues

LIMITS: dict[str, Any] = {
    "ten_0": {"concurrency": 10},
    "rated_0": {"limiter": {"limit": 100_000, "period": 1}},
    "keys_0": {"partition_concurrency": 1},
}
"""By part; the others use the application's queues."""
QUEUES, KEYS, PRIORITIES = 50, 100, 10


def lines(job: Job) -> list[durable.Queue]:
    """The queues of a part, of which no other knows."""
    part = job.get("part")
    if part == "queues_0":
        return [durable.Queue(f"queue_{i}") for i in range(QUEUES)]
    if part in LIMITS:
        return [durable.Queue(part, **LIMITS[part])]
    return [queues[job["at_once"]]]


def options(part: str | None, i: int) -> dict[str, Any]:
    """What is said with the enqueue of the i-th."""
    if part == "priority_0":
        return {"priority": 1 + i % PRIORITIES}
    return {"partition_key": str(i % KEYS)} if part == "keys_0" else {}


def fill(job: Job) -> Figures:
    into, n, part = lines(job), job["workflows"], job.get("part")
    workflow = one if job["steps"] else nothing
    with Meter() as meter:
        for i in range(n):
            said = options(part, i)
            into[i % len(into)].enqueue(workflow.using(**said) if said else workflow, i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    lines(job)
    shift = Shift(first)  # before the start: it claims before that returns
    Executor().start()
    yield {}
    yield shift.figures()
