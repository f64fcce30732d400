"""A web process on the same file as the worker: it writes rows of its own and reads pages of the list.

It uses the driver, with the settings that the file has.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

from ..measuring import Figures, Job
from ..visits import visited
from .drain import fill, work

__all__ = ["fill", "visit", "work"]

TABLE = """create table if not exists visit (id integer primary key, at real, actor text, action text, kind text,
    target text, detail text, source text)"""
PAGE = "select * from workflow_status order by created_at desc limit 50"
local = threading.local()


def visit(job: Job) -> Iterator[Figures]:
    """Write and read until standard input is closed; each write by itself."""
    connected().execute(TABLE)
    leave()
    yield from visited(job, write, read, leave)


def write(n: int) -> None:
    statement = "insert into visit (at, actor, action, kind, target, detail, source) values (?, ?, ?, ?, ?, ?, ?)"
    connected().execute(statement, (float(n), "visitor", "visit", "workflow", str(n), "{}", "web"))


def read() -> None:
    connected().execute(PAGE).fetchall()


def connected() -> Any:
    """This thread's connection, which commits every statement."""
    if not hasattr(local, "raw"):
        path = os.environ["BENCHMARK_DATABASE_URL"].removeprefix("sqlite:///")
        local.raw = sqlite3.connect(path, isolation_level=None, timeout=20)
    return local.raw


def leave() -> None:
    connected().close()
    del local.raw
