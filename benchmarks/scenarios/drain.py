"""Workflows per second through a queue: one process fills it and ends, then another one works it off.

The rate counts from the first start, so that neither launching nor the first pick-up is in it; "with pick-up" counts
from the launch. Where a queue is polled, the first to be taken cost no time: a small backlog makes its rate look
better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..databases import Databases, wait_until_drained
from ..peers import LIMIT
from ..report import Metric
from ..subjects import Subject

LIMIT_ROWS = 500


@dataclass(frozen=True)
class Backlog:
    key: str
    title: str
    steps: int
    at_once: int | None
    workflows: int
    few: int
    """How many in a quick run; 0 leaves it out."""


BACKLOGS = [
    Backlog("open_0", "queue without limits, 0 steps", 0, None, 2000, 500),
    Backlog("open_1", "queue without limits, 1 step", 1, None, 600, 200),
    Backlog("fifty_0", "worker_concurrency=50, 0 steps", 0, 50, 200, 100),
    Backlog("fifty_1", "worker_concurrency=50, 1 step", 1, 50, 200, 0),
]
METRICS = [Metric("open_0_enqueue", "enqueue, one by one", "wf/s", limit="open_0_insert")] + [
    metric
    for backlog in BACKLOGS
    for metric in (
        Metric(f"{backlog.key}_rate", backlog.title, "wf/s", limit=f"{backlog.key}_insert"),
        Metric(f"{backlog.key}_whole", f"{backlog.title}: with pick-up", "wf/s", limit=f"{backlog.key}_insert"),
        Metric(f"{backlog.key}_cpu_ms", f"{backlog.title}: processor", "ms/wf", more_is_better=False),
    )
]


def parts(quick: bool) -> list[Backlog]:
    return [backlog for backlog in BACKLOGS if not quick or backlog.few]


def measure(subject: Subject, databases: Databases, backlog: Backlog, quick: bool, seed: int) -> dict[str, Any]:
    n = backlog.few if quick else backlog.workflows
    job = {"workflows": n, "steps": backlog.steps, "at_once": backlog.at_once}
    with databases.fresh(subject) as url:
        if subject.name == LIMIT:
            return {f"{backlog.key}_insert": subject.ask("drain.fill", url, steps=LIMIT_ROWS)["rate"]}
        filled = subject.ask("drain.fill", url, **job)
        with subject.working("drain.work", url, **job) as worker:
            end = wait_until_drained(databases, url, subject.table, n)
    figures = {
        "enqueue": filled["rate"],
        "rate": n / (end - worker["first"]),
        "whole": n / (end - worker["launched"]),
        "cpu_ms": worker["cpu"] / n * 1000,
    }
    return {f"{backlog.key}_{name}": value for name, value in figures.items()}
