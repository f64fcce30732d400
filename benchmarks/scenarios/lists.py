"""Pages of 50 from a list of a million ended workflows, filter by filter: milliseconds of SQL. PostgreSQL only.

Each filter has the slowest of three depths: the newest page, the page behind half of all workflows and the page behind
99 of 100, reached by cursor as the dashboard reaches them. The statements are those of the dashboard, taken while it
makes the page and run again by themselves: the median of nine, with all rows here. Counts stop after 10,000, as the
dashboard's do. "Offset" is the call that programs make, which can begin behind half of all only by counting them off.
With BENCHMARK_LARGE=1 there are five million as well.

Of 10,000 workflows 200 failed, ten were cancelled, one was given up, one has the rare name and one the rare queue; the
others have succeeded, and none is alive. Half have the frequent name, half the frequent queue.
"""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ..databases import Databases
from ..report import Metric
from ..subjects import Subject
from .volume import make_history

FEW, SIZES, LARGE = 20_000, (100_000, 1_000_000), 5_000_000
DEPTHS = (0, 50, 99)
FIRST_DAY, LAST_DAY = 24, 22
"""Of a window of time, in days before now: somewhere in the middle of the history, which ends eight days ago."""
INDEXED = {
    "none": ("no filter", {}),
    "window": ("created in two days of thirty", {}),
    **{
        f"status_{status}": (f"status {status}", {"status": status})
        for status in (
            "SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "PENDING", "ENQUEUED", "DELAYED",
        )
    },
    "failed_or_dead": ("phases failed and dead", [("phase", "failed"), ("phase", "dead")]),
    "sleeping": ("phase sleeping, none", {"phase": "sleeping"}),
    "name_often": ("name, frequent", {"name": "often"}),
    "name_rarely": ("name, rare", {"name": "rarely"}),
    "name_never": ("name, absent", {"name": "never"}),
    "name_prefix": ("name, beginning of all but the frequent", {"name": "job_*"}),
    "name_prefix_never": ("name, beginning of none", {"name": "nev*"}),
    "queue_orders": ("queue, frequent", {"queue": "orders"}),
    "queue_seldom": ("queue, rare", {"queue": "seldom"}),
    "queue_never": ("queue, absent", {"queue": "never"}),
    "queues_only": ("in a queue", {"queues_only": "1"}),
    "id": ("id, absent", {"id": "0190"}),
    "id_prefix": ("beginning of an id, absent", {"id_prefix": "zzz"}),
    "id_prefix_all": ("beginning of an id, of all", {"id_prefix": "0"}),
    "parent": ("parent, of few", {"parent": "parent-7"}),
    "parent_never": ("parent, absent", {"parent": "never"}),
    "has_parent": ("with a parent", {"has_parent": "1"}),
    "forked_from": ("forked from, of few", {"forked_from": "fork-105"}),
    "forked_from_never": ("forked from, absent", {"forked_from": "never"}),
    "is_fork": ("forks", {"is_fork": "1"}),
    "schedule": ("schedule", {"schedule": "nightly"}),
    "schedule_never": ("schedule, absent", {"schedule": "never"}),
    "error_type": ("type of error", {"error_type": "KeyError"}),
    "error_type_never": ("type of error, absent", {"error_type": "NeverError"}),
    "attributes": ("attributes", {"attributes": "region=eu"}),
    "attributes_never": ("attributes, absent", {"attributes": "region=never"}),
    "dedup_id": ("deduplication id, absent", {"dedup_id": "never"}),
}  # fmt: skip
OTHERS = {
    "executor": ("executor, of one in twenty", {"executor": "executor-3"}),
    "executor_never": ("executor, absent", {"executor": "never"}),
    "version_never": ("version, absent", {"version": "never"}),
    "user_never": ("user, absent", {"user": "never"}),
    "was_forked_from": ("has been forked from", {"was_forked_from": "1"}),
    "two": ("queue and name, both frequent", {"queue": "orders", "name": "often"}),
    "two_never": ("queue and name, of none together", {"queue": "mail", "name": "rarely"}),
    "started": ("started in two days of thirty", {}),
    "completed": ("completed in two days of thirty", {}),
}
FILTERS = INDEXED | OTHERS
CALLS = {
    "first": "first page: SQL",
    "first_call": "first page: the call",
    "offset": "offset, behind half: SQL",
    "offset_call": "offset, behind half: the call",
}


def sizes(quick: bool) -> list[int]:
    return [FEW] if quick else [*SIZES, *([LARGE] if os.environ.get("BENCHMARK_LARGE") else [])]


METRICS = [
    Metric(f"{n}_{key}", f"{n:,}: {title}", "ms", more_is_better=False)
    for n in (FEW, *SIZES, LARGE)
    for key, title in (
        *CALLS.items(),
        ("facets", "a count of each phase, the call"),
        ("indexed", "the slowest page of an indexed filter"),
        *((key, title) for key, (title, _) in INDEXED.items()),
        *((key, f"(no index) {title}") for key, (title, _) in OTHERS.items()),
        ("indexed_count", "the slowest count of an indexed filter"),
    )
]


def parts(quick: bool) -> list[int]:
    return sizes(quick)


def measure(subject: Subject, databases: Databases, n: int, quick: bool, seed: int) -> dict[str, Any]:
    if databases.kind != "postgresql":
        return {}
    with databases.fresh(subject) as url:
        with closing(databases.connect(url)) as server:
            make_history(subject, server, url, n, module="lists")
        found = subject.ask("lists.pages", url, of=n, filters=addresses(), depths=DEPTHS)
    figures = dict(found)
    for key in FILTERS:
        if at := [found[f"{key}_at_{depth}"] for depth in DEPTHS if f"{key}_at_{depth}" in found]:
            figures[key] = max(at)
    if "none" in figures:
        figures["indexed"] = max(figures[key] for key in INDEXED)
        figures["indexed_count"] = max(figures[f"{key}_count"] for key in INDEXED)
    return {f"{n}_{key}": value for key, value in figures.items()}


def addresses() -> dict[str, str]:
    """Each filter as the query of an address."""
    today = datetime.now(UTC)
    days = [(today - timedelta(days=days)).isoformat() for days in (FIRST_DAY, LAST_DAY)]
    windows = {"window": "created", "started": "started", "completed": "completed"}
    queries: dict[str, Any] = {key: said for key, (_, said) in FILTERS.items()}
    for key, event in windows.items():
        queries[key] = dict(zip((f"{event}_after", f"{event}_before"), days, strict=True))
    return {key: urlencode(said) for key, said in queries.items()}
