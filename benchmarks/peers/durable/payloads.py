"""Workflows and steps that carry something."""

from __future__ import annotations

from collections.abc import Iterator

import durable
from durable.executor import Executor
from durable.models import Step

from ..measuring import Figures, FirstCall, Job, Meter, Shift
from ..states import text_of

first = FirstCall()
queue = durable.Queue("parcels")


@durable.step()
def echo(text: str) -> str:
    return text


@durable.workflow()
def carry(text: str) -> str:
    first()
    return echo(text)


@durable.workflow()
def produce(n: int, text_bytes: int) -> int:
    text = text_of(text_bytes)
    return sum(len(echo(text)) for _ in range(n))


def fill(job: Job) -> Figures:
    text = text_of(job["bytes"])
    with Meter() as meter:
        for _ in range(job["workflows"]):
            queue.enqueue(carry, text)
    return {"rate": meter.rate(job["workflows"])}


def work(job: Job) -> Iterator[Figures]:
    shift = Shift(first)
    Executor().start()
    yield {}
    yield shift.figures()


def steps(job: Job) -> Figures:
    n, size = job["steps"], job["bytes"]
    produce(1, size)
    with Meter() as meter, durable.SetWorkflowID("produced"):
        total = produce(n, size)
    if total != n * size or Step.objects.filter(workflow_id="produced").count() != n:
        raise RuntimeError("not all steps are recorded")
    return {"rate": meter.rate(n)}
