"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator

from ..measuring import Figures, Job, Meter, Shift
from .app import app, first, nothing, start

PARTS = ("open_0", "fifty_0")


def fill(job: Job) -> Figures:
    n = job["workflows"]
    with app.open(), Meter() as meter:
        for i in range(n):
            nothing.defer(i=i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    shift = Shift(first)
    start(**({"concurrency": job["at_once"]} if job["at_once"] else {}))
    yield {}
    yield shift.figures()
