"""Workflows that are called, and workflows that are started, by the process that runs them."""

from __future__ import annotations

from collections.abc import Iterator

import durable
from durable.executor import Executor

from ..measuring import Figures, Job, Meter
from .app import nothing, one


def called_0(n: int) -> Iterator[int]:
    return (nothing(i) for i in range(n))


def called_1(n: int) -> Iterator[int]:
    return (one(i) for i in range(n))


def started(n: int) -> Iterator[int]:
    return (durable.start_workflow(one, i).get_result() for i in range(n))


def together(n: int) -> Iterator[int]:
    return (handle.get_result() for handle in [durable.start_workflow(one, i) for i in range(n)])


WAYS = {"direct_0": called_0, "direct_1": called_1, "started_1": started, "together_1": together}


def run(job: Job) -> Figures:
    n, way = job["workflows"], WAYS[job["way"]]
    if not job["way"].startswith("direct"):
        Executor().start()
    list(way(10))
    with Meter() as meter:
        results = list(way(n))
    plus = 0 if job["way"].endswith("_0") else 1
    if results != [i + plus for i in range(n)] or len(durable.list_workflows(status="SUCCESS", limit=2 * n)) != n + 10:
        raise RuntimeError(f"{job['way']}: not all workflows are recorded")
    return {"rate": meter.rate(n), "cpu_ms": meter.cpu_ms(n)}
