"""What a workflow leaves in the database, and how a drain goes on when a million of them lie in it. PostgreSQL only.

Workflows of 0 steps, enqueued one by one. "As they come": a worker runs meanwhile. "Backlog": all are enqueued, then
all are drained. In the database of the backlog, a history of ended workflows is then made by SQL, vacuumed and analysed
once, and a second backlog is filled and drained behind it. Autovacuum is on. What is written ahead is read off the
server's position in its log; full pages, which a page costs at its first change after a checkpoint, are in it and
counted, as at most that many of 8 KiB.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from ..databases import Databases, wait_until_drained
from ..peers import Table
from ..report import Metric
from ..subjects import TIMEOUT_SECONDS, Failed, Subject

LOOK_SECONDS = 0.01
CHUNK = 250_000
PAGE_BYTES = 8192
METRICS = [
    Metric("flow_wal", "as they come: write-ahead log", "B/wf", more_is_better=False),
    Metric("flow_full_pages", "as they come: full pages in it, at most", "B/wf", more_is_better=False),
    Metric("flow_hot", "as they come: updates that touch no index", "%"),
    Metric("wal", "backlog: write-ahead log", "B/wf", more_is_better=False),
    Metric("wal_enqueue", "backlog: write-ahead log, enqueue", "B/wf", more_is_better=False),
    Metric("wal_run", "backlog: write-ahead log, claim to end", "B/wf", more_is_better=False),
    Metric("full_pages", "backlog: full pages in it, at most", "B/wf", more_is_better=False),
    Metric("hot", "backlog: updates that touch no index", "%"),
    Metric("rows", "backlog: rows in all tables", "rows/wf", more_is_better=False),
    Metric("bytes", "backlog: tables and indexes after the drain", "B/wf", more_is_better=False),
    Metric("empty_rate", "backlog: drain, empty tables", "wf/s"),
    Metric("late_rate", "backlog: drain, behind the history", "wf/s"),
    Metric("share", "backlog: drain behind the history, of that before", "%"),
]


@dataclass(frozen=True)
class Size:
    flow: int
    backlog: int
    history: int


FULL = {"durable": Size(20_000, 50_000, 1_000_000), "dbos": Size(2_000, 2_000, 1_000_000)}
QUICK = {"durable": Size(1_000, 2_000, 20_000), "dbos": Size(300, 500, 20_000)}


def parts(quick: bool) -> list[None]:
    return [None]


def measure(subject: Subject, databases: Databases, part: None, quick: bool, seed: int) -> dict[str, Any]:
    if databases.kind != "postgresql":
        return {}
    size = (QUICK if quick else FULL)[subject.name]
    with databases.fresh(subject) as url, closing(databases.connect(url)) as server:
        flow = flowing(subject, databases, url, server, size.flow)
    with databases.fresh(subject) as url, closing(databases.connect(url)) as server:
        figures, empty_rate = first_backlog(subject, databases, url, server, size.backlog)
        make_history(subject, server, url, size.history)
        late_rate = drained(subject, databases, url, server, size.backlog)
    share = late_rate / empty_rate * 100
    return {**flow, **figures, "empty_rate": empty_rate, "late_rate": late_rate, "share": share}


def flowing(subject: Subject, databases: Databases, url: str, server: Any, n: int) -> dict[str, float]:
    """What `n` workflows write that are worked off as they come."""
    assert isinstance(subject.table, Table)
    with written(server) as wal, subject.working("volume.work", url, workflows=n, steps=0, at_once=None):
        fill(subject, url, n)
        wait_behind_history(databases, url, subject.table, n)
    return {
        "flow_wal": wal["bytes"] / n,
        "flow_full_pages": wal["pages"] * PAGE_BYTES / n,
        "flow_hot": hot(subject, server, n),
    }


def first_backlog(
    subject: Subject, databases: Databases, url: str, server: Any, n: int
) -> tuple[dict[str, float], float]:
    """What `n` workflows leave in empty tables, and the rate of their drain."""
    assert isinstance(subject.table, Table)
    with written(server) as enqueued:
        fill(subject, url, n)
    with written(server) as run:
        rate = worked_off(subject, databases, url, server, n)
    rows, stored = value(
        server, "select sum(n_live_tup)::float8, sum(pg_total_relation_size(relid))::float8 from pg_stat_user_tables"
    )
    figures = {
        "wal": (enqueued["bytes"] + run["bytes"]) / n,
        "wal_enqueue": enqueued["bytes"] / n,
        "wal_run": run["bytes"] / n,
        "full_pages": (enqueued["pages"] + run["pages"]) * PAGE_BYTES / n,
        "hot": hot(subject, server, n),
        "rows": rows / n,
        "bytes": stored / n,
    }
    return figures, rate


def drained(subject: Subject, databases: Databases, url: str, server: Any, n: int) -> float:
    """The rate at which a new backlog of `n` is drained."""
    fill(subject, url, n)
    return worked_off(subject, databases, url, server, n)


def fill(subject: Subject, url: str, n: int) -> float:
    """Enqueue `n` workflows of 0 steps one by one; the rate."""
    return subject.ask("volume.fill", url, workflows=n, steps=0, at_once=None)["rate"]


def worked_off(subject: Subject, databases: Databases, url: str, server: Any, n: int) -> float:
    """Workflows a second from the first start, of the `n` that are enqueued."""
    assert isinstance(subject.table, Table)
    (before,) = value(server, f"select count(*) from {subject.table} where {subject.table.succeeded_where()}")
    with subject.working("volume.work", url, workflows=n, steps=0, at_once=None) as worker:
        end = wait_behind_history(databases, url, subject.table, before + n)
    return n / (end - worker["first"])


def wait_behind_history(databases: Databases, url: str, table: Table, n: int) -> float:
    """`wait_until_drained` where a history of ended workflows lies before the new ones."""
    wait_for_newest(databases, url, table)
    return wait_until_drained(databases, url, table, n)


def wait_for_newest(databases: Databases, url: str, table: Table) -> None:
    """Until the newest workflow has ended. To look for any that has not would read the whole history each time."""
    name = table.name if databases.kind == "postgresql" else table.name.rpartition(".")[2]
    newest = f"select * from {name} order by created_at desc limit 1"
    look = f"select 1 from ({newest}) newest where {table.unfinished_where()}"
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with closing(databases.connect(url)) as connection:
        while connection.execute(look).fetchone():
            if time.monotonic() > deadline:
                raise Failed(f"{table}: not drained within {TIMEOUT_SECONDS} s")
            time.sleep(LOOK_SECONDS)


def make_history(subject: Subject, server: Any, url: str, n: int, module: str = "volume") -> None:
    """`n` ended workflows, vacuumed and analysed, on a server that has nothing left to write."""
    for first in range(1, n + 1, CHUNK):
        last = min(first + CHUNK - 1, n)
        built = subject.ask(f"{module}.build", url, first=first, last=last, of=n)["built"]
        if built != last - first + 1:
            raise Failed(f"{subject.title}: {built} of {last - first + 1} workflows were built")
    server.execute("vacuum analyze")
    server.execute("checkpoint")


@contextmanager
def written(server: Any) -> Iterator[dict[str, float]]:
    """What the server writes ahead in the block: bytes, and full pages among them."""
    asked = "select pg_current_wal_insert_lsn() - '0/0', (select wal_fpi from pg_stat_wal)"
    found: dict[str, float] = {}
    before = value(server, asked)
    yield found
    wait_until_alone(server)  # sessions report what they did when they end
    after = value(server, asked)
    found.update(bytes=float(after[0] - before[0]), pages=float(after[1] - before[1]))


def value(server: Any, query: str) -> tuple[Any, ...]:
    (row,) = server.execute(query).fetchall()
    return row


def hot(subject: Subject, server: Any, n: int) -> float:
    """The share of the updates of the table of workflows that touched no index, in percent, after `n` workflows."""
    counted = "select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables"
    found, updates = value(server, f"{counted} where relid = '{subject.table}'::regclass")
    if updates < n:
        raise Failed(f"{subject.title}: the server has counted {updates} updates of {n} workflows")
    return found / updates * 100


def wait_until_alone(server: Any) -> None:
    """Until no other session is on this database. Raises `Failed`."""
    others = """select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while value(server, others) != (0,):
        if time.monotonic() > deadline:
            raise Failed("sessions of programs that have ended are still on the server")
        time.sleep(LOOK_SECONDS)
