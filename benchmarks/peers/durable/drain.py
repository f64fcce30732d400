"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator

from durable.executor import Executor

from ..measuring import Figures, Job, Meter, Shift
from .app import first, nothing, one, queues


def fill(job: Job) -> Figures:
    queue, n = queues[job["at_once"]], job["workflows"]
    workflow = one if job["steps"] else nothing
    with Meter() as meter:
        for i in range(n):
            queue.enqueue(workflow, i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    shift = Shift(first)  # before the start: it claims before that returns
    Executor().start()
    yield {}
    yield shift.figures()
