"""Workflows that were in the middle of their work when their process was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.test.utils import override_settings

import durable
from durable.executor import Executor
from durable.models import Executor as Row

from ..measuring import Figures, FirstCall, Job
from ..states import Hold, crash
from .app import aadd

CHUNK = 1000
hold_on = Hold()
again = FirstCall()
queue = durable.Queue("pending")


@durable.workflow()
async def pending(i: int) -> int:
    sum_ = await aadd(i, 1)
    await hold_on.here()
    again()
    return sum_


def fill(job: Job) -> Figures:
    for start in range(0, job["workflows"], CHUNK):
        queue.enqueue_many(pending, range(start, min(start + CHUNK, job["workflows"])))
    return {}


def hold(job: Job) -> Iterator[Figures]:
    """Ready when all have recorded their step and are in the middle; then this process dies."""
    lease_of(job)
    hold_on.wanted = job["workflows"]
    Executor(concurrency=job["workflows"]).start()
    hold_on.wait()
    yield {}
    crash()


def rescue(job: Job) -> Iterator[Figures]:
    """A worker with its defaults."""
    lease_of(job)
    launched = time.time()
    Executor().start()
    yield {}
    dead = Row.objects.earliest("started_at")
    yield {"launched": launched, "first": again.at, "lease_end": dead.lease_until.timestamp()}


def lease_of(job: Job) -> None:
    """In a quick run a lease is short, so that its end is soon."""
    if job["lease"] is not None:
        override_settings(DURABLE={"LEASE_SECONDS": job["lease"]}).enable()
