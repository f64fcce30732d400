"""`manage.py schedules`: look at schedules, pause and trigger them, make up for ticks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from ... import schedules
from ...filters.reading import read_time
from ...models import Schedule
from ...models.schedule import TERMS
from ..face import Face, argument, columns_of, stored, verb

FACTS = ("name", *TERMS, "paused", "declared", "override", "last_at", "created_at", "updated_at")

NAME = argument("name", help="name of the schedule")


class Command(Face):
    help = "Look at schedules, pause and trigger them, make up for ticks. Actions leave a row in the audit."

    @verb(argument("--workflow", help="only those that start this workflow"))
    def list_(self, *, workflow: str | None) -> None:
        """List schedules, with their next tick."""
        facts = [facts_of(row) for row in schedules.list_schedules(workflow=workflow)]
        self.table(facts, "name", "workflow", "cron", "timezone", "paused", "next_at")

    @verb(NAME, argument("-n", type=int, default=5, help="how many (default: 5)"))
    def next(self, *, name: str, n: int) -> None:
        """Show when a schedule ticks next, were it not paused."""
        self.table([{"at": tick} for tick in schedules.next_ticks(name, n)], "at")

    @verb(NAME)
    def get(self, *, name: str) -> None:
        """Show a schedule: its terms as declared, as overridden and in force."""
        row = schedules.get_schedule(name)
        self.sheet(facts_of(row) | {"context": stored(row.context)})

    @verb(NAME)
    def pause(self, *, name: str) -> None:
        """Start nothing more by the clock."""
        with self.audited("pause", name, kind="schedule"):
            schedules.pause_schedule(name)
        self.done(f"{name} is paused", name=name, paused=True)

    @verb(NAME)
    def resume(self, *, name: str) -> None:
        """Let a paused schedule tick again, from now on."""
        with self.audited("resume", name, kind="schedule"):
            schedules.resume_schedule(name)
        self.done(f"{name} ticks", name=name, paused=False)

    @verb(NAME)
    def trigger(self, *, name: str) -> None:
        """Start a schedule's workflow now."""
        with self.audited("trigger", name, kind="schedule") as detail:
            detail["started"] = pk = schedules.trigger_schedule(name).workflow_id
        self.done(f"started {pk}", id=pk)

    @verb(
        NAME,
        argument("start", help="from this time on: 2026-11-20, 2026-11-20T14:00Z or 24h; without a zone it is UTC"),
        argument("end", help="to this time, which does not count itself"),
        argument("--dry-run", action="store_true", help="only say which workflows it would start"),
    )
    def backfill(self, *, name: str, start: str, end: str, dry_run: bool) -> None:
        """Start a workflow for each tick of a time that has passed; those that were started are left as they are."""
        times = in_utc("start", start), in_utc("end", end)
        if dry_run:
            handles = schedules.backfill_schedule(name, *times, dry_run=True)
        else:
            between = {"start": times[0].isoformat(), "end": times[1].isoformat()}
            with self.audited("backfill", name, kind="schedule", **between) as detail:
                handles = schedules.backfill_schedule(name, *times)
                detail["ticks"] = len(handles)
        self.table([{"id": handle.workflow_id} for handle in handles], "id")

    @verb(NAME, argument("--yes", action="store_true", help="do not ask"))
    def delete(self, *, name: str, yes: bool) -> None:
        """Delete a schedule; what it started stays. One that code declares comes back when an executor starts."""
        schedules.get_schedule(name)
        self.confirm(f"Delete the schedule {name}", yes)
        with self.audited("delete", name, kind="schedule"):
            schedules.delete_schedule(name)
        self.done(f"{name} is deleted", name=name)


def facts_of(row: Schedule) -> dict[str, Any]:
    ticks = [] if row.paused else schedules.next_ticks(row, 1)
    return columns_of(row, FACTS) | {"next_at": ticks[0] if ticks else None}


def in_utc(option: str, text: str) -> datetime:
    """A time as people write it; without a zone it is UTC, as for the schedules themselves."""
    with timezone.override(UTC):
        return read_time(option, text)
