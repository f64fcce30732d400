"""Entering the register of executors: after those that are provably gone have been struck off."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, connections, transaction

from ..errors import DatabaseAway, ImproperUse
from ..models import Executor as Row
from ..models import Now, Queue, Schedule, Version
from ..models.schedule import TERMS
from ..registry import registry
from . import identity
from .outside import tell
from .pool import close_connections
from .scheduler import CHANGED
from .settling import adapt, settled


def register(executor: Any) -> None:
    """Write this executor's row and declare the code's queues and schedules.

    Raises `DatabaseAway`; says when tables are missing.
    """
    alias = executor.backend.alias
    try:
        connections[alias].ensure_connection()
    except DatabaseError as error:
        raise DatabaseAway(alias=alias, reason=str(error).strip()) from error
    try:
        expire_the_dead(alias)
        _insert(executor, alias)
        _declare_all(executor, alias)
    except DatabaseError as error:
        if "no such table" in str(error) or "does not exist" in str(error):
            raise ImproperUse(
                f"Durable's tables are not in database {alias!r} yet. Run: manage.py migrate --database {alias}"
            ) from error
        raise


def register_again(executor: Any) -> None:
    """Something was defined after this executor's start: let the others know what it can run, declare it, and let go on
    what waited for it."""
    alias = executor.backend.alias
    try:
        Row.objects.using(alias).filter(pk=executor.id).update(definitions=registry.versions())
        _declare_all(executor, alias)
        executor.sweeper.welcome()
    finally:
        close_connections()  # Django's, of the claimer's thread, which has no other use for it


def _declare_all(executor: Any, alias: str) -> None:
    executor._registered = registry.changes
    for queue in registry.queues():
        declare(queue, alias)
    for schedule in registry.schedules():
        declare_schedule(schedule.name, schedule.columns, alias)


def expire_the_dead(alias: str) -> None:
    """End the leases of processes of this machine that are gone, so that a restart need not wait for them."""
    rows = Row.objects.using(alias)
    here = identity.host()
    for row in rows.living().filter(host=here) if here else ():
        if identity.is_provably_dead(row.host, row.pid, row.pid_started):
            rows.filter(pk=row.pk).update(lease_until=Now())


def _insert(executor: Any, alias: str) -> None:
    pid = os.getpid()
    sent = executor.clock.monotonic()
    executor.version = executor.settings.APPLICATION_VERSION or registry.version()
    if executor.claims:
        application = executor.settings.APPLICATION_NAME
        Version.objects.using(alias).get_or_create(application=application, name=executor.version)
    row = Row(
        id=executor.id, label=executor.label, host=identity.host(), hostname=identity.hostname(), pid=pid,
        pid_started=identity.started(pid) or "", claims=executor.claims,
        version=executor.version,
        concurrency=executor.concurrency if executor.claims else 0,
        queues=None if executor.queues is None else list(executor.queues),
        definitions=registry.versions(), lease_until=_soon(executor),
    )  # fmt: skip
    row.save(using=alias, force_insert=True)
    executor.lease.renewed(sent)


def _soon(executor: Any) -> datetime:
    return datetime.fromtimestamp(executor.clock.now() + executor.settings.LEASE_SECONDS, UTC)


def declare(queue: Any, alias: str) -> None:
    """Put a queue's declared limits in force, unless an operator overrode them."""
    declared = queue.limits()
    kind = {"priority_enabled": queue.priority_enabled, "partitioned": queue.partition_queue}
    rows = Queue.objects.using(alias)
    row, made = rows.get_or_create(name=queue.name, defaults={"declared": declared, **kind, **declared})
    if made:
        adapt(row, alias)
    elif row.declared != declared or any(getattr(row, column) != value for column, value in kind.items()):
        with settled(queue.name, alias) as row:
            row.declared = declared
            row.priority_enabled, row.partitioned = queue.priority_enabled, queue.partition_queue


def declare_schedule(name: str, columns: Mapping[str, Any], alias: str) -> None:
    """Make a schedule, or put in force what is declared anew, unless an operator overrode it.

    `columns`: `declared`, `context` and `serialization` of its row.
    """
    terms = {term: columns["declared"][term] for term in TERMS}
    row, made = Schedule.objects.using(alias).get_or_create(name=name, defaults={**terms, **columns})
    if made:
        transaction.on_commit(lambda: tell([], {CHANGED}), using=alias)
    elif any(getattr(row, column) != value for column, value in columns.items()):
        with resettled(name, alias) as row:
            for column, value in columns.items():
                setattr(row, column, value)


@contextmanager
def resettled(name: str, alias: str) -> Iterator[Schedule]:
    """A schedule's row, locked, so that nobody fires it; what the block changes is then put in force.

    A schedule that ticks at other times from now on has missed none of them. Raises `Schedule.DoesNotExist`.
    """
    with transaction.atomic(using=alias):
        row = Schedule.objects.using(alias).select_for_update().get(name=name)
        times = row.cron, row.timezone
        yield row
        row.settle()
        row.updated_at = Now()
        if times != (row.cron, row.timezone):
            row.last_at = Now()
        row.save(using=alias)
        row.refresh_from_db(using=alias)
        transaction.on_commit(lambda: tell([], {CHANGED}), using=alias)
