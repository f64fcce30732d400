"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbos import DBOS, SetEnqueueOptions

from ..measuring import Figures, Job, Meter, Shift
from .app import first, launch, names, nothing, one

LIMITS: dict[str, Any] = {
    "ten_0": {"global_concurrency": 10},
    "rated_0": {"limiter": {"limit": 100_000, "period": 1}},
    "keys_0": {"partition_concurrency": 1},
}
"""By part; the others use the application's queues."""
QUEUES, KEYS, PRIORITIES = 50, 100, 10


def lines(job: Job) -> list[str]:
    """The queues of a part, of which no other knows."""
    part = job.get("part")
    if part == "queues_0":
        return [DBOS.register_queue(f"queue_{i}").name for i in range(QUEUES)]
    if part in LIMITS:
        return [DBOS.register_queue(part, **LIMITS[part]).name]
    return [names[job["at_once"]]]


def options(part: str | None, i: int) -> dict[str, Any]:
    """What is said with the enqueue of the i-th."""
    if part == "priority_0":
        return {"priority": 1 + i % PRIORITIES}
    return {"queue_partition_key": str(i % KEYS)} if part == "keys_0" else {}


def fill(job: Job) -> Figures:
    launch(listens=False)
    into, n, part = lines(job), job["workflows"], job.get("part")
    workflow = one if job["steps"] else nothing
    with Meter() as meter:
        for i in range(n):
            if said := options(part, i):
                with SetEnqueueOptions(**said):
                    DBOS.enqueue_workflow(into[i % len(into)], workflow, i)
            else:
                DBOS.enqueue_workflow(into[i % len(into)], workflow, i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    shift = Shift(first)
    yield {}
    yield shift.figures()
