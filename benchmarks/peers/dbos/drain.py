"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator

from dbos import DBOS

from ..measuring import Figures, Job, Meter, Shift
from .app import first, launch, names, nothing, one


def fill(job: Job) -> Figures:
    launch(listens=False)
    queue, n = names[job["at_once"]], job["workflows"]
    workflow = one if job["steps"] else nothing
    with Meter() as meter:
        for i in range(n):
            DBOS.enqueue_workflow(queue, workflow, i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    shift = Shift(first)
    yield {}
    yield shift.figures()
