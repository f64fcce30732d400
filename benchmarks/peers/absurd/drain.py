"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator

from ..measuring import Figures, Job, Meter, Shift
from .app import app, first, start

PARTS = ("open_0", "open_1", "fifty_0", "fifty_1")


def fill(job: Job) -> Figures:
    name, n = "one" if job["steps"] else "nothing", job["workflows"]
    with Meter() as meter:
        for i in range(n):
            app.spawn(name, i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    shift = Shift(first)
    start(**({"concurrency": job["at_once"]} if job["at_once"] else {}))
    yield {}
    yield shift.figures()
