"""A worker and a web process on one SQLite file: what both get done, and how long the web process waits. SQLite only.

The worker drains workflows of 1 step. The web process writes a row of its own, each committed by itself, and reads the
newest page of the list twenty times a second: not at all ("alone"), a hundred writes a second asked, or writing without
a pause. Its figures are of the time of the drain only.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ..databases import Databases
from ..peers import Table
from ..report import Metric, percentile
from ..subjects import Failed, Subject
from .volume import wait_behind_history

WORKFLOWS, FEW = {"durable": 20_000, "dbos": 60}, {"durable": 1_000, "dbos": 10}


@dataclass(frozen=True)
class Visitor:
    key: str
    title: str
    asked: int | None
    """Writes a second; None for as many as it can."""


VISITORS = [
    Visitor("alone", "no web process", 0),
    Visitor("asked", "100 writes a second asked", 100),
    Visitor("flat", "writing without a pause", None),
]
METRICS = [
    metric
    for visitor in VISITORS
    for metric in (
        Metric(f"{visitor.key}_drain", f"{visitor.title}: drain, 1 step", "wf/s"),
        Metric(f"{visitor.key}_writes", f"{visitor.title}: written", "rows/s"),
        Metric(f"{visitor.key}_p50", f"{visitor.title}: a write waits, p50", "ms", more_is_better=False),
        Metric(f"{visitor.key}_p99", f"{visitor.title}: a write waits, p99", "ms", more_is_better=False),
        Metric(f"{visitor.key}_max", f"{visitor.title}: a write waits, longest", "ms", more_is_better=False),
        Metric(f"{visitor.key}_read_p99", f"{visitor.title}: a page, p99", "ms", more_is_better=False),
    )
]


def parts(quick: bool) -> list[Visitor]:
    return VISITORS


def measure(subject: Subject, databases: Databases, visitor: Visitor, quick: bool, seed: int) -> dict[str, Any]:
    if databases.kind != "sqlite":
        return {}
    n = (FEW if quick else WORKFLOWS)[subject.name]
    assert isinstance(subject.table, Table)
    job = {"workflows": n, "steps": 1, "at_once": None}
    with databases.fresh(subject) as url:
        subject.ask("beside.fill", url, **job)
        web = subject.working("beside.visit", url, asked=visitor.asked) if visitor.asked != 0 else nullcontext()
        with web as visits, subject.working("beside.work", url, **job) as worker:
            end = wait_behind_history(databases, url, subject.table, n)
    figures = {"drain": n / (end - worker["first"])}
    if visits is not None:
        figures |= waits(visits, worker["first"], end)
    return {f"{visitor.key}_{name}": value for name, value in figures.items()}


def waits(visits: dict[str, Any], first: float, end: float) -> dict[str, float]:
    """What the web process did and how long it waited between two times."""
    writes, reads = (
        [took for at, took in visits[kind] if at + took / 1000 >= first and at <= end] for kind in ("writes", "reads")
    )
    if not writes or not reads:
        raise Failed(f"the web process wrote {len(writes)} and read {len(reads)} times during the drain")
    return {
        "writes": len(writes) / (end - first),
        "p50": percentile(writes, 50),
        "p99": percentile(writes, 99),
        "max": max(writes),
        "read_p99": percentile(reads, 99),
    }
