"""Starts workflows by the clock. Every executor that takes work is a scheduler; no leader is needed.

Whoever gets a schedule's row lock decides which of its ticks are to be started and inserts a workflow for each, under
an id that is made of the tick; the same transaction moves `last_at`. So a tick fires once, however many schedulers see
it, and a scheduler that dies before its commit has done nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import DatabaseError

from .. import serializers
from ..backends import scheduling
from ..backends.backend import Backend
from ..backends.session import Session, is_passing
from ..backends.writing import apply
from ..conf import conf
from ..cron import Ticks, parse
from ..engine.commands import NewWorkflow
from ..errors import InvalidOption
from ..models import INTERNAL_QUEUE, CatchUp
from ..registry import registry
from .outside import encode
from .service import Service

log = logging.getLogger("durable.executor")

CHANGED = "s:*"
"""The hub's key for any change of any schedule."""
READ_EVERY_SECONDS = 15.0
READ_APART_SECONDS = 0.2
"""On SQLite every commit of another process wakes everybody; the schedules are not read again at each of them."""
LATE = timedelta(seconds=10)
"""A tick that is later than this was missed, and the schedule's catch-up policy says what becomes of it."""
MOST = 1_000
"""How many ticks one transaction starts."""
INSTANT = timedelta(microseconds=1)


