"""A process is killed that held thousands of workflows, each after its first step: how long until all have succeeded.

Once a worker of the same machine is started afterwards ("restart": from its launch), and once another worker is there
that knows nothing but that the dead one's lease ends ("lease": from that end).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..databases import Databases, wait_until_drained
from ..peers import OURS
from ..report import Metric
from ..subjects import Subject

QUICK_LEASE_SECONDS = 2.0


@dataclass(frozen=True)
class Crash:
    key: str
    workflows: int
    of_a_peer: int
    few: int


CRASHES = [Crash("restart", 10_000, 2_000, 500), Crash("lease", 10_000, 0, 500)]
METRICS = [
    Metric("restart_rate", "restart: recovered and succeeded", "wf/s"),
    Metric("restart_seconds", "restart, 10,000: launch to last success", "s", more_is_better=False),
    Metric("restart_first", "restart: launch to the first that goes on", "s", more_is_better=False),
    Metric("lease_rate", "lease: recovered and succeeded", "wf/s"),
    Metric("lease_seconds", "lease, 10,000: its end to last success", "s", more_is_better=False),
    Metric("lease_first", "lease: its end to the first that goes on", "s", more_is_better=False),
]


def parts(quick: bool) -> list[Crash]:
    return CRASHES


def measure(subject: Subject, databases: Databases, part: Crash, quick: bool, seed: int) -> dict[str, Any]:
    able = subject.parts_of("recovery")
    if able is not None and part.key not in able:
        return {}
    n = part.few if quick else part.workflows if subject.name == OURS else part.of_a_peer
    job = {"workflows": n, "lease": QUICK_LEASE_SECONDS if quick else None}
    with databases.fresh(subject) as url, ExitStack() as holder:
        subject.ask("recovery.fill", url, **job)
        holder.enter_context(subject.working("recovery.hold", url, **job))
        if part.key == "restart":
            holder.close()
        with subject.working("recovery.rescue", url, **job) as rescuer:
            holder.close()
            end = wait_until_drained(databases, url, subject.table, n)
    began = rescuer["launched" if part.key == "restart" else "lease_end"]
    figures = {"rate": n / (end - began), "first": rescuer["first"] - began}
    if n == part.workflows:
        figures["seconds"] = end - began
    return {f"{part.key}_{name}": value for name, value in figures.items()}
