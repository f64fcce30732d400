"""A workflow whose process was killed goes on: how long its recorded steps take when they are replayed.

"Resumed" counts from the launch of a worker on the same machine until the first new step runs: the worker registers,
finds what the dead one held, takes it and reads its journal. "A step" is from the workflow's first line to that same
point, over the steps between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..databases import Databases
from ..report import Metric
from ..subjects import Subject

SIZES = (10, 1_000, 10_000)


@dataclass(frozen=True)
class Journal:
    way: str
    steps: int

    @property
    def key(self) -> str:
        return f"{self.way}_{self.steps}"

    @property
    def title(self) -> str:
        return f"{self.way}, {self.steps:,} steps"


JOURNALS = [Journal(way, n) for way in ("sync", "async") for n in SIZES]
METRICS = [
    metric
    for each in JOURNALS
    for metric in (
        Metric(f"{each.key}_resumed", f"{each.title}: resumed", "ms", more_is_better=False),
        Metric(f"{each.key}_step", f"{each.title}: a step", "us", more_is_better=False),
    )
]


def parts(quick: bool) -> list[Journal]:
    return [journal for journal in JOURNALS if not quick or journal.steps <= 1_000]


def measure(subject: Subject, databases: Databases, part: Journal, quick: bool, seed: int) -> dict[str, Any]:
    able = subject.parts_of("replay")
    if able is not None and part.key not in able:
        return {}
    job = {"way": part.way, "steps": part.steps}
    with databases.fresh(subject) as url:
        with subject.working("replay.hold", url, **job):
            pass
        found = subject.ask("replay.resume", url, **job)
    return {
        f"{part.key}_resumed": found["resumed"] * 1000,
        f"{part.key}_step": found["inside"] / part.steps * 1e6,
    }
