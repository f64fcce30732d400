"""Steps of many workflows that run at once in one process."""

from __future__ import annotations

import asyncio
from typing import Any

import durable
from durable.executor import Executor

from ..measuring import Figures, Job, Meter
from .app import atotal, queues, total


def started(workflows: int, n: int) -> list[int]:
    return [handle.get_result() for handle in [durable.start_workflow(total, n) for _ in range(workflows)]]


def queued(workflows: int, n: int) -> list[int]:
    return [handle.get_result() for handle in [queues[None].enqueue(total, n) for _ in range(workflows)]]


def called(workflows: int, n: int) -> list[int]:
    async def call() -> Any:
        return await asyncio.gather(*[atotal(n) for _ in range(workflows)])

    return asyncio.run(call())


WAYS = {"sync": started, "async": called, "queued": queued}


def run(job: Job) -> Figures:
    workflows, n, way = job["workflows"], job["steps"], WAYS[job["way"]]
    Executor(concurrency=workflows).start()
    way(workflows, 1)
    with Meter() as meter:
        results = way(workflows, n)
    newest = durable.list_workflows(sort_desc=True, limit=workflows)
    if results != [n * (n - 1) // 2] * workflows or sum(each.steps.count() for each in newest) != workflows * n:
        raise RuntimeError(f"{job['way']}: not all steps are recorded")
    return {"rate": meter.rate(workflows * n), "cpu_ms": meter.cpu_ms(workflows * n)}
