"""Executors as people see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from .console import executors_now
from .lines import State

GONE = 30
"""How many of those that are no more are shown."""

ALIVE = State("success", "success", "Alive")
DRAINING = State("backoff", "time", "Draining")
LOST = State("failed", "lost", "Lost")
STOPPED = State("info", "cancelled", "Stopped")


@dataclass(frozen=True)
class Member:
    """One executor with its state; `executor.alive` is the database's word on its lease."""

    executor: Any

    @property
    def state(self) -> State:
        if self.executor.stopped_at:
            return STOPPED
        if not self.executor.alive:
            return LOST
        return DRAINING if self.executor.draining else ALIVE

    @property
    def is_alive(self) -> bool:
        return self.state in (ALIVE, DRAINING)

    @property
    def serves(self) -> str:
        """The queues it takes work from, in words."""
        if not self.executor.claims:
            return "only its own direct calls"
        if self.executor.queues is None:
            return "all queues"
        return ", ".join(map(str, self.executor.queues)) or "only starts without a queue"

    @property
    def share(self) -> float:
        """The part of its room that is in use, in percent."""
        limit = self.executor.concurrency
        return round(min(self.executor.running / limit, 1) * 100, 2) if limit else 0.0

    @property
    def activity(self) -> list[dict[str, Any]]:
        """What has run for over a second, as of the heartbeat; `since` as a time where it can be read."""
        if not self.is_alive:
            return []
        entries = [entry for entry in self.executor.activity if isinstance(entry, dict) and entry.get("workflow")]
        return [{**entry, "since": as_time(entry.get("since"))} for entry in entries]


def as_time(value: Any) -> datetime | None:
    """A time from seconds since the epoch or ISO text."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value).astimezone()
        moment = parse_datetime(value) if isinstance(value, str) else None
        return moment if moment and moment.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


def crew_of(alias: str) -> list[Member]:
    """The living by label, then the last that went: lost first."""
    everyone = executors_now(alias)
    is_gone = Q(alive=False) | Q(stopped_at__isnull=False)
    living = [Member(executor) for executor in everyone.exclude(is_gone).order_by("label", "started_at")]
    gone = [Member(executor) for executor in everyone.filter(is_gone).order_by("-lease_until")[:GONE]]
    return living + sorted(gone, key=lambda member: member.state is not LOST)
