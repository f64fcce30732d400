"""Changing a queue while its workflows run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Q

from ..models import Now, Queue, Workflow
from .outside import tell


@contextmanager
def settled(name: str, alias: str) -> Iterator[Queue]:
    """A queue's row, locked; what the block changes in `declared`, `override`, kind and pause is then put in force.

    A queue that gains a limit while its workflows run counts them from now on. Raises `Queue.DoesNotExist`.
    """
    with transaction.atomic(using=alias):
        row = Queue.objects.using(alias).select_for_update().get(name=name)
        was_limited, was_partitioned = row.is_limited, row.partitioned
        yield row
        row.settle()
        row.updated_at = Now()
        row.save(using=alias)
        adapt(row, alias, was_limited=was_limited, was_partitioned=was_partitioned)


def adapt(row: Queue, alias: str, *, was_limited: bool = False, was_partitioned: bool = False) -> None:
    """Let the workflows that are in a queue already fit what it has become, and executors read its limits anew."""
    workflows = Workflow.objects.using(alias).filter(queue=row.name)
    if row.partitioned and not was_partitioned:
        alive = Q(run_after__isnull=False) | Q(wake_at__isnull=False)
        workflows.filter(alive, partition_key=None).update(partition_key="")
    if row.is_limited and not was_limited:
        workflows.filter(status="PENDING", admitted=None).update(admitted=row.name)
    transaction.on_commit(lambda: tell([], {f"q:{row.name}", "t:"}), using=alias)
