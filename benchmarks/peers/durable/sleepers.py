"""Workflows that sleep durably, until one moment for all."""

from __future__ import annotations

from collections.abc import Iterator

import durable
from durable.executor import Executor
from durable.models import Workflow

from ..measuring import Figures, Job
from ..states import Night

CHUNK = 1000
night = Night()
queue = durable.Queue("night")


@durable.workflow()
def sleeper(i: int) -> int:
    durable.sleep(night.left())
    night.wakes()
    return i


@durable.workflow()
async def asleeper(i: int) -> int:
    await durable.asleep(night.left())
    night.wakes()
    return i


def fill(job: Job) -> Figures:
    workflow = sleeper if job["way"] == "sync" else asleeper
    for start in range(0, job["workflows"], CHUNK):
        queue.enqueue_many(workflow, range(start, min(start + CHUNK, job["workflows"])))
    return {}


def work(job: Job) -> Iterator[Figures]:
    """Ready when the night is over."""
    ready = Workflow.objects.filter(run_after__isnull=False)  # or running: whoever is parked has only a time to wake
    figures = night.pass_by(job, lambda: Executor().start(), lambda: not ready.exists())
    yield {}
    yield figures
