"""Whether workflows can run: what somebody who is woken at night looks at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min, Sum
from django.db.utils import DatabaseError

from ..conf import conf
from ..models import Executor, Now, Queue, Workflow

LEASES = 3
"""Others take over from an executor within its lease and a moment; this many leases later nobody will."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, in a sentence, and the figures behind it."""

    name: str
    is_well: bool
    says: str
    figures: dict[str, Any] = field(default_factory=dict)


def examined(longest_wait: float, largest_skew: float) -> Iterator[Finding]:
    """Findings in the order of dependence; it ends at the first that makes the rest unanswerable. Seconds."""
    alias = conf().DATABASE
    try:
        before = datetime.now(UTC)
        connections[alias].ensure_connection()
        pending = unapplied(alias)
    except DatabaseError as error:
        yield Finding("database", False, f"database {alias!r} cannot be reached: {' '.join(str(error).split())}")
        return
    yield Finding("database", True, f"{connections[alias].vendor} answers", {"vendor": connections[alias].vendor})
    if pending:
        hint = f"{len(pending)} to apply: run manage.py migrate --database {alias}"
        yield Finding("migrations", False, hint, {"pending": pending})
        return
    yield Finding("migrations", True, "all applied", {"pending": []})
    before = datetime.now(UTC)
    now = clock_of(alias)
    yield clock(now, before, datetime.now(UTC), largest_skew)
    yield executors(alias)
    yield leases(alias, now)
    yield ready(alias, now, longest_wait)


def unapplied(alias: str) -> list[str]:
    """Migrations of Durable that the database has not seen."""
    plan = MigrationExecutor(connections[alias])
    targets = [key for key in plan.loader.graph.leaf_nodes() if key[0] == "durable"]
    return [migration.name for migration, _ in plan.migration_plan(targets)]


def clock_of(alias: str) -> datetime:
    """The database's clock."""
    rows = MigrationRecorder(connections[alias]).migration_qs.annotate(now=Now())
    return rows.values_list("now", flat=True)[0]


def clock(now: datetime, before: datetime, after: datetime, largest: float) -> Finding:
    """The database decides what is due; times that this machine computes should mean the same there."""
    skew = max((before - now).total_seconds(), (now - after).total_seconds(), 0.0)
    says = f"the database's clock differs from this machine's by {skew:.1f} s"
    return Finding("clock", skew <= largest, says if skew > 0.1 else "clocks agree", {"seconds": round(skew, 3)})


def executors(alias: str) -> Finding:
    """Whether anybody takes work."""
    serving = Executor.objects.using(alias).serving()
    count, room = serving.count(), serving.aggregate(room=Sum("concurrency"), busy=Sum("running"))
    figures = {"serving": count, "concurrency": room["room"] or 0, "running": room["busy"] or 0}
    if not count:
        return Finding("executors", False, "none takes work: start manage.py runexecutor", figures)
    says = f"{count} take work, {figures['running']} of {figures['concurrency']} places in use"
    return Finding("executors", True, says, figures)


def leases(alias: str, now: datetime) -> Finding:
    """Whether anybody takes over from executors that are gone."""
    late = now - timedelta(seconds=LEASES * conf().LEASE_SECONDS)
    gone = Executor.objects.using(alias).filter(lease_until__lt=late).values("pk")
    held = Workflow.objects.using(alias).filter(run_after__isnull=False, executor__in=gone).count()
    if held:
        says = f"{held} workflows are held by executors whose lease ran out long ago, and nobody takes over"
        return Finding("leases", False, says, {"held": held})
    return Finding("leases", True, "no workflow is held by an executor that is gone", {"held": 0})


def ready(alias: str, now: datetime, longest: float) -> Finding:
    """How long the oldest work that could start has waited; what is paused waits on purpose."""
    rows = Workflow.objects.using(alias)
    paused = Queue.objects.using(alias).filter(paused=True).values("name")
    oldest = (
        rows.filter(run_after__isnull=False, executor=None).exclude(queue__in=paused).aggregate(at=Min("run_after"))
    )
    waited = 0.0 if oldest["at"] is None else max(0.0, (now - oldest["at"]).total_seconds())
    unserved = rows.live().filter(waiting_for__startswith="executor:").count()
    figures = {"oldest_seconds": round(waited, 1), "unserved": unserved}
    says = f"the oldest has waited for {waited:.0f} s" if oldest["at"] else "nothing waits to start"
    says += f"; {unserved} wait for an executor that has their function" if unserved else ""
    return Finding("ready work", waited <= longest, says, figures)
