"""The limit: one connection that does nothing but insert rows of a step's size, each committed by itself."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from typing import Any

from .measuring import GAP_SECONDS, Figures, Job, Meter, main

URL = os.environ["BENCHMARK_DATABASE_URL"]
ROW = ("workflow", "add", "3", 1)
TABLE = "create table entry (workflow text, seq int, name text, output text, attempts int, primary key (workflow, seq))"


def prepare(job: Job) -> Figures:
    connect().execute(TABLE)
    return {}


def connect() -> Any:
    """A connection of the driver's that commits every statement."""
    if URL.startswith("sqlite"):
        raw = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None)
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        return raw
    import psycopg

    return psycopg.connect(URL, autocommit=True)


def insert(job: Job) -> Figures:
    n = job["rows"]
    place = "?" if URL.startswith("sqlite") else "%s"
    statement = f"insert into entry values ({', '.join([place] * 5)})"
    raw = connect()
    workflow, *rest = ROW
    for seq in range(20):
        raw.execute(statement, ("warm", seq, *rest))
    with Meter() as meter:
        for seq in range(n):
            raw.execute(statement, (workflow, seq, *rest))
    return {"rate": meter.rate(n)}


def notify(job: Job) -> Figures:
    """Insert a row, notify, be heard on another connection: milliseconds from the call. PostgreSQL only."""
    heard, late = threading.Event(), []
    ears, mouth = connect(), connect()
    ears.execute("listen limit_of_all")

    def hear() -> None:
        for notification in ears.notifies(stop_after=job["starts"]):
            late.append((time.monotonic() - float(notification.payload)) * 1000)
        heard.set()

    threading.Thread(target=hear, daemon=True).start()
    gaps = random.Random(job["seed"])
    for seq in range(job["starts"]):
        time.sleep(gaps.uniform(*GAP_SECONDS))
        began = time.monotonic()
        mouth.execute("insert into entry values (%s, %s, %s, %s, %s)", ("told", seq, *ROW[1:]))
        mouth.execute("select pg_notify('limit_of_all', %s)", (repr(began),))
    if not heard.wait(10):
        raise RuntimeError("not every notification was heard")
    return {"notify": late}


if __name__ == "__main__":
    main({verb.__name__: verb for verb in (prepare, insert, notify)})
