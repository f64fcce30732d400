"""A drain while a hundred thousand old workflows are deleted, and one without. PostgreSQL only.

In one database with old workflows of one step each, a backlog of workflows of 0 steps is drained; then another one,
after the deletion has begun in a process of its own (`durable.prune`, with its defaults). A deletion that ends before
the drain makes the second rate look better: "overlap" says for how much of that drain it went on.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from ..databases import Databases
from ..peers import Table
from ..report import Metric
from ..subjects import TIMEOUT_SECONDS, Failed, Subject
from .volume import fill, make_history, value, wait_behind_history, wait_for_newest

OLDER_THAN_SECONDS = 7 * 24 * 3600
LOOK_SECONDS = 0.01
NOTHING = {"steps": 0, "at_once": None}
METRICS = [
    Metric("alone", "drain, nothing is deleted", "wf/s"),
    Metric("beside", "drain, while old ones are deleted", "wf/s"),
    Metric("share", "the second of the first", "%"),
    Metric("overlap", "of the drain, with deletion", "%"),
    Metric("rate", "deleted", "wf/s"),
    Metric("seconds", "deletion of all, and a drain beside it", "s", more_is_better=False),
]


def parts(quick: bool) -> list[None]:
    return [None]


def measure(subject: Subject, databases: Databases, part: None, quick: bool, seed: int) -> dict[str, Any]:
    if databases.kind != "postgresql":
        return {}
    old, backlog = (10_000, 1_000) if quick else (100_000, 30_000)
    assert isinstance(subject.table, Table)
    table = subject.table
    succeeded = f"select count(*) from {table} where {table.succeeded_where()}"
    with databases.fresh(subject) as url, closing(databases.connect(url)) as server, ThreadPoolExecutor(1) as apart:
        make_history(subject, server, url, old, module="retention")
        (kept,) = value(server, succeeded)
        first, end = drained(subject, databases, url, table, backlog, kept + backlog)
        alone = backlog / (end - first)
        fill(subject, url, backlog)
        pruning = apart.submit(subject.ask, "retention.prune", url, older_than=OLDER_THAN_SECONDS)
        wait_until_begun(server, table, pruning)
        first, end = drained_meanwhile(subject, databases, url, table)
        pruned = pruning.result()
        (left,) = value(server, succeeded)
    if pruned["deleted"] != old or left != 2 * backlog:
        raise Failed(f"{subject.title}: {pruned['deleted']} of {old} deleted, {left} of {2 * backlog} are left")
    beside, seconds = backlog / (end - first), pruned["ended"] - pruned["began"]
    return {
        "alone": alone,
        "beside": beside,
        "share": beside / alone * 100,
        "overlap": max(0.0, min(end, pruned["ended"]) - first) / (end - first) * 100,
        "rate": old / seconds,
        "seconds": seconds,
    }


def drained(subject: Subject, databases: Databases, url: str, table: Table, n: int, all_: int) -> tuple[float, float]:
    """When the first of a backlog of `n` began and the last ended, after which `all_` have succeeded."""
    fill(subject, url, n)
    with subject.working("retention.work", url, **NOTHING) as worker:
        end = wait_behind_history(databases, url, table, all_)
    return worker["first"], end


def drained_meanwhile(subject: Subject, databases: Databases, url: str, table: Table) -> tuple[float, float]:
    """`drained` for what is enqueued already, where others are deleted so that nobody can count."""
    with subject.working("retention.work", url, **NOTHING) as worker:
        wait_for_newest(databases, url, table)
        with databases.watching(url, table, 0) as look:
            while look() is None:
                time.sleep(LOOK_SECONDS)
            end = time.time()
    return worker["first"], end


def wait_until_begun(server: Any, table: Table, pruning: Future[Any]) -> None:
    """Until the oldest is gone."""
    oldest = f"select min(created_at) from {table}"
    before, deadline = value(server, oldest), time.monotonic() + TIMEOUT_SECONDS
    while value(server, oldest) == before:
        if pruning.done() or time.monotonic() > deadline:
            raise Failed(f"nothing is deleted: {pruning.result() if pruning.done() else 'it takes too long'}")
        time.sleep(LOOK_SECONDS)
