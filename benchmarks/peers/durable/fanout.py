"""A workflow that starts many and waits for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import durable
from durable.executor import Executor
from durable.models import Workflow

from ..measuring import Figures, Job

queue = durable.Queue("children")
began: list[float] = []


@durable.workflow()
def child(i: int) -> int:
    return i


@durable.workflow()
def one_by_one(n: int) -> int:
    began.append(time.perf_counter())
    return sum(durable.gather([queue.enqueue(child, i) for i in range(n)]))


@durable.workflow()
def together(n: int) -> int:
    began.append(time.perf_counter())
    return sum(durable.gather(queue.enqueue_many(child, range(n))))


@durable.workflow()
async def aone_by_one(n: int) -> int:
    began.append(time.perf_counter())
    handles = [await queue.aenqueue(child, i) for i in range(n)]
    return sum(await asyncio.gather(*[handle.aget_result() for handle in handles]))


WAYS: dict[str, Callable[..., Any]] = {"sync": one_by_one, "bulk": together, "async": aone_by_one}


def run(job: Job) -> Figures:
    """Seconds from the parent's first line to its result."""
    n = job["workflows"]
    Executor().start()
    if durable.start_workflow(WAYS[job["way"]], n).get_result() != n * (n - 1) // 2:
        raise RuntimeError("not all children gave their result")
    seconds = time.perf_counter() - began[0]
    if Workflow.objects.filter(name=child.name, status="SUCCESS").count() != n:
        raise RuntimeError("not all children are recorded")
    return {"seconds": seconds, "begun": len(began)}
