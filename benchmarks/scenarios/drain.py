"""Workflows per second through a queue: one process fills it and ends, then another one works it off.

The rate counts from the first start, so that neither launching nor the first pick-up is in it; "with pick-up" counts
from the launch. Where a queue is polled, the first to be taken cost no time: a small backlog makes its rate look
better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """Worker concurrency."""
    workflows: int
    few: int
    """How many in a quick run; 0 leaves it out."""
    fewer: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The same two for a subject that needs a minute for as many as the others."""

    def size(self, subject: str, quick: bool) -> int:
        return self.fewer.get(subject, (self.workflows, self.few))[quick]


BACKLOGS = [
    Backlog("open_0", "queue without limits, 0 steps", 0, None, 10_000, 500),
    Backlog("open_1", "queue without limits, 1 step", 1, None, 3000, 200),
    Backlog("fifty_0", "worker_concurrency=50, 0 steps", 0, 50, 5000, 200, {"dbos": (300, 100)}),
    Backlog("fifty_1", "worker_concurrency=50, 1 step", 1, 50, 3000, 0, {"dbos": (300, 0)}),
    Backlog("ten_0", "concurrency=10 over all workers, 0 steps", 0, None, 2000, 200, {"dbos": (80, 30)}),
    Backlog("rated_0", "a rate limit that does not bind, 0 steps", 0, None, 2000, 200),
    Backlog("priority_0", "10 priorities, 0 steps", 0, None, 2000, 200),
    Backlog("queues_0", "50 queues, 0 steps", 0, None, 2000, 200),
    Backlog("keys_0", "100 partitions, 1 at once in each, 0 steps", 0, None, 2000, 200, {"dbos": (600, 200)}),
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
    n = backlog.size(subject.name, quick)
    job = {"part": backlog.key, "workflows": n, "steps": backlog.steps, "at_once": backlog.at_once}
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
