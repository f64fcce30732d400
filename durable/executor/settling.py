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
    """A queue's row, locked; what the block changes in `declared`, `override` and kind is then put in force.

    A queue that gains a limit while its workflows run counts them from now on. Raises `Queue.DoesNotExist`.
    """
    rows = Queue.objects.using(alias)
    with transaction.atomic(using=alias):
        row = rows.select_for_update().get(name=name)
        was_limited, was_partitioned = row.is_limited, row.partitioned
        yield row
        row.settle()
        row.updated_at = Now()
        row.save(using=alias)
        workflows = Workflow.objects.using(alias).filter(queue=name)
        if row.partitioned and not was_partitioned:
            alive = Q(run_after__isnull=False) | Q(wake_at__isnull=False)
            workflows.filter(alive, partition_key=None).update(partition_key="")
        if row.is_limited and not was_limited:
            workflows.filter(status="PENDING", admitted=None).update(admitted=name)
        transaction.on_commit(lambda: tell([], {f"q:{name}"}), using=alias)
