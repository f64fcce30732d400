"""Workflows that were in the middle of their work when their process was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dbos import DBOS

from ..measuring import Figures, FirstCall, Job
from ..states import Hold, crash
from .app import aadd, launch, names

PARTS = ("restart",)
hold_on = Hold()
again = FirstCall()


@DBOS.workflow()
async def pending(i: int) -> int:
    sum_ = await aadd(i, 1)
    await hold_on.here()
    again()
    return sum_


def fill(job: Job) -> Figures:
    launch(listens=False)
    for i in range(job["workflows"]):
        DBOS.enqueue_workflow(names[None], pending, i)
    return {}


def hold(job: Job) -> Iterator[Figures]:
    """Ready when all have recorded their step and are in the middle; then this process dies."""
    hold_on.wanted = job["workflows"]
    launch(listens=True)
    hold_on.wait()
    yield {}
    crash()


def rescue(job: Job) -> Iterator[Figures]:
    """A worker of the same executor id: it recovers what it finds of its own when it is launched."""
    launched = time.time()
    launch(listens=True)
    yield {}
    yield {"launched": launched, "first": again.at}
