"""Steps of one workflow, called directly."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import durable

from ..measuring import Figures, Job, Meter
from .app import atotal, together, total


def run(job: Job) -> Figures:
    n, width = job["steps"], job["width"]
    ways = {"sync": total, "async": atotal, "together": partial(together, width=width)}
    figures = {}
    for way, workflow in ways.items():
        call: Any = workflow if way == "sync" else partial(_run, workflow)
        call(width)
        with Meter() as meter, durable.SetWorkflowID(way):
            result = call(n)
        if result != n * (n - 1) // 2 or durable.retrieve_workflow(way).get_status().steps.count() != n:
            raise RuntimeError(f"{way}: not all steps are recorded")
        figures |= {way: meter.rate(n), f"{way}_cpu_ms": meter.cpu_ms(n)}
    return figures


def _run(workflow: Any, n: int) -> Any:
    async def call() -> Any:
        return await workflow(n)

    return asyncio.run(call())
