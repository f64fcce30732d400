"""A worker that has nothing to do: what it asks of the database and of the processor; and how soon it is there.

Queries are counted on the wire, by a relay between the worker and PostgreSQL. BEGIN, COMMIT and ROLLBACK are not
counted as queries, but each wait for an answer is. The quickest of some imports counts: the first one reads files.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ..databases import Databases
from ..report import Metric
from ..subjects import Subject
from ..tally import tallied

SETTLE_SECONDS = 3.0
SECONDS, FEW_SECONDS = 20.0, 4.0
IMPORTS, FEW_IMPORTS = 5, 2


@dataclass(frozen=True)
class Rest:
    queues: int | None
    """None: not the rest is measured, but how it comes to it."""


QUEUES = (0, 1, 10, 50)
BEGINNING = Rest(None)
METRICS = [
    metric
    for n in QUEUES
    for metric in (
        Metric(f"{n}_queries", f"{n} queues: queries", "queries/s", more_is_better=False),
        Metric(f"{n}_waits", f"{n} queues: waits for an answer", "waits/s", more_is_better=False),
        Metric(f"{n}_cpu", f"{n} queues: processor", "% of a core", more_is_better=False),
        Metric(f"{n}_connections", f"{n} queues: connections", "connections", more_is_better=False),
        Metric(f"{n}_threads", f"{n} queues: threads", "threads", more_is_better=False),
        Metric(f"{n}_rss", f"{n} queues: memory", "MB", more_is_better=False),
    )
] + [
    Metric("import_ms", "import in a fresh interpreter", "ms", more_is_better=False),
    Metric("import_more_ms", "import, beyond Django", "ms", more_is_better=False),
    Metric("start_ms", "imported to serving", "ms", more_is_better=False),
    Metric("command_ms", "runexecutor to serving, beyond Django's import", "ms", more_is_better=False),
]


def parts(quick: bool) -> list[Rest]:
    return [Rest(n) for n in (QUEUES[:1] + QUEUES[-1:] if quick else QUEUES)] + [BEGINNING]


def measure(subject: Subject, databases: Databases, part: Rest, quick: bool, seed: int) -> dict[str, Any]:
    with databases.fresh(subject) as url:
        if part.queues is None:
            begun = subject.ask("idle.begin", url, times=FEW_IMPORTS if quick else IMPORTS)
            return {f"{name}_ms": seconds * 1000 for name, seconds in begun.items()}
        found = resting(subject, databases, url, part.queues, FEW_SECONDS if quick else SECONDS)
    return {f"{part.queues}_{name}": value for name, value in found.items()}


def resting(subject: Subject, databases: Databases, url: str, queues: int, seconds: float) -> dict[str, float]:
    """The figures of one worker that rests for so long."""
    counting = tallied(url) if databases.kind == "postgresql" else nullcontext()
    found: dict[str, float] = {}
    with counting as tally, _working(subject, tally.url if tally else url, queues) as worker:
        before, began = tally and tally.now(), time.perf_counter()
        time.sleep(seconds)
        if tally and before:
            counted, took = tally.now().since(before), time.perf_counter() - began
            found = {"queries": counted.queries / took, "waits": counted.waits / took}
            found["connections"] = counted.connections
    return found | {name: worker[name] for name in ("cpu", "threads", "rss")}


def _working(subject: Subject, url: str, queues: int) -> Any:
    return subject.working("idle.work", url, queues=queues, settle=SETTLE_SECONDS)
