"""One table of rows of a step's size."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from ..measuring import Figures, Job

URL = os.environ["BENCHMARK_DATABASE_URL"]
ROW = ("workflow", "add", "3", 1)
TABLE = "create table entry (workflow text, seq int, name text, output text, attempts int, primary key (workflow, seq))"
COLUMNS = 5
PLACE = "?" if URL.startswith("sqlite") else "%s"


def insert(rows: int) -> str:
    """The statement that inserts so many rows at once."""
    row = f"({', '.join([PLACE] * COLUMNS)})"
    return f"insert into entry values {', '.join([row] * rows)}"


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
