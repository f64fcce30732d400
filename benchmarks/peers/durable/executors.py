"""One backlog for several worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import durable
from durable.executor import Executor

from ..measuring import Figures, FirstCall, Job, Shift
from ..states import Gate

CHUNK = 1000
BURN_SECONDS = 0.002
first = FirstCall()
queue = durable.Queue("shared")


@durable.step()
def burn(i: int) -> int:
    """So much processor time, however many threads there are."""
    end = time.thread_time() + BURN_SECONDS
    while time.thread_time() < end:
        pass
    return i


@durable.workflow()
def empty(i: int) -> int:
    first()
    return i


@durable.workflow()
def busy(i: int) -> int:
    first()
    return burn(i)


def fill(job: Job) -> Figures:
    workflow = busy if job["burns"] else empty
    for start in range(0, job["workflows"], CHUNK):
        queue.enqueue_many(workflow, range(start, min(start + CHUNK, job["workflows"])))
    return {}


def work(job: Job) -> Iterator[Figures]:
    """Ready to start; it starts when the gate opens."""
    shift = Shift(first)
    gate = Gate(job["gate"], Executor().start)
    yield {}
    yield {**shift.figures(), "error": gate.error}