class Scheduler(Service):
    """Sleeps until the next tick of any schedule; a change of a schedule cuts that short.

    It asks for no lease: whoever inserts a tick, it is the same row.
    """

    name = "scheduler"

    def __init__(self, executor: Any):
        super().__init__(executor.clock)
        self.executor = executor
        self.backend: Backend = executor.backend
        self.session = executor.backend.own()
        self.watched: dict[str, scheduling.Watched] = {}
        self.next_at: dict[str, float] = {}
        self._ahead = 0.0
        """Seconds by which the database's clock is ahead of this process's monotonic one."""
        self._read_at = -math.inf
        self._is_stale = True
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        self._unsubscribe = self.executor.hub.subscribe([CHANGED], self.executor.hub.mark(), self.changed)
        super().start()

    def stop(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        super().stop()

    def close(self) -> None:
        self.session.close()

    def changed(self) -> None:
        """Somebody says that a schedule was changed."""
        self._is_stale = True
        self.wake()

    def tick(self) -> float:
        if self.clock.monotonic() >= self._next_read or self.due():
            self.read()
        for name in self.due():
            self.fire(name)
        soonest = min(self.next_at.values(), default=math.inf) - self.now()
        rest = min(soonest, self._next_read - self.clock.monotonic())
        return max(0.0, rest) * 0.95  # a rest is drawn from up to 5 % more, and a tick must not wait for that

    def now(self) -> float:
        """The database's clock, a little behind: seconds since the epoch."""
        return self.clock.monotonic() + self._ahead

    @property
    def _next_read(self) -> float:
        return self._read_at + (READ_APART_SECONDS if self._is_stale else READ_EVERY_SECONDS)

    def due(self) -> list[str]:
        """The schedules whose next tick has come."""
        now = self.now()
        return [name for name, at in self.next_at.items() if at <= now]

    def read(self) -> None:
        """Read all schedules; find the next tick of those that have changed."""
        self._is_stale = False
        self._read_at = self.clock.monotonic()
        rows = {row.name: row for row in scheduling.watched(self.backend, self.session)}
        self._ahead = next((row.now for row in rows.values()), 0.0) - self.clock.monotonic()
        for row in rows.values():
            known = self.watched.get(row.name)
            if known is None or _terms(known) != _terms(row):
                self.next_at[row.name] = next_at(row)
        self.next_at = {name: self.next_at[name] for name in rows}
        self.watched = rows

    def fire(self, name: str) -> None:
        """Start what is due of one schedule. One that fails is tried again later and keeps no other waiting."""
        try:
            fired = fire(self.backend, self.session, name)
        except Exception as error:
            if isinstance(error, DatabaseError) and is_passing(error):
                raise
            log.exception("schedule %s could not be fired, trying again in %.0f s", name, READ_EVERY_SECONDS)
            self._forget(name)
            return
        if fired is None:  # another one fires it, or it was paused or deleted
            self._forget(name)
            self._is_stale = True
            return
        row = self.watched[name]
        self.next_at[name] = next_at(scheduling.Watched(name, row.cron, row.timezone, fired.last_at, row.now))
        if fired.started:
            self.executor.tell({fired.queue})

    def _forget(self, name: str) -> None:
        """Think no more of a schedule until the rows are read again."""
        self.watched.pop(name)
        self.next_at.pop(name)


@dataclass(frozen=True)
class Due:
    """Which ticks are to be started, and up to when all are decided by that; `until` is None when there are none."""

    ticks: list[datetime] = field(default_factory=list)
    until: datetime | None = None


@dataclass(frozen=True)
class Fired:
    """What became of a schedule: its ticks that were decided to start, and the ids that were not there before."""

    ticks: list[datetime]
    started: set[str]
    last_at: float
    queue: str


def fire(backend: Backend, session: Session, name: str) -> Fired | None:
    """Start what is due of a schedule, in one transaction; None when its row could not be had."""
    with session.transaction():
        row = scheduling.take(backend, session, name)
        if row is None:
            return None
        now, queue = datetime.fromtimestamp(row.now, UTC), row.queue or INTERNAL_QUEUE
        found = due(parse(row.cron, row.timezone), row.catch_up, datetime.fromtimestamp(row.last_at, UTC), now)
        if found.until is None:
            return Fired([], set(), row.last_at, queue)
        last_at = found.until.timestamp()
        new = [tick_of(row, tick_id(name, tick), tick, now) for tick in found.ticks]
        started = insert(backend, session, name, new)
        scheduling.move(backend, session, name, last_at)
    return Fired(found.ticks, started, last_at, queue)


def due(ticks: Ticks, catch_up: str, last_at: datetime, now: datetime) -> Due:
    """Of the ticks after `last_at` and up to `now`: those on time, and of the missed ones what the policy says."""
    if catch_up == CatchUp.ALL:
        found = list(islice(ticks.between(last_at + INSTANT, now + INSTANT), MOST))
        return Due(found, found[-1]) if found else Due()
    on_time = list(ticks.between(max(last_at + INSTANT, now - LATE), now + INSTANT))
    missed = ticks.newest(last_at, now - LATE - INSTANT)
    until = on_time[-1] if on_time else missed
    return Due([missed, *on_time] if missed and catch_up == CatchUp.NEWEST else on_time, until)


def tick_id(name: str, tick: datetime) -> str:
    """The id of the workflow that a tick starts: the same for everyone who starts it."""
    return f"sched-{name}-{tick.isoformat()}"


def tick_of(schedule: Any, workflow_id: str, tick: datetime, now: datetime) -> NewWorkflow:
    """The workflow that a tick of a schedule (its row) starts. This process need not know its function."""
    settings, definition = conf(), registry.find(schedule.workflow)
    text, serialization = _input(schedule, tick, now)
    return NewWorkflow(
        id=workflow_id,
        name=schedule.workflow,
        input=text,
        queue=schedule.queue or INTERNAL_QUEUE,
        serialization=serialization,
        application=settings.APPLICATION_NAME,
        version=registry.version_of(definition) if definition else None,
        max_recovery_attempts=definition.max_recovery_attempts if definition else settings.MAX_RECOVERY_ATTEMPTS,
    )


def insert(backend: Backend, session: Session, name: str, new: Iterable[NewWorkflow]) -> set[str]:
    """Insert what a schedule starts; the ids that were not there before."""
    inserted = apply(backend, session, new)
    if inserted:
        scheduling.mark(backend, session, name, inserted)
    return inserted


def next_at(row: scheduling.Watched) -> float:
    """When a schedule ticks next, seconds since the epoch; never, when its terms have no meaning here."""
    try:
        tick = parse(row.cron, row.timezone).next(datetime.fromtimestamp(row.last_at, UTC))
    except InvalidOption as error:
        log.error("schedule %s does not tick: %s", row.name, error)
        return math.inf
    return math.inf if tick is None else tick.timestamp()


def _terms(row: scheduling.Watched) -> tuple[str, str, float]:
    return row.cron, row.timezone, row.last_at


def _input(schedule: Any, tick: datetime, now: datetime) -> tuple[str, str]:
    """The encoded arguments, and by which serializer."""
    if schedule.context is None:
        return encode({"args": [tick, now], "kwargs": {}}), conf().SERIALIZER
    serializer = serializers.get(schedule.serialization)
    if schedule.serialization == "json":  # put together as text: its values may be of types unknown in this process
        return f'{{"args":[{serializer.serialize(tick)},{schedule.context}],"kwargs":{{}}}}', "json"
    context = serializer.deserialize(schedule.context)
    return serializer.serialize({"args": [tick, context], "kwargs": {}}), schedule.serialization
