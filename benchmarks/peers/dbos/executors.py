"""One backlog for several worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dbos import DBOS

from ..measuring import Figures, FirstCall, Job, Shift
from ..states import Gate
from .app import launch, names
from .launching import configure

BURN_SECONDS = 0.002
first = FirstCall()


@DBOS.step()
def burn(i: int) -> int:
    """So much processor time, however many threads there are."""
    end = time.thread_time() + BURN_SECONDS
    while time.thread_time() < end:
        pass
    return i


@DBOS.workflow()
def empty(i: int) -> int:
    first()
    return i


@DBOS.workflow()
def busy(i: int) -> int:
    first()
    return burn(i)


def fill(job: Job) -> Figures:
    launch(listens=False)
    workflow = busy if job["burns"] else empty
    for i in range(job["workflows"]):
        DBOS.enqueue_workflow(names[None], workflow, i)
    return {}


def work(job: Job) -> Iterator[Figures]:
    """Ready to start; it starts when the gate opens."""
    shift = Shift(first)
    configure(f"worker-{job['number']}")
    gate = Gate(job["gate"], DBOS.launch)
    yield {}
    yield {**shift.figures(), "error": gate.error}
