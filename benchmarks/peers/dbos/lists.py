"""A page of the list, from the top and from the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from dbos import DBOS
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ..measuring import Figures, Job
from .app import launch
from .volume import build

__all__ = ["build", "pages"]

SIZE = 50
TIMES = 9


def pages(job: Job) -> Figures:
    """Milliseconds of the newest page, and of the one behind half of all: its SQL, and the whole call."""
    launch(listens=False)
    figures: dict[str, Any] = {}
    for name, offset in (("first", 0), ("offset", job["of"] // 2)):
        call = partial(DBOS.list_workflows, limit=SIZE, offset=offset, sort_desc=True)
        if len(call()) != SIZE:
            raise RuntimeError(f"{name}: not {SIZE} workflows were listed")
        figures[name], figures[f"{name}_call"] = _measured(call)
    return figures


def _measured(call: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of a call's SQL, until its rows are here, and of the call: medians of some."""
    sql, whole = [], []
    for _ in range(TIMES):
        with _heard() as statements:
            began = time.perf_counter()
            call()
            whole.append((time.perf_counter() - began) * 1000)
        sql.append(sum(statements))
    return median(sql), median(whole)


@contextmanager
def _heard() -> Iterator[list[float]]:
    """Milliseconds of the statements that this thread runs in the block."""
    took: list[float] = []

    def before(raw: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        context.began = time.perf_counter()

    def after(raw: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "workflow_status" in statement:
            took.append((time.perf_counter() - context.began) * 1000)

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        yield took
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)
