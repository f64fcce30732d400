"""One backlog worked off by 1, 2 and 4 worker processes that start at one moment.

With workflows of no steps, where the database is the limit, and of one step that burns 2 ms of processor time, where
one Python process is. The rate counts from the first start anywhere; "against one" is taken within a round.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..databases import Databases, wait_until_drained
from ..peers import OURS
from ..report import Metric
from ..subjects import Failed, Subject

PROCESSES = (1, 2, 4)


@dataclass(frozen=True)
class Work:
    key: str
    title: str
    workflows: int
    of_a_peer: int
    few: int


WORKS = [
    Work("empty", "0 steps", 10_000, 2_000, 400),
    Work("busy", "1 step of 2 ms", 2_000, 1_000, 200),
]
METRICS = [
    metric
    for work in WORKS
    for n in PROCESSES
    for metric in (
        Metric(f"{work.key}_{n}", f"{work.title}, {n} process{'es' * (n > 1)}", "wf/s"),
        Metric(f"{work.key}_{n}_gain", f"{work.title}, {n} processes: against one", "times"),
    )
    if n > 1 or not metric.key.endswith("gain")
]


def parts(quick: bool) -> list[Work]:
    return WORKS


def measure(subject: Subject, databases: Databases, part: Work, quick: bool, seed: int) -> dict[str, Any]:
    n = part.few if quick else part.workflows if subject.name == OURS else part.of_a_peer
    rates = {processes: rate(subject, databases, part, n, processes) for processes in PROCESSES}
    gains = {f"{part.key}_{each}_gain": rates[each] / rates[1] for each in PROCESSES if each > 1}
    return {f"{part.key}_{each}": value for each, value in rates.items()} | gains


def rate(subject: Subject, databases: Databases, part: Work, n: int, processes: int) -> float:
    with databases.fresh(subject) as url, tempfile.TemporaryDirectory() as folder:
        subject.ask("executors.fill", url, workflows=n, burns=part.key == "busy")
        gate = Path(folder) / "gate"
        told: list[dict[str, Any]] = []
        try:
            with ExitStack() as crew:
                for number in range(processes):
                    job = {"gate": str(gate), "number": number}
                    told.append(crew.enter_context(subject.working("executors.work", url, **job)))
                gate.touch()
                end = wait_until_drained(databases, url, subject.table, n)
        except Failed as error:
            said = [each.get("error") for each in told]
            raise Failed(f"{error}; {processes} workers, which say: {said}") from None
    return n / (end - min(each["first"] for each in told if each["first"] is not None))
