"""What tests of schedules share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import durable
from durable.backends.backend import backend
from durable.cron import between
from durable.executor.scheduler import Fired, fire
from durable.models import Schedule, Workflow

EACH_SECOND, NEVER_SOON = "* * * * * *", "0 0 29 2 *"


@durable.workflow()
def sched_keeps(scheduled, context):
    return [scheduled, context]


def fires(name: str) -> Fired | None:
    """Fire a schedule as a scheduler would, in this thread."""
    session = backend().own()
    try:
        return fire(backend(), session, name)
    finally:
        session.close()


def missed(name: str, **ago: float) -> list[datetime]:
    """Let a schedule's last tick be long ago; the ticks that it has missed since."""
    last_at = datetime.now(UTC) - timedelta(**ago)
    Schedule.objects.filter(pk=name).update(last_at=last_at)
    row = Schedule.objects.get(pk=name)
    return list(between(row.cron, row.timezone, last_at, datetime.now(UTC)))


def hourly_but_not_now() -> str:
    """Every hour, at a minute that is half an hour away."""
    return f"{(datetime.now(UTC) + timedelta(minutes=30)).minute} * * * *"


def started(name: str) -> list[str]:
    return list(Workflow.objects.filter(schedule=name).order_by("id").values_list("id", flat=True))


def ids(name: str, ticks: list[datetime]) -> list[str]:
    return [f"sched-{name}-{tick.isoformat()}" for tick in ticks]
