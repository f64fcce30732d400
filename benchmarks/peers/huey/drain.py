"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator

from huey.utils import Error

from ..measuring import Figures, Job, Meter, Shift
from .app import first, huey, nothing, start

PARTS = ("open_0", "fifty_0")


def fill(job: Job) -> Figures:
    n = job["workflows"]
    with Meter() as meter:
        for i in range(n):
            nothing(i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    shift = Shift(first)
    start(**({"workers": job["at_once"]} if job["at_once"] else {}))
    yield {}
    figures = shift.figures()
    if any(isinstance(huey.serializer.deserialize(each), Error) for each in huey.all_results().values()):
        raise RuntimeError("not all tasks went well")
    yield figures
