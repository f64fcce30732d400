"""A web process on the same file as the executor: it writes rows of its own and reads pages of the list."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from durable.models import AuditEntry, Workflow

from ..measuring import Figures, Job
from ..visits import visited
from .app import one, queues
from .drain import work

__all__ = ["fill", "visit", "work"]

CHUNK, PAGE = 500, 50


def fill(job: Job) -> Figures:
    n = job["workflows"]
    for start in range(0, n, CHUNK):
        queues[None].enqueue_many(one, range(start, min(start + CHUNK, n)))
    return {}


def visit(job: Job) -> Iterator[Figures]:
    """Write and read until standard input is closed; each write by itself, through the ORM."""
    yield from visited(job, write, read, connection.close)


def write(n: int) -> None:
    AuditEntry.objects.create(actor="visitor", action="visit", target=str(n), source="web")


def read() -> None:
    list(Workflow.objects.listed()[:PAGE])
