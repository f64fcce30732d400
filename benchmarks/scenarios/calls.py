"""Workflows per second of one caller: called directly, one after another, and started in the background.

Every figure has the result in it: the next is called when the one before has given its own.
"""

from __future__ import annotations

from typing import Any

from ..databases import Databases
from ..peers import LIMIT
from ..report import Metric
from ..subjects import Subject

CALLS = {"direct_0": 2000, "direct_1": 2000, "started_1": 1000, "together_1": 500}
FEWER = {"dbos": 300}
"""For a subject that needs half a minute for as many; "together" stays: how many wait at once changes what it shows."""
FEW = 100
WAYS = {
    "direct_0": "called one after another, 0 steps",
    "direct_1": "called one after another, 1 step",
    "started_1": "started one after another, 1 step",
    "together_1": f"{CALLS['together_1']} started, then awaited, 1 step",
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
    n = FEW if quick else CALLS[way] if way == "together_1" else min(CALLS[way], FEWER.get(subject.name, CALLS[way]))
    with databases.fresh(subject) as url:
        if subject.name == LIMIT:
            return {f"{way}_insert": subject.ask("steps.run", url, steps=n)["rate"]}
        figures = subject.ask("calls.run", url, way=way, workflows=n)
    return {way: figures["rate"], f"{way}_cpu_ms": figures["cpu_ms"]}
