"""Entering the register of executors: after those that are provably gone have been struck off."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, connections, transaction

from ..errors import DatabaseAway, ImproperUse
from ..models import Executor as Row
from ..models import Now, Queue, Workflow
from ..registry import registry
from . import identity


def register(executor: Any) -> None:
    """Write this executor's row and declare the code's queues. Raises `DatabaseAway`; says when tables are missing."""
    alias = executor.backend.alias
    try:
        connections[alias].ensure_connection()
    except DatabaseError as error:
        raise DatabaseAway(alias=alias, reason=str(error).strip()) from error
    try:
        expire_the_dead(alias)
        _insert(executor, alias)
        for queue in registry.queues():
            declare(queue, alias)
    except DatabaseError as error:
        if "no such table" in str(error) or "does not exist" in str(error):
            raise ImproperUse(
                f"Durable's tables are not in database {alias!r} yet. Run: manage.py migrate --database {alias}"
            ) from error
        raise


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
    row = Row(
        id=executor.id, label=executor.label, host=identity.host(), hostname=identity.hostname(), pid=pid,
        pid_started=identity.started(pid) or "", claims=executor.claims,
        version=executor.settings.APPLICATION_VERSION or registry.version(),
        concurrency=executor.concurrency if executor.claims else 0,
        queues=None if executor.queues is None else list(executor.queues),
        definitions={definition.name: definition.version for definition in registry}, lease_until=_soon(executor),
    )  # fmt: skip
    row.save(using=alias, force_insert=True)
    executor.lease.renewed(sent)


def _soon(executor: Any) -> datetime:
    return datetime.fromtimestamp(executor.clock.now() + executor.settings.LEASE_SECONDS, UTC)


def declare(queue: Any, alias: str) -> None:
    """Put a queue's declared limits in force, unless an operator overrode them.

    A queue that gains a limit while its workflows run counts them from now on, behind its row's lock.
    """
    declared = queue.limits()
    rows = Queue.objects.using(alias)
    kind = {"priority_enabled": queue.priority_enabled, "partitioned": queue.partition_queue}
    row, made = rows.get_or_create(name=queue.name, defaults={"declared": declared, **kind, **declared})
    if made or row.declared == declared:  # nothing to lock for: a claim elsewhere may hold the row
        return
    with transaction.atomic(using=alias):
        row = rows.select_for_update().get(name=queue.name)
        was_limited = row.is_limited
        row.declared = declared
        row.settle()
        row.updated_at = Now()
        row.save(using=alias)
        if row.is_limited and not was_limited:
            started = Workflow.objects.using(alias).filter(queue=queue.name, status="PENDING", admitted=None)
            started.update(admitted=queue.name)
