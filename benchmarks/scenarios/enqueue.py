"""Workflows per second into a queue that nobody works off.

"Many together" is the fastest way that an engine's documentation shows: Durable stores them with one statement; dbos
enqueues one by one within a transaction, of 500 here. "With the caller's rows" is 50 enqueues in each of the caller's
own transactions.
"""

from __future__ import annotations

from typing import Any

from ..databases import Databases
from ..peers import LIMIT
from ..report import Metric
from ..subjects import Failed, Subject

WORKFLOWS = {"single": 3000, "bulk": 10_000, "atomic": 3000}
FEWER = {"dbos": {"single": 1000, "bulk": 2000, "atomic": 1000}}
FEW = 500
WAYS = {
    "single": "one by one",
    "bulk": "many together",
    "atomic": "with the caller's rows, 50 a transaction",
}
METRICS = [
    metric
    for way, title in WAYS.items()
    for metric in (
        Metric(way, title, "wf/s", limit=f"{way}_insert"),
        Metric(f"{way}_cpu_ms", f"{title}: processor", "ms/wf", more_is_better=False),
    )
]


def parts(quick: bool) -> list[str]:
    return list(WAYS)


def measure(subject: Subject, databases: Databases, way: str, quick: bool, seed: int) -> dict[str, Any]:
    n = FEW if quick else FEWER.get(subject.name, WORKFLOWS)[way]
    if subject.name == LIMIT:
        return limit(subject, databases, way, n)
    with databases.fresh(subject) as url:
        figures = subject.ask(f"enqueue.{way}", url, workflows=n)
        if figures["stored"] != n:
            raise Failed(f"{subject.title}, enqueue {way}: {figures['stored']} of {n} workflows are stored")
    return {way: figures["rate"], f"{way}_cpu_ms": figures["cpu_ms"]}


def limit(subject: Subject, databases: Databases, way: str, n: int) -> dict[str, Any]:
    """One row a commit, or hundreds in one statement; the driver has no more to say of a transaction of 50."""
    if way == "atomic":
        return {}
    with databases.fresh(subject) as url:
        done = (
            subject.ask("steps.run", url, steps=n) if way == "single" else subject.ask("enqueue.bulk", url, workflows=n)
        )
    return {f"{way}_insert": done["rate"]}
