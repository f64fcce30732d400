"""Steps per second over 64 workflows that run at once in one process, each step recorded before the next begins.

The rate has the workflows' starts and results in it.
"""

from __future__ import annotations

from typing import Any

from ..databases import Databases
from ..peers import LIMIT
from ..report import Metric
from ..subjects import Subject

WORKFLOWS = 64
STEPS = {"dbos": 40}
"""In each workflow. Fewer for who needs a minute otherwise; the more there are, the less a start weighs."""
MOST_STEPS, FEW_STEPS = 200, 10
WAYS = {
    "sync": "64 started, sync steps",
    "async": "64 coroutines, async steps",
    "queued": "64 through a queue, sync steps",
}
METRICS = [
    metric
    for way, title in WAYS.items()
    for metric in (
        Metric(way, title, "steps/s", limit=f"{way}_commit"),
        Metric(f"{way}_cpu_ms", f"{title}: processor", "ms/step", more_is_better=False),
    )
]


def parts(quick: bool) -> list[str]:
    return list(WAYS)


def measure(subject: Subject, databases: Databases, way: str, quick: bool, seed: int) -> dict[str, Any]:
    steps = FEW_STEPS if quick else STEPS.get(subject.name, MOST_STEPS)
    with databases.fresh(subject) as url:
        figures = subject.ask("many.run", url, way=way, workflows=WORKFLOWS, steps=steps)
    if subject.name == LIMIT:
        return {f"{way}_commit": figures["rate"]}
    return {way: figures["rate"], f"{way}_cpu_ms": figures["cpu_ms"]}
