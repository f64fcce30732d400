"""Schedules that are rows: created, changed and paused while everything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from ...errors import ScheduleNotFound
from .declaring import start_of
from .handles import WorkflowHandle, WorkflowHandleAsync, ahandles, handles, nothing
from .pairs import Call, of, pair, verb


class ScheduleInput(TypedDict):
    """One schedule of `DBOS.apply_schedules`."""

    schedule_name: str
    workflow_fn: Callable[..., Any]
    schedule: str
    context: NotRequired[Any]
    automatic_backfill: NotRequired[bool]
    cron_timezone: NotRequired[str | None]
    queue_name: NotRequired[str | None]


class ClientScheduleInput(TypedDict):
    """One schedule of `DBOSClient.apply_schedules`: its workflow is named."""

    schedule_name: str
    workflow_name: str
    schedule: str
    context: NotRequired[Any]
    automatic_backfill: NotRequired[bool]
    cron_timezone: NotRequired[str | None]
    queue_name: NotRequired[str | None]
    workflow_class_name: NotRequired[str | None]


class WorkflowSchedule(TypedDict):
    """A schedule as it is now. `status`: ACTIVE or PAUSED. `last_fired_at`: RFC 3339."""

    schedule_id: str
    schedule_name: str
    workflow_name: str
    workflow_class_name: str | None
    schedule: str
    status: str
    context: Any
    last_fired_at: str | None
    automatic_backfill: bool
    cron_timezone: str | None
    queue_name: str | None


def terms(said: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule's terms as Durable names them."""
    fn = said.get("workflow_fn")
    return {
        "name": said["schedule_name"],
        "workflow": said.get("workflow_name") if fn is None else start_of(fn).definition,
        "cron": said["schedule"],
        "context": said.get("context"),
        "timezone": said.get("cron_timezone") or "UTC",
        "catch_up": "all" if said.get("automatic_backfill") else "skip",
        "queue": said.get("queue_name"),
    }


@verb(nothing)
def create_schedule(
    *, schedule_name: str, workflow_fn: Callable[..., Any], schedule: str, context: Any = None,
    automatic_backfill: bool = False, cron_timezone: str | None = None, queue_name: str | None = None,
) -> Call:  # fmt: skip
    """Start a workflow by the clock: it receives the time of its tick, and the context."""
    return of("create_schedule", **terms(locals()))


@verb(nothing)
def named_schedule(
    *, schedule_name: str, workflow_name: str, schedule: str, context: Any = None, automatic_backfill: bool = False,
    cron_timezone: str | None = None, queue_name: str | None = None, workflow_class_name: str | None = None,
    application_name: str | None = None,
) -> Call:  # fmt: skip
    """Start a workflow, which this process need not know, by the clock."""
    return of("create_schedule", **terms(locals()))


named_schedule.translate.__name__ = "create_schedule"


@verb(nothing)
def apply_schedules(schedules: Sequence[ScheduleInput]) -> Call:
    """Create schedules, or change those that have their names: all or none."""
    return of("apply_schedules", [terms(each) for each in schedules])


@verb(lambda rows, _: [schedule_of(row) for row in rows])
def list_schedules(
    *, status: str | Sequence[str] | None = None, workflow_name: str | None = None,
    schedule_name_prefix: str | None = None, application_name: str | None = None,
) -> Call:  # fmt: skip
    """The schedules, by name."""
    wanted = {status} if isinstance(status, str) else set(status or ())
    paused = wanted == {"PAUSED"} if len(wanted) == 1 else None
    return of("list_schedules", workflow=workflow_name, paused=paused, prefix=schedule_name_prefix)


@verb(lambda row, _: schedule_of(row), absent=(ScheduleNotFound, None))
def get_schedule(name: str) -> Call:
    """A schedule as it is now, or None when there is none."""
    return of("get_schedule", name)


@verb(nothing)
def delete_schedule(name: str) -> Call:
    """Delete a schedule."""
    return of("delete_schedule", name)


@verb(nothing)
def pause_schedule(name: str) -> Call:
    """Let a schedule start nothing by the clock."""
    return of("pause_schedule", name)


@verb(nothing)
def resume_schedule(name: str) -> Call:
    """Let a paused schedule go on."""
    return of("resume_schedule", name)


@verb(handles, ahandles)
def backfill_schedule(schedule_name: str, start: datetime, end: datetime) -> Call:
    """Start what a schedule would have started between two times."""
    return of("backfill_schedule", schedule_name, start, end)


@verb(WorkflowHandle, WorkflowHandleAsync)
def trigger_schedule(schedule_name: str) -> Call:
    """Start a schedule's workflow now."""
    return of("trigger_schedule", schedule_name)


def schedule_of(row: Any) -> WorkflowSchedule:
    from ...serializers.reading import read

    return {
        "schedule_id": row.name,
        "schedule_name": row.name,
        "workflow_name": row.workflow,
        "workflow_class_name": None,
        "schedule": row.cron,
        "status": "PAUSED" if row.paused else "ACTIVE",
        "context": None if row.context is None else read(row.context, row.serialization, f"schedule {row.name!r}"),
        "last_fired_at": row.last_at.isoformat() if isinstance(row.last_at, datetime) else None,
        "automatic_backfill": row.catch_up == "all",
        "cron_timezone": row.timezone,
        "queue_name": row.queue,
    }


class Scheduling:
    """The methods of `DBOS` about schedules."""

    create_schedule, create_schedule_async = pair(create_schedule)
    apply_schedules, apply_schedules_async = pair(apply_schedules)
    list_schedules, list_schedules_async = pair(list_schedules)
    get_schedule, get_schedule_async = pair(get_schedule)
    delete_schedule, delete_schedule_async = pair(delete_schedule)
    pause_schedule, pause_schedule_async = pair(pause_schedule)
    resume_schedule, resume_schedule_async = pair(resume_schedule)
    backfill_schedule, backfill_schedule_async = pair(backfill_schedule)
    trigger_schedule, trigger_schedule_async = pair(trigger_schedule)
