"""A process that fills a queue."""

from __future__ import annotations

from django.db import transaction

import durable

from ..measuring import Figures, Job, Meter
from .app import nothing, queues

A_TRANSACTION, WARM = 50, 10


def single(job: Job) -> Figures:
    queue, n = warm(), job["workflows"]
    with Meter() as meter:
        for i in range(n):
            queue.enqueue(nothing, i)
    return figures(meter, n)


def bulk(job: Job) -> Figures:
    queue, n = warm(), job["workflows"]
    with Meter() as meter:
        queue.enqueue_many(nothing, range(n))
    return figures(meter, n)


def atomic(job: Job) -> Figures:
    queue, n = warm(), job["workflows"]
    with Meter() as meter:
        for start in range(0, n, A_TRANSACTION):
            with transaction.atomic():
                for i in range(start, min(start + A_TRANSACTION, n)):
                    queue.enqueue(nothing, i)
    return figures(meter, n)


def warm() -> durable.Queue:
    for i in range(WARM):
        queues[None].enqueue(nothing, i)
    return queues[None]


def figures(meter: Meter, n: int) -> Figures:
    stored = len(durable.list_queued_workflows(queue=queues[None].name, load_input=False))
    return {"rate": meter.rate(n), "cpu_ms": meter.cpu_ms(n), "stored": stored - WARM}
