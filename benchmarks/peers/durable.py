"""Durable's program."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import django

from .measuring import Figures, FirstCall, Job, Meter, Shift, mailed, main, probed

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

import durable  # noqa: E402
from durable.executor import Executor  # noqa: E402

first = FirstCall()
queues = {None: durable.Queue("unlimited"), 50: durable.Queue("fifty", worker_concurrency=50)}
"""By worker concurrency."""


@durable.step()
def add(a: int, b: int) -> int:
    return a + b


@durable.step()
async def aadd(a: int, b: int) -> int:
    return a + b


@durable.workflow()
def total(n: int) -> int:
    result = 0
    for i in range(n):
        result = add(result, i)
    return result


@durable.workflow()
async def atotal(n: int) -> int:
    result = 0
    for i in range(n):
        result = await aadd(result, i)
    return result


@durable.workflow()
async def together(n: int, width: int) -> int:
    result = 0
    for start in range(0, n, width):
        result += sum(await asyncio.gather(*[aadd(i, 0) for i in range(start, start + width)]))
    return result


@durable.workflow()
def nothing(i: int) -> int:
    first()
    return i


@durable.workflow()
def one(i: int) -> int:
    first()
    return add(i, 1)


@durable.workflow()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


@durable.workflow()
def receive(n: int) -> list[float]:
    durable.set_event("ready", True)
    return [-durable.recv("stamp", 30) + time.monotonic() for _ in range(n)]


def prepare(job: Job) -> Figures:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    return {}


def steps(job: Job) -> Figures:
    n, width = job["steps"], job["width"]
    ways = {"sync": total, "async": atotal, "together": partial(together, width=width)}
    figures = {}
    for way, workflow in ways.items():
        run: Any = workflow if way == "sync" else partial(_run, workflow)
        run(width)
        with Meter() as meter, durable.SetWorkflowID(way):
            result = run(n)
        if result != n * (n - 1) // 2 or durable.retrieve_workflow(way).get_status().steps.count() != n:
            raise RuntimeError(f"{way}: not all steps are recorded")
        figures |= {way: meter.rate(n), f"{way}_cpu_ms": meter.cpu_ms(n)}
    return figures


def _run(workflow: Any, n: int) -> Any:
    async def call() -> Any:
        return await workflow(n)

    return asyncio.run(call())


def enqueue(job: Job) -> Figures:
    queue, n = queues[job["at_once"]], job["workflows"]
    workflow = one if job["steps"] else nothing
    with Meter() as meter:
        for i in range(n):
            queue.enqueue(workflow, i)
    return {"rate": meter.rate(n)}


def drain(job: Job) -> Iterator[Figures]:
    shift = Shift(first)  # before the start: it claims before that returns
    Executor().start()
    yield {}
    yield shift.figures()


def work(job: Job) -> Iterator[Figures]:
    executor = Executor().start()
    yield {}
    executor.drain(2)


def probe(job: Job) -> Figures:
    queue = queues[None]
    queue.enqueue(stamp).get_result()
    figures = probed(job["starts"], job["seed"], lambda: queue.enqueue(stamp), lambda handle: handle.get_result())
    mailbox = queue.enqueue(receive, job["messages"])
    durable.get_event(mailbox.workflow_id, "ready", 10)
    figures["message"] = mailed(
        job["messages"], job["seed"], lambda at: durable.send(mailbox.workflow_id, at, "stamp"), mailbox.get_result
    )
    return figures


if __name__ == "__main__":
    main({verb.__name__: verb for verb in (prepare, steps, enqueue, drain, work, probe)})
