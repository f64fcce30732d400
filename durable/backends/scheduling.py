"""What schedulers read and write: the schedules to watch, one of them under its row's lock, and what they started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .backend import Backend
from .dialect import Dialect, Postgres, Sqlite
from .session import Session


@dataclass(frozen=True, slots=True)
class Watched:
    """A schedule that is not paused: when it ticks next. `last_at` and `now` are seconds since the epoch."""

    name: str
    cron: str
    timezone: str
    last_at: float
    now: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A schedule whose row's lock is ours. `now` is the database's clock once it was."""

    name: str
    workflow: str
    cron: str
    timezone: str
    catch_up: str
    queue: str | None
    context: str | None
    serialization: str
    last_at: float
    now: float


class Statements:
    """The statements of one dialect."""

    def __init__(self, d: Dialect):
        self.watched = f"""select name, cron, timezone, {d.seconds("last_at")}, {d.seconds(d.now)}
            from durable_schedule where not paused order by name"""
        self.take = f"""select name, workflow, cron, timezone, catch_up, queue, context, serialization,
            {d.seconds("last_at")}, {d.seconds(d.clock)} from durable_schedule
            where name = %(name)s and not paused {d.lock}"""
        self.move = f"update durable_schedule set last_at = {d.time('%(at)s')} where name = %(name)s"
        self.mark = f"update durable_workflow set schedule = %(name)s where {d.member('id', 'ids')}"


@lru_cache(maxsize=2)
def statements_of(vendor: str) -> Statements:
    return Statements(Postgres if vendor == "postgresql" else Sqlite)


def watched(backend: Backend, session: Session) -> list[Watched]:
    """Every schedule that is not paused."""
    return [Watched(*row) for row in backend.run(session, statements_of(backend.vendor).watched)]


def take(backend: Backend, session: Session, name: str) -> Taken | None:
    """Lock a schedule's row for the transaction; None when it is gone, paused, or somebody else holds it."""
    rows = backend.run(session, statements_of(backend.vendor).take, name=name)
    return Taken(*rows[0]) if rows else None


def move(backend: Backend, session: Session, name: str, at: float) -> None:
    """All ticks up to a time (seconds since the epoch) are decided."""
    backend.run(session, statements_of(backend.vendor).move, name=name, at=at)


def mark(backend: Backend, session: Session, name: str, workflows: Iterable[str]) -> None:
    """Write on workflows which schedule started them."""
    backend.run(session, statements_of(backend.vendor).mark, name=name, ids=backend.pack(workflows))
