"""The program of DBOS Transact, written after its documentation."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from dbos import DBOS, SetWorkflowID

from .measuring import Figures, FirstCall, Job, Meter, Shift, mailed, main, probed

first = FirstCall()
names = {None: "unlimited", 50: "fifty"}
"""Queues by worker concurrency."""


@DBOS.step()
def add(a: int, b: int) -> int:
    return a + b


@DBOS.step()
async def aadd(a: int, b: int) -> int:
    return a + b


@DBOS.workflow()
def total(n: int) -> int:
    result = 0
    for i in range(n):
        result = add(result, i)
    return result


@DBOS.workflow()
async def atotal(n: int) -> int:
    result = 0
    for i in range(n):
        result = await aadd(result, i)
    return result


@DBOS.workflow()
async def together(n: int, width: int) -> int:
    result = 0
    for start in range(0, n, width):
        result += sum(await asyncio.gather(*[aadd(i, 0) for i in range(start, start + width)]))
    return result


@DBOS.workflow()
def nothing(i: int) -> int:
    first()
    return i


@DBOS.workflow()
def one(i: int) -> int:
    first()
    return add(i, 1)


@DBOS.workflow()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


@DBOS.workflow()
def receive(n: int) -> list[float]:
    DBOS.set_event("ready", True)
    return [-DBOS.recv("stamp", 30) + time.monotonic() for _ in range(n)]


def launch(*, listens: bool) -> None:
    """Start it with its defaults; a process that does not listen runs nothing from the queues."""
    DBOS(
        config={
            "name": "benchmarks",
            "system_database_url": os.environ["BENCHMARK_DATABASE_URL"],
            "application_version": "1",
            "executor_id": "worker" if listens else "client",
            "log_level": "ERROR",
        }
    )
    if not listens:
        DBOS.listen_queues(["of-nobody"])
    DBOS.launch()


def prepare(job: Job) -> Figures:
    launch(listens=False)
    for at_once, name in names.items():
        DBOS.register_queue(name, worker_concurrency=at_once)
    DBOS.destroy()
    return {}


def steps(job: Job) -> Figures:
    launch(listens=False)
    n, width = job["steps"], job["width"]
    ways = {"sync": total, "async": atotal, "together": partial(together, width=width)}
    figures = {}
    for way, workflow in ways.items():
        run: Any = workflow if way == "sync" else partial(_run, workflow)
        run(width)
        with Meter() as meter, SetWorkflowID(way):
            result = run(n)
        if result != n * (n - 1) // 2 or len(DBOS.list_workflow_steps(way)) != n:
            raise RuntimeError(f"{way}: not all steps are recorded")
        figures |= {way: meter.rate(n), f"{way}_cpu_ms": meter.cpu_ms(n)}
    return figures


def _run(workflow: Any, n: int) -> Any:
    async def call() -> Any:
        return await workflow(n)

    return asyncio.run(call())


def enqueue(job: Job) -> Figures:
    launch(listens=False)
    queue, n = names[job["at_once"]], job["workflows"]
    workflow = one if job["steps"] else nothing
    with Meter() as meter:
        for i in range(n):
            DBOS.enqueue_workflow(queue, workflow, i)
    return {"rate": meter.rate(n)}


def drain(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    shift = Shift(first)
    yield {}
    yield shift.figures()


def work(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    yield {}


def probe(job: Job) -> Figures:
    launch(listens=False)
    queue = names[None]
    DBOS.enqueue_workflow(queue, stamp).get_result()
    figures = probed(
        job["starts"], job["seed"], lambda: DBOS.enqueue_workflow(queue, stamp), lambda handle: handle.get_result()
    )
    mailbox = DBOS.enqueue_workflow(queue, receive, job["messages"])
    DBOS.get_event(mailbox.workflow_id, "ready", 10)
    figures["message"] = mailed(
        job["messages"], job["seed"], lambda at: DBOS.send(mailbox.workflow_id, at, "stamp"), mailbox.get_result
    )
    return figures


if __name__ == "__main__":
    main({verb.__name__: verb for verb in (prepare, steps, enqueue, drain, work, probe)})
