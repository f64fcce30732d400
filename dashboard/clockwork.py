"""Schedules as people see them: when they tick, what they started last, who said so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Subquery

import durable
from durable.errors import InvalidOption
from durable.models import CatchUp, Schedule, Workflow
from durable.models.schedule import TERMS
from durable.registry import registry
from durable.schedules import is_dropped

from .cronwords import in_words
from .lines import State

TICKS = State("success", "time", "Ticks")
PAUSED = State("backoff", "pause", "Paused")
BROKEN = State("failed", "warn", "Never ticks")

CAUGHT_UP = {
    CatchUp.NEWEST: "the newest missed tick starts once",
    CatchUp.SKIP: "missed ticks are left out",
    CatchUp.ALL: "every missed tick starts",
}
"""What becomes of ticks that nobody could fire."""
CALLED = {
    "workflow": "Starts", "cron": "Cron", "timezone": "Time zone", "catch_up": "Catch-up", "queue": "Queue",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a schedule: in force, as declared, and whether an operator set it."""

    key: str
    label: str
    value: str
    declared: str
    is_overridden: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """One moment to come, in UTC, and as the clocks of the schedule's zone show it."""

    at: datetime
    zone: str

    @property
    def local(self) -> str:
        return f"{self.at.astimezone(ZoneInfo(self.zone)):%a %Y-%m-%d %H:%M:%S %Z}"


class Clock:
    """One schedule with the last workflow that it started, None if that is none."""

    def __init__(self, row: Any, last: Workflow | None, now: datetime):
        self.row, self.last, self.now = row, last, now

    @property
    def name(self) -> str:
        return self.row.pk

    @property
    def words(self) -> str:
        """When it ticks, in words as far as they are simple."""
        return in_words(self.row.cron)

    @property
    def is_local(self) -> bool:
        """Whether its zone is another one than UTC."""
        return self.row.timezone != "UTC"

    @cached_property
    def next(self) -> datetime | None:
        """The next tick were it not paused; None when it never ticks again."""
        found = self.ticks(1)
        return found[0].at if found else None

    def ticks(self, count: int) -> list[Tick]:
        try:
            found = durable.next_ticks(self.row, count, self.now)
        except InvalidOption:  # written by a release that knew more, or by hand
            return []
        return [Tick(at, self.row.timezone) for at in found]

    @property
    def state(self) -> State:
        return PAUSED if self.row.paused else TICKS if self.next else BROKEN

    @property
    def caught_up(self) -> str:
        return CAUGHT_UP.get(self.row.catch_up, self.row.catch_up)

    @property
    def terms(self) -> list[Term]:
        row, made = self.row, []
        for key in TERMS:
            declared = row.declared.get(key)
            made.append(
                Term(key, CALLED[key], str(getattr(row, key) or "none"), str(declared or "none"), key in row.override)
            )
        return made

    @property
    def is_overridden(self) -> bool:
        return bool(self.row.override)

    @property
    def is_declared(self) -> bool:
        """Whether code declared it, as against a person or a program that created it."""
        return bool(self.row.declared.get("code"))

    @property
    def is_dropped(self) -> bool:
        """Whether the code that this process knows has the workflow and does not declare the schedule any more."""
        return is_dropped(self.row) and registry.find(self.row.workflow) is not None


def clocks_of(alias: str, now: datetime, name: str | None = None) -> list[Clock]:
    """All schedules by name, or the one of that name, in two queries however many there are."""
    started = Workflow.objects.using(alias).filter(schedule=OuterRef("pk")).order_by("-created_at").values("pk")[:1]
    rows = Schedule.objects.using(alias).annotate(last_id=Subquery(started))
    found = list(rows.filter(pk=name) if name is not None else rows)
    runs = Workflow.objects.using(alias).listed().in_bulk([row.last_id for row in found if row.last_id])
    return [Clock(row, runs.get(row.last_id), now) for row in found]
