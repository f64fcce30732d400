"""What inputs and outputs of some size cost: workflows of one step through a queue, and steps of one workflow.

Input, the step's output and the workflow's output are the same text, of random letters and digits: three copies of it
are stored for each workflow, one for each step, and a database cannot make it much shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..databases import Databases, wait_until_drained
from ..report import Metric
from ..subjects import Subject


@dataclass(frozen=True)
class Size:
    key: str
    title: str
    bytes: int
    workflows: int
    steps: int
    few: int


SIZES = [
    Size("2kb", "2 kB", 2_000, 1_000, 500, 100),
    Size("50kb", "50 kB", 50_000, 300, 300, 50),
    Size("5mb", "5 MB", 5_000_000, 10, 10, 3),
]
METRICS = [
    metric
    for size in SIZES
    for metric in (
        Metric(f"{size.key}_enqueue", f"{size.title}: enqueue, one by one", "wf/s"),
        Metric(f"{size.key}_rate", f"{size.title}: 1-step workflows through a queue", "wf/s"),
        Metric(f"{size.key}_steps", f"{size.title}: steps of one workflow", "steps/s"),
        Metric(f"{size.key}_cpu_ms", f"{size.title}: processor of the worker", "ms/wf", more_is_better=False),
    )
]


def parts(quick: bool) -> list[Size]:
    return SIZES


def measure(subject: Subject, databases: Databases, part: Size, quick: bool, seed: int) -> dict[str, Any]:
    n = part.few if quick else part.workflows
    job = {"bytes": part.bytes, "workflows": n}
    with databases.fresh(subject) as url:
        filled = subject.ask("payloads.fill", url, **job)
        with subject.working("payloads.work", url, **job) as worker:
            end = wait_until_drained(databases, url, subject.table, n)
    with databases.fresh(subject) as url:
        recorded = subject.ask("payloads.steps", url, bytes=part.bytes, steps=part.few if quick else part.steps)
    figures = {
        "enqueue": filled["rate"],
        "rate": n / (end - worker["first"]),
        "steps": recorded["rate"],
        "cpu_ms": worker["cpu"] / n * 1000,
    }
    return {f"{part.key}_{name}": value for name, value in figures.items()}
