"""Queues as rows: created, changed, paused and deleted while everything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from .conf import conf
from .errors import InvalidOption, QueueNotFound
from .executor.settling import adapt, settled
from .limits import PARTITION_LIMITS, check_name, limits_of
from .models import Queue, Workflow
from .models.queue import LIMITS
from .states import LIVE
from .verbs import managed

FACTS = ("name", "declared", "override", "paused", "priority_enabled", "partitioned", *LIMITS)


def _register_queue(
    name: str, *, partition_queue: bool = False, priority_enabled: bool = True,
    limiter: Mapping[str, float] | None = None, partition_limiter: Mapping[str, float] | None = None,
    **limits: int | None,
) -> Queue:  # fmt: skip
    """Create a queue, or declare its limits anew; running executors serve it within a poll. See `durable.Queue`.

    What an operator has overridden stays overridden. Raises `InvalidOption`.
    """
    check_name(name)
    declared = limits_of(limiter=limiter, partition_limiter=partition_limiter, is_partitioned=partition_queue, **limits)
    partitioned = partition_queue or any(declared[limit] is not None for limit in PARTITION_LIMITS)
    alias = conf().DATABASE
    kind = {"priority_enabled": priority_enabled, "partitioned": partitioned}
    with transaction.atomic(using=alias):
        row, made = Queue.objects.using(alias).get_or_create(
            name=name, defaults={"declared": declared, **kind, **declared}
        )
        if made:
            adapt(row, alias)
        else:
            with settled(name, alias) as row:
                row.declared, row.priority_enabled, row.partitioned = declared, priority_enabled, partitioned
    return row


def _retrieve_queue(name: str) -> Queue | None:
    """The queue's row as it is now, or None."""
    return Queue.objects.using(conf().DATABASE).filter(name=name).first()


def _list_queues() -> list[Queue]:
    """Every queue, by name."""
    return list(Queue.objects.using(conf().DATABASE))


def _delete_queue(name: str) -> bool:
    """Delete a queue that holds no live workflow; False when there is none. One that code declares comes back when an
    executor starts. Raises `InvalidOption` when workflows are in it."""
    alias = conf().DATABASE
    with transaction.atomic(using=alias):
        row = Queue.objects.using(alias).select_for_update().filter(name=name).first()
        if row is None:
            return False
        held = Workflow.objects.using(alias).live().filter(queue=name, status__in=LIVE).count()
        if held:
            raise InvalidOption(option="name", value=name, hint=f"{held} live workflows are in it; cancel or move them")
        row.delete()
    return True


def _set_queue_limits(name: str, **limits: Any) -> Queue:
    """Override limits, at once and for all executors: names as in `durable.Queue`, and None for no limit.

    A limit that is lowered stops nothing that runs. Raises `QueueNotFound`, `InvalidOption`.
    """
    with _changed(name) as row:
        override = {**row.override, **_columns(limits)}
        force = {**row.declared, **override}
        counts = {key: value for key, value in force.items() if "rate" not in key}
        limits_of(**counts)  # refuses what contradicts itself together
        row.override = override
    return row


def _clear_queue_limits(name: str, *limits: str) -> Queue:
    """Put back in force what the code declares: for the named limits, or for all. Raises `QueueNotFound`."""
    with _changed(name) as row:
        cleared = {*_columns(dict.fromkeys(limits))} if limits else {*row.override}
        row.override = {limit: value for limit, value in row.override.items() if limit not in cleared}
    return row


def _pause_queue(name: str) -> None:
    """Start nothing more from a queue; what runs goes on, and what is enqueued waits. Raises `QueueNotFound`."""
    with _changed(name) as row:
        row.paused = True


def _resume_queue(name: str) -> None:
    """Serve a paused queue again. Raises `QueueNotFound`."""
    with _changed(name) as row:
        row.paused = False


@contextmanager
def _changed(name: str) -> Iterator[Queue]:
    alias = conf().DATABASE
    try:
        with settled(name, alias) as row:
            yield row
    except Queue.DoesNotExist:
        known = ", ".join(Queue.objects.using(alias).values_list("name", flat=True)) or "none"
        raise QueueNotFound(queue=name, known=known) from None


def _columns(limits: dict[str, Any]) -> dict[str, Any]:
    """Limits as a person names them, as columns; each checked by itself."""
    found: dict[str, Any] = {}
    for limit, value in limits.items():
        if limit in ("limiter", "partition_limiter"):
            prefix = limit.removesuffix("limiter")
            checked = limits_of(**{limit: value})
            names = (f"{prefix}rate_limit", f"{prefix}rate_period")
            found.update({name: checked[name] for name in names})
        else:
            found[limit] = limits_of(**{limit: value})[limit]
    return found


def _facts(row: Queue | None) -> dict[str, Any] | None:
    return None if row is None else {name: getattr(row, name) for name in FACTS}


def _row(facts: dict[str, Any] | None) -> Any:
    return None if facts is None else Queue(**facts)


register_queue, aregister_queue = managed(_register_queue, _facts, _row)
retrieve_queue, aretrieve_queue = managed(_retrieve_queue, _facts, _row)
list_queues, alist_queues = managed(
    _list_queues, lambda rows: [_facts(row) for row in rows], lambda rows: [_row(facts) for facts in rows]
)
delete_queue, adelete_queue = managed(_delete_queue)
set_queue_limits, aset_queue_limits = managed(_set_queue_limits, _facts, _row)
clear_queue_limits, aclear_queue_limits = managed(_clear_queue_limits, _facts, _row)
pause_queue, apause_queue = managed(_pause_queue)
resume_queue, aresume_queue = managed(_resume_queue)
