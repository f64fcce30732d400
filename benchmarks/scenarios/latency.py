"""How long until something happens in another process, on a system that is idle otherwise."""

from __future__ import annotations

from typing import Any

from ..databases import Databases
from ..peers import LIMIT
from ..report import Metric, percentile
from ..subjects import Subject

PERCENTILES = (50, 95, 99)
WAYS = {
    "start": "enqueue to first line",
    "result": "last line to result elsewhere",
    "message": "send to receipt",
}
METRICS = [
    Metric(f"{way}_p{p}", f"{title}, p{p}", "ms", more_is_better=False, limit=f"notify_p{p}")
    for way, title in WAYS.items()
    for p in PERCENTILES
]


def parts(quick: bool) -> list[None]:
    return [None]


def measure(subject: Subject, databases: Databases, part: None, quick: bool, seed: int) -> dict[str, Any]:
    job = {"starts": 20 if quick else 50, "messages": 15 if quick else 30, "seed": seed}
    with databases.fresh(subject) as url:
        if subject.name == LIMIT:
            late = subject.ask("latency.probe", url, **job) if databases.kind == "postgresql" else {}
        else:
            with subject.working("latency.work", url):
                late = subject.ask("latency.probe", url, **job)
    return {f"{way}_p{p}": percentile(values, p) for way, values in late.items() for p in PERCENTILES}
