"""A workflow that starts many and waits for all."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from dbos import DBOS

from ..measuring import Figures, Job
from .app import launch, names

PARTS = ("sync", "async")
began: list[float] = []


@DBOS.workflow()
def child(i: int) -> int:
    return i


@DBOS.workflow()
def one_by_one(n: int) -> int:
    began.append(time.perf_counter())
    handles = [DBOS.enqueue_workflow(names[None], child, i) for i in range(n)]
    return sum(handle.get_result() for handle in handles)


@DBOS.workflow()
async def aone_by_one(n: int) -> int:
    began.append(time.perf_counter())
    handles: list[Any] = [await DBOS.enqueue_workflow_async(names[None], child, i) for i in range(n)]
    return sum(await asyncio.gather(*[handle.get_result() for handle in handles]))


def run(job: Job) -> Figures:
    """Seconds from the parent's first line to its result."""
    n = job["workflows"]
    launch(listens=True)
    parent: Any = one_by_one if job["way"] == "sync" else aone_by_one
    if DBOS.start_workflow(parent, n).get_result() != n * (n - 1) // 2:
        raise RuntimeError("not all children gave their result")
    seconds = time.perf_counter() - began[0]
    if len(DBOS.list_workflows(name=child.__qualname__, status="SUCCESS")) != n:
        raise RuntimeError("not all children are recorded")
    return {"seconds": seconds, "begun": len(began)}
