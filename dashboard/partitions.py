"""The partitions of a queue: how many of each wait and run, and what holds them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from durable.models import Queue, Workflow
from durable.models.workflow import WorkflowQuerySet

from .paging import CAP, capped_count

AT_LIMIT, AT_RATE = "At its limit", "At rate limit"
MOST = 50
"""Partitions that a page shows, those with the most waiting first."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition now. `taken` is how many hold a place, `starts` how many were made in the present window."""

    key: str
    waiting: int
    taken: int
    starts: int
    row: Queue

    @property
    def holds(self) -> str:
        """What holds it, "" when nothing does."""
        row = self.row
        if row.partition_concurrency is not None and self.taken >= row.partition_concurrency:
            return AT_LIMIT
        if row.partition_rate_limit is not None and self.starts >= row.partition_rate_limit:
            return AT_RATE
        return ""


def partitions_of(row: Queue, workflows: WorkflowQuerySet) -> tuple[list[Partition], bool]:
    """The partitions in which something waits, runs or was just started, and whether there is more than was counted.

    `workflows` are those of the queue; of each of the two indexes at most `CAP` rows are read.
    """
    ready = workflows.filter(run_after__isnull=False, admitted__isnull=True, partition_key__isnull=False)
    placed = workflows.filter(admitted=row.name)
    waiting = [key or "" for (key,) in ready.order_by().values_list("partition_key")[: CAP + 1]]
    taken = [key or "" for (key,) in placed.order_by().values_list("partition_key")[: CAP + 1]]
    waits, holds, starts = Counter(waiting), Counter(taken), recent(row)
    found = [
        Partition(key, waits[key], holds[key], starts.get(key, 0), row)
        for key in {*waits, *holds, *starts}
    ]  # fmt: skip
    found.sort(key=lambda partition: (-partition.waiting, -partition.taken, partition.key))
    return found, max(len(waiting), len(taken)) > CAP


def partition_of(workflow: Workflow, row: Queue, alias: str) -> Partition | None:
    """The partition in which a workflow waits, None in a queue without; how many wait in it is not counted."""
    if not row.partitioned:
        return None
    key = workflow.partition_key or ""
    taken = capped_count(Workflow.objects.using(alias).filter(admitted=row.name, partition_key=key))
    return Partition(key, 0, taken, recent(row).get(key, 0), row)


def recent(row: Queue) -> dict[str, int]:
    """How many starts of each partition lie in the present window."""
    if row.partition_rate_limit is None or not isinstance(row.partition_starts, dict):
        return {}
    since = time.time() - (row.partition_rate_period or 0.0)
    found = {
        key: sum(1 for start in starts if isinstance(start, (int, float)) and start > since)
        for key, starts in row.partition_starts.items()
        if isinstance(starts, list)
    }
    return {key: count for key, count in found.items() if count}
