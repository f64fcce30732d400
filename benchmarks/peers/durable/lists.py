"""The pages of the list that people see, and its counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from django.db import connection
from django.http import QueryDict

import durable
from dashboard.census import by_phase
from dashboard.paging import Cursor, Page, capped_count
from durable.filters import WorkflowFilter
from durable.models import Workflow

from ..measuring import Figures, Job
from .volume import build

__all__ = ["build", "pages"]

SIZE = 50
TIMES = 9
Query = tuple[str, Any]


def pages(job: Job) -> Figures:
    """Milliseconds of SQL for a page of each of `job["filters"]` at each of `job["depths"]`, and to count each.

    A depth is how many hundredths of all workflows are newer than the page. A filter is the query of an address.
    """
    depths = {depth: _cursor(job["of"], depth) for depth in job["depths"]}
    figures: dict[str, Any] = {}
    for key, query in job["filters"].items():
        found = WorkflowFilter.from_query(QueryDict(query)).apply(Workflow.objects.all())
        for depth, cursor in depths.items():
            figures[f"{key}_at_{depth}"] = _sql(partial(Page, found.listed(), QueryDict(cursor)))
        figures[f"{key}_count"] = _sql(partial(capped_count, found))
    figures["facets"] = _calls(partial(by_phase, Workflow.objects.all()))
    for name, offset in (("first", 0), ("offset", job["of"] // 2)):
        call = partial(durable.list_workflows, limit=SIZE, offset=offset, sort_desc=True)
        if len(call()) != SIZE:
            raise RuntimeError(f"{name}: not {SIZE} workflows were listed")
        figures[name], figures[f"{name}_call"] = _sql(call), _calls(call)
    return figures


def _cursor(n: int, depth: int) -> str:
    """The address of the page before which `depth` % of `n` workflows lie."""
    if not depth:
        return ""
    row = Workflow.objects.order_by("-created_at", "-pk")[n * depth // 100]
    query = QueryDict(mutable=True)
    query["older"] = Cursor.beside(row)
    return query.urlencode()


def _sql(call: Callable[[], Any]) -> float:
    """Milliseconds that the statements of a call take until their rows are here: the median of some."""
    with _heard() as queries:
        call()
    with connection.cursor() as cursor:

        def again() -> None:
            for sql, params in queries:
                cursor.execute(sql, params)
                cursor.fetchall()

        return _calls(again)


def _calls(call: Callable[[], Any]) -> float:
    """Milliseconds of a call: the median of some."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


@contextmanager
def _heard() -> Iterator[list[Query]]:
    """The statements that are run in the block."""
    queries: list[Query] = []

    def hear(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(hear):
        yield queries
