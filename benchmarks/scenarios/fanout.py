"""A workflow starts many on a queue, in one worker, and waits for the results of all.

Counted from the parent's first line to its result. "Begun" is how often its code ran: a parent that waits may leave
memory, and is then replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..databases import Databases
from ..peers import OURS
from ..report import Metric
from ..subjects import Subject

CHILDREN, OF_A_PEER, FEW = 10_000, 1_000, 300


@dataclass(frozen=True)
class Way:
    key: str
    title: str


WAYS = [
    Way("sync", "sync, started one by one"),
    Way("bulk", "sync, started together"),
    Way("async", "async, started one by one"),
]
METRICS = [
    metric
    for way in WAYS
    for metric in (
        Metric(f"{way.key}_rate", way.title, "children/s"),
        Metric(f"{way.key}_seconds", f"{way.title}: {CHILDREN:,} in all", "s", more_is_better=False),
        Metric(f"{way.key}_begun", f"{way.title}: runs of the parent", "runs", more_is_better=False),
    )
]


def parts(quick: bool) -> list[Way]:
    return WAYS


def measure(subject: Subject, databases: Databases, part: Way, quick: bool, seed: int) -> dict[str, Any]:
    able = subject.parts_of("fanout")
    if able is not None and part.key not in able:
        return {}
    n = FEW if quick else CHILDREN if subject.name == OURS else OF_A_PEER
    with databases.fresh(subject) as url:
        found = subject.ask("fanout.run", url, way=part.key, workflows=n)
    figures = {"rate": n / found["seconds"], "begun": found["begun"]}
    if n == CHILDREN:
        figures["seconds"] = found["seconds"]
    return {f"{part.key}_{name}": value for name, value in figures.items()}
