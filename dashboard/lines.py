"""Queues as people see them: who waits, who runs, what holds them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable.models import INTERNAL_QUEUE, Executor, Queue

from .census import WAITING, Census, Coverage
from .wording import span

LIMITS = (
    ("concurrency", "Running everywhere", "at most this many in all, also while parked"),
    ("worker_concurrency", "Running per executor", "at most this many in one executor"),
    ("limiter", "Starts in a window", "at most this many within any window"),
    ("max_tasks_per_iteration", "Taken by one claim", "at most this many at once"),
)
OF_PARTITIONS = (
    ("partition_concurrency", "Running of a partition", "at most this many of each partition"),
    ("partition_worker_concurrency", "Running of a partition per executor", "at most this many in one executor"),
    ("partition_limiter", "Starts of a partition in a window", "at most this many within any window"),
)
"""Each limit by the name that `durable.set_queue_limits` knows, with what people call it."""


@dataclass(frozen=True)
class State:
    """What a queue does, by hue, icon and word."""

    hue: str
    icon: str
    word: str


PAUSED = State("backoff", "pause", "Paused")
UNSERVED = State("failed", "lost", "Unserved")
AT_LIMIT = State("running", "running", "At its limit")
AT_RATE = State("backoff", "time", "At rate limit")
BUSY = State("queued", "queued", "Waits")
FLOWS = State("success", "success", "Flows")


class Line:
    """One queue now: its row (None for a queue that only workflows name), its part of the census, who serves it."""

    def __init__(self, name: str, row: Queue | None, census: Census, coverage: Coverage):
        self.name = name
        self.row = row or Queue(name=name)
        self.is_declared = row is not None
        self.census = census
        self.coverage = coverage

    @property
    def title(self) -> str:
        return "No queue" if self.name == INTERNAL_QUEUE else self.name

    @property
    def waiting(self) -> int:
        return self.census.count(*WAITING, queue=self.name)

    @property
    def running(self) -> int:
        return self.census.count("running", queue=self.name)

    @property
    def parked(self) -> int:
        """Parked workflows that keep their place in the queue."""
        return self.census.count(queue=self.name, placed=True) - self.census.count(
            "running", *WAITING, queue=self.name, placed=True
        )

    @property
    def waiting_figure(self) -> str:
        return self.census.figure(*WAITING, queue=self.name)

    @property
    def running_figure(self) -> str:
        return self.census.figure("running", queue=self.name)

    @property
    def taken(self) -> int:
        """Places in use: by those that run, and by the parked that were admitted."""
        return self.running + self.parked

    @property
    def since(self) -> datetime | None:
        """When the longest waiting became ready."""
        oldest = self.census.oldest(*WAITING, queue=self.name)
        return oldest.since if oldest else None

    @property
    def servers(self) -> list[Executor]:
        return self.coverage.of_queue(self.name)

    @property
    def recent_starts(self) -> list[float]:
        """How many seconds ago each start of the present window was."""
        if not self.row.rate_limit or not self.row.rate_period:
            return []
        ages = [time.time() - start for start in self.row.starts if isinstance(start, (int, float))]
        return sorted(age for age in ages if age < self.row.rate_period)

    @property
    def is_unserved(self) -> bool:
        """Whether nobody takes any of what waits."""
        waiting = [g for g in self.census.groups if g.queue == self.name and g.phase in WAITING]
        return not any(self.coverage.serves(self.name, group.name) for group in waiting)

    @property
    def is_full(self) -> bool:
        return self.row.concurrency is not None and self.taken >= self.row.concurrency

    @property
    def is_at_rate(self) -> bool:
        return bool(self.row.rate_limit) and len(self.recent_starts) >= self.row.rate_limit

    @property
    def state(self) -> State:
        if self.row.paused:
            return PAUSED
        if self.waiting and self.is_unserved:
            return UNSERVED
        if self.waiting and self.is_full:
            return AT_LIMIT
        if self.waiting and self.is_at_rate:
            return AT_RATE
        return BUSY if self.waiting else FLOWS

    @property
    def window(self) -> str:
        """The length of the window of the rate limit."""
        return window(self.row.rate_period)

    @property
    def partition_window(self) -> str:
        """The same of the rate limit of a partition."""
        return window(self.row.partition_rate_period)

    @property
    def share(self) -> float:
        """The part of the places that is in use, in percent."""
        limit = self.row.concurrency
        return round(min(self.taken / limit, 1) * 100, 2) if limit else 0.0

    @property
    def limits(self) -> list[Limit]:
        """Each limit in force, with what the code declares and what an operator set."""
        known = (*LIMITS, *OF_PARTITIONS) if self.row.partitioned else LIMITS
        in_force = {key: getattr(self.row, key) for one in known for key in columns_of(one[0])}
        return [
            Limit(key, label, help_text, said_of(key, in_force), said_of(key, self.row.declared),
                  any(column in self.row.override for column in columns_of(key)))
            for key, label, help_text in known
        ]  # fmt: skip

    @property
    def limits_said(self) -> str:
        """The limits in force in a few words."""
        row, said = self.row, []
        if row.concurrency is not None:
            said.append(f"{row.concurrency} at once")
        if row.worker_concurrency is not None:
            said.append(f"{row.worker_concurrency} per executor")
        if row.rate_limit is not None:
            said.append(f"{row.rate_limit:,} in {self.window}")
        for key, words in (("partition_concurrency", "of a partition"), ("partition_limiter", "of a partition")):
            if limit := said_of(key, vars(row)):
                said.append(f"{limit} {words}")
        return ", ".join(said)

    @property
    def is_overridden(self) -> bool:
        return bool(self.row.override)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in words: what is in force, what the code declares ("" for none), and whether an operator set it."""

    key: str
    label: str
    help: str
    value: str
    declared: str
    is_overridden: bool


def columns_of(key: str) -> tuple[str, ...]:
    """The columns that hold a limit."""
    if key.endswith("limiter"):
        prefix = key.removesuffix("limiter")
        return f"{prefix}rate_limit", f"{prefix}rate_period"
    return (key,)


def said_of(key: str, values: Mapping[str, Any]) -> str:
    """A limit as people read it: "8", "50 in 30 s", "" for none."""
    limit, *period = (values.get(column) for column in columns_of(key))
    if limit is None:
        return ""
    return f"{limit:,} in {window(period[0])}" if period else f"{limit:,}"


def window(period: float | None) -> str:
    """The length of the window of a rate: "30 s", "0.5 s", "5 m 00 s"."""
    period = period or 0.0
    return f"{period:g} s" if period < 60 else span(period)


def lines_of(alias: str, census: Census, coverage: Coverage) -> list[Line]:
    """All queues: the declared, and those that unfinished workflows name. The fullest first."""
    rows = {row.name: row for row in Queue.objects.using(alias)}
    names = {*rows, *census.queues}
    lines = [Line(name, rows.get(name), census, coverage) for name in names]
    return sorted(lines, key=lambda line: (-line.waiting, line.name == INTERNAL_QUEUE, line.name))
