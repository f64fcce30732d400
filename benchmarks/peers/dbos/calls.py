"""Workflows that are called, and workflows that are started, by the process that runs them."""

from __future__ import annotations

from collections.abc import Iterator

from dbos import DBOS

from ..measuring import Figures, Job, Meter
from .app import launch, nothing, one


def called_0(n: int) -> Iterator[int]:
    return (nothing(i) for i in range(n))


def called_1(n: int) -> Iterator[int]:
    return (one(i) for i in range(n))


def started(n: int) -> Iterator[int]:
    return (DBOS.start_workflow(one, i).get_result() for i in range(n))


def together(n: int) -> Iterator[int]:
    return (handle.get_result() for handle in [DBOS.start_workflow(one, i) for i in range(n)])


WAYS = {"direct_0": called_0, "direct_1": called_1, "started_1": started, "together_1": together}


def run(job: Job) -> Figures:
    n, way = job["workflows"], WAYS[job["way"]]
    launch(listens=not job["way"].startswith("direct"))
    list(way(10))
    with Meter() as meter:
        results = list(way(n))
    plus = 0 if job["way"].endswith("_0") else 1
    if results != [i + plus for i in range(n)] or len(DBOS.list_workflows(status="SUCCESS", limit=2 * n)) != n + 10:
        raise RuntimeError(f"{job['way']}: not all workflows are recorded")
    return {"rate": meter.rate(n), "cpu_ms": meter.cpu_ms(n)}
