"""How long until something happens in another process: on a system that is idle otherwise, and at half of its load.

The load is one-step workflows in the same queue, which a third process enqueues one by one at random moments: half as
many a second as worker, producer and server together manage when the producer does not rest. "Arrived" is how many it
really enqueued, and "after the last" how long the worker needed for what was left then: where that is long, the load
was more than half.
"""

from __future__ import annotations

import time
from typing import Any

from ..databases import Databases, wait_until_drained
from ..peers import LIMIT
from ..report import Metric, percentile
from ..subjects import Subject

PERCENTILES = (50, 95, 99)
WAYS = {
    "start": "enqueue to first line",
    "result": "last line to result elsewhere",
    "message": "send to receipt",
    "event": "set_event to get_event elsewhere",
    "stream": "stream write to read elsewhere",
}
BACKLOG = 1500
OF_ITSELF = 4
"""Workflows of a probe beside the starts: the first, the mailbox, the events, the stream."""
TIMES = [
    Metric(f"{prefix}{way}_p{p}", f"{title}{when}, p{p}", "ms", more_is_better=False, limit=limit and f"{limit}_p{p}")
    for prefix, when, limit in (("", "", "notify"), ("load_", ", at half load", None))
    for way, title in WAYS.items()
    for p in PERCENTILES
]
METRICS = [
    *TIMES,
    Metric("load_capacity", "the load: enqueued and finished without rest", "wf/s"),
    Metric("load_arrived", "the load: arrived", "wf/s"),
    Metric("load_rest", "the load: after the last", "s", more_is_better=False),
]


def parts(quick: bool) -> list[str]:
    return ["idle", "load"]


def measure(subject: Subject, databases: Databases, part: str, quick: bool, seed: int) -> dict[str, Any]:
    if part == "load":
        return {} if subject.name == LIMIT else loaded(subject, databases, quick, seed)
    job = {"starts": 20 if quick else 100, "messages": 15 if quick else 60, "seed": seed}
    with databases.fresh(subject) as url:
        if subject.name == LIMIT:
            late = subject.ask("latency.probe", url, **job) if databases.kind == "postgresql" else {}
        else:
            with subject.working("latency.work", url):
                late = subject.ask("latency.probe", url, **job)
    return {f"{way}_p{p}": percentile(values, p) for way, values in late.items() for p in PERCENTILES}


def loaded(subject: Subject, databases: Databases, quick: bool, seed: int) -> dict[str, Any]:
    """The same probes beside a producer that gives the worker half of what it can do."""
    can = capacity(subject, databases, BACKLOG // 5 if quick else BACKLOG)
    job = {"starts": 20 if quick else 60, "messages": 15 if quick else 40, "seed": seed}
    with databases.fresh(subject) as url, subject.working("latency.work", url):
        with subject.working("latency.load", url, rate=can / 2, seed=seed) as load:
            late = subject.ask("latency.probe", url, **job)
        ended = time.time()
        end = wait_until_drained(databases, url, subject.table, load["calls"] + job["starts"] + OF_ITSELF)
    figures = {f"load_{way}_p{p}": percentile(values, p) for way, values in late.items() for p in PERCENTILES}
    return figures | {"load_capacity": can, "load_arrived": load["rate"], "load_rest": end - ended}


def capacity(subject: Subject, databases: Databases, n: int) -> float:
    """One-step workflows a second that its worker finishes while another process enqueues `n` of them without rest."""
    job = {"part": "open_1", "workflows": n, "steps": 1, "at_once": None}
    with databases.fresh(subject) as url, subject.working("drain.work", url, **job) as worker:
        subject.ask("drain.fill", url, **job)
        end = wait_until_drained(databases, url, subject.table, n)
    return n / (end - worker["first"])
