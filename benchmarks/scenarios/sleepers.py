"""Workflows that sleep: how soon, what a process holds meanwhile, how late they wake when all are due at once.

The moment at which all are due is set when the worker starts, so far ahead that the last sleeps before it: when it was
too near, the measurement is made again with more time. "Woken" counts until the last one's code goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..databases import Databases, wait_until_drained
from ..report import Metric, percentile
from ..subjects import Failed, Subject

WAYS = ("sync", "async")
SIZES = (1_000, 10_000, 100_000)
FEW = 500
SOONEST_SECONDS, EACH_SECONDS = 3.0, 1 / 2000
"""The first guess at how long it takes until all sleep."""
TRIES = 4
TRIED_AGAIN_WITH = 1.5
"""Of the time in which all were through when it was too short."""


@dataclass(frozen=True)
class Sleepers:
    way: str
    workflows: int

    @property
    def key(self) -> str:
        return f"{self.way}_{self.workflows}"

    @property
    def title(self) -> str:
        return f"{self.workflows:,} {self.way}"


ALL = [Sleepers(way, n) for way in WAYS for n in (FEW, *SIZES)]
FIGURES = [
    ("parked", "to sleep", "wf/s"),
    ("rss", "memory of the worker, all asleep", "MB"),
    ("threads", "threads of the worker, all asleep", "threads"),
    ("woken", "all due at once, the last woken", "s"),
    ("p50", "late, p50", "ms"),
    ("p99", "late, p99", "ms"),
    ("peak", "most memory while they wake", "MB"),
]
METRICS = [
    Metric(f"{each.key}_{name}", f"{each.title}: {title}", unit, more_is_better=name == "parked")
    for each in ALL
    for name, title, unit in FIGURES
]


def parts(quick: bool) -> list[Sleepers]:
    return [each for each in ALL if (each.workflows == FEW) == quick]


def measure(subject: Subject, databases: Databases, part: Sleepers, quick: bool, seed: int) -> dict[str, Any]:
    able = subject.parts_of("sleepers")
    if able is not None and part.key not in able:
        return {}
    allowance = SOONEST_SECONDS + part.workflows * EACH_SECONDS
    for _ in range(TRIES):
        night = one_night(subject, databases, part, allowance)
        if "overslept" not in night:
            return {f"{part.key}_{name}": value for name, value in figures(night, part.workflows).items()}
        allowance = night["overslept"] * TRIED_AGAIN_WITH
    raise Failed(f"{subject.title}: {part.title} workflows never all slept before they were due")


def one_night(subject: Subject, databases: Databases, part: Sleepers, allowance: float) -> dict[str, Any]:
    job = {"way": part.way, "workflows": part.workflows}
    with databases.fresh(subject) as url:
        subject.ask("sleepers.fill", url, **job)
        with subject.working("sleepers.work", url, allowance=allowance, **job) as night:
            wait_until_drained(databases, url, subject.table, part.workflows)
    return night


def figures(night: dict[str, Any], n: int) -> dict[str, float]:
    late = night["late"]
    return {
        "parked": n / night["parked"],
        "rss": night["rest"]["rss"],
        "threads": night["rest"]["threads"],
        "woken": max(late) / 1000,
        "p50": percentile(late, 50),
        "p99": percentile(late, 99),
        "peak": night["peak"],
    }
