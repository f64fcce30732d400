"""The smallest application on DBOS: what every program of it runs."""

from __future__ import annotations

import asyncio
import os

from dbos import DBOS

from ..measuring import Figures, FirstCall, Job

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
