"""Steps per second in one workflow, called directly: a step adds two numbers and is recorded."""

from __future__ import annotations

from typing import Any

from ..databases import Databases
from ..report import Metric
from ..subjects import Subject

WIDTH = 20
WAYS = {
    "sync": "sync, one after another",
    "async": "async, one after another",
    "together": f"async, {WIDTH} at a time",
}
METRICS = [
    metric
    for way, title in WAYS.items()
    for metric in (
        Metric(way, title, "steps/s", limit="rate"),
        Metric(f"{way}_cpu_ms", f"{title}: processor", "ms/step", more_is_better=False),
    )
]


def parts(quick: bool) -> list[None]:
    return [None]


def measure(subject: Subject, databases: Databases, part: None, quick: bool, seed: int) -> dict[str, Any]:
    n = 200 if quick else 1000
    with databases.fresh(subject) as url:
        return subject.ask("steps.run", url, steps=n, width=WIDTH)
