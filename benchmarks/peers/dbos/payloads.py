"""Workflows and steps that carry something."""

from __future__ import annotations

from collections.abc import Iterator

from dbos import DBOS, SetWorkflowID

from ..measuring import Figures, FirstCall, Job, Meter, Shift
from ..states import text_of
from .app import launch, names

first = FirstCall()


@DBOS.step()
def echo(text: str) -> str:
    return text


@DBOS.workflow()
def carry(text: str) -> str:
    first()
    return echo(text)


@DBOS.workflow()
def produce(n: int, text_bytes: int) -> int:
    text = text_of(text_bytes)
    return sum(len(echo(text)) for _ in range(n))


def fill(job: Job) -> Figures:
    launch(listens=False)
    text = text_of(job["bytes"])
    with Meter() as meter:
        for _ in range(job["workflows"]):
            DBOS.enqueue_workflow(names[None], carry, text)
    return {"rate": meter.rate(job["workflows"])}


def work(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    shift = Shift(first)
    yield {}
    yield shift.figures()


def steps(job: Job) -> Figures:
    launch(listens=False)
    n, size = job["steps"], job["bytes"]
    produce(1, size)
    with Meter() as meter, SetWorkflowID("produced"):
        total = produce(n, size)
    if total != n * size or len(DBOS.list_workflow_steps("produced")) != n:
        raise RuntimeError("not all steps are recorded")
    return {"rate": meter.rate(n)}
