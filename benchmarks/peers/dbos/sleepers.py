"""Workflows that sleep durably, until one moment for all."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
from dbos import DBOS

from ..measuring import Figures, Job
from ..states import Night
from .app import launch, names

PARTS = ("sync_500", "async_500", "sync_1000", "async_1000", "async_10000")
night = Night()


@DBOS.workflow()
def sleeper(i: int) -> int:
    DBOS.sleep(night.left())
    night.wakes()
    return i


@DBOS.workflow()
async def asleeper(i: int) -> int:
    await DBOS.sleep_async(night.left())
    night.wakes()
    return i


def fill(job: Job) -> Figures:
    launch(listens=False)
    workflow: Any = sleeper if job["way"] == "sync" else asleeper
    for i in range(job["workflows"]):
        DBOS.enqueue_workflow(names[None], workflow, i)
    return {}


def work(job: Job) -> Iterator[Figures]:
    """Ready when the night is over."""
    recorded = _recorded()
    figures = night.pass_by(job, lambda: launch(listens=True), lambda: recorded() == job["workflows"])
    yield {}
    yield figures


def _recorded() -> Any:
    """How many sleeps are in the database, asked on a connection of its own."""
    url = os.environ["BENCHMARK_DATABASE_URL"]
    if url.startswith("sqlite"):
        raw: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=20)
        table = "operation_outputs"
    else:
        raw, table = psycopg.connect(url, autocommit=True), "dbos.operation_outputs"
    return lambda: raw.execute(f"select count(*) from {table}").fetchone()[0]
