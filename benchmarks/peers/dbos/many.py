"""Steps of many workflows that run at once in one process."""

from __future__ import annotations

import asyncio
from typing import Any

from dbos import DBOS

from ..measuring import Figures, Job, Meter
from .app import atotal, launch, names, total


def started(workflows: int, n: int) -> list[int]:
    return [handle.get_result() for handle in [DBOS.start_workflow(total, n) for _ in range(workflows)]]


def queued(workflows: int, n: int) -> list[int]:
    handles = [DBOS.enqueue_workflow(names[None], total, n) for _ in range(workflows)]
    return [handle.get_result() for handle in handles]


def called(workflows: int, n: int) -> list[int]:
    async def call() -> Any:
        return await asyncio.gather(*[atotal(n) for _ in range(workflows)])

    return asyncio.run(call())


WAYS = {"sync": started, "async": called, "queued": queued}


def run(job: Job) -> Figures:
    workflows, n, way = job["workflows"], job["steps"], WAYS[job["way"]]
    launch(listens=True)
    way(workflows, 1)
    with Meter() as meter:
        results = way(workflows, n)
    newest = [each.workflow_id for each in DBOS.list_workflows(sort_desc=True, limit=workflows)]
    steps = sum(len(DBOS.list_workflow_steps(workflow_id)) for workflow_id in newest)
    if results != [n * (n - 1) // 2] * workflows or steps != workflows * n:
        raise RuntimeError(f"{job['way']}: not all steps are recorded")
    return {"rate": meter.rate(workflows * n), "cpu_ms": meter.cpu_ms(workflows * n)}
