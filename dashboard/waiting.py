"""Why a workflow is queued: its place, what was checked, and the sentence that follows."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString

from durable.filters.phases import waits
from durable.models import Workflow

from .lines import Line
from .paging import CAP, capped_count, figure
from .partitions import AT_LIMIT, Partition, partition_of
from .templatetags.durable_console import moment
from .wording import plural, rough


@dataclass(frozen=True)
class Check:
    """One condition of starting: whether it holds, what it is, and the evidence."""

    holds: bool
    words: str
    evidence: SafeString | str = ""


@dataclass(frozen=True)
class Answer:
    """Why `workflow` waits. `sentence` is its first failing check in words."""

    workflow: Workflow
    position: str
    waiting: str
    sentence: str
    checks: list[Check] = field(default_factory=list)


def in_line(alias: str, queue: str) -> QuerySet[Workflow]:
    """Those that are ready in a queue and that nobody holds, the next first."""
    ready = Workflow.objects.using(alias).listed().filter(queue=queue, run_after__isnull=False, executor__isnull=True)
    return ready.order_by("priority", "position", "pk")


def set_aside(alias: str, queue: str) -> QuerySet[Workflow]:
    """Those that left a queue's line because no living executor has their function, the oldest first."""
    aside = Workflow.objects.using(alias).listed().filter(queue=queue, run_after=None).filter(waits("executor"))
    return aside.order_by("created_at", "pk")


def why(workflow: Workflow, line: Line, held: dict[str, int], alias: str) -> Answer:
    """Explain a workflow that waits in `line`, of which each executor runs as many as `held` says."""
    partition = partition_of(workflow, line.row, alias)
    before = in_line(alias, line.name).filter(
        Q(priority__lt=workflow.priority) | Q(priority=workflow.priority, position__lt=workflow.position)
    )
    ahead = capped_count(before.filter(partition_key=workflow.partition_key) if partition else before)
    able = able_to_run(workflow, line, held)
    checks = checks_of(workflow, line, able, ahead, partition)
    position = figure(ahead + 1) if ahead <= CAP else figure(ahead)
    waiting = "its partition" if partition else line.waiting_figure
    return Answer(workflow, position, waiting, sentence(workflow, line, able, ahead, partition), checks)


def able_to_run(workflow: Workflow, line: Line, held: dict[str, int]) -> dict[str, int]:
    """The executors that could run it, with the room that each has left for this queue."""
    limit = line.row.worker_concurrency
    room = {}
    for executor in line.servers:
        if workflow.name in executor.definitions:
            free = executor.concurrency - executor.running
            room[executor.pk] = max(min(free, limit - held.get(executor.pk, 0)) if limit is not None else free, 0)
    return room


def checks_of(
    workflow: Workflow, line: Line, able: dict[str, int], ahead: int, partition: Partition | None
) -> list[Check]:
    row, servers = line.row, line.servers
    nobody = "Nobody of its partition is ahead" if partition else "Nobody is ahead"
    checks = [
        Check(not row.paused, "The queue is not paused"),
        Check(bool(servers), "An executor serves the queue", plural(len(servers), "executor")),
        Check(bool(able), f"One of them knows {workflow.name}", plural(len(able), "executor")),
        Check(any(able.values()), "One of them has room", f"{sum(able.values()):,} free"),
        Check(ahead == 0, nobody, f"{figure(ahead)} ahead" if ahead else ""),
        Check(workflow.run_after is not None, "It is due", moment(workflow.run_after) if workflow.run_after else ""),
    ]
    if partition and row.partition_concurrency is not None:
        free = partition.taken < row.partition_concurrency
        evidence = f"{partition.taken:,} of {row.partition_concurrency:,} in use"
        checks.insert(1, Check(free, "A slot of its partition is free", evidence))
    if partition and row.partition_rate_limit is not None:
        free = partition.starts < row.partition_rate_limit
        evidence = f"{partition.starts} of {row.partition_rate_limit} used"
        checks.insert(1, Check(free, "The rate of its partition allows a start", evidence))
    if row.concurrency is not None:
        checks.insert(1, Check(not line.is_full, "A slot is free", f"{line.taken:,} of {row.concurrency:,} in use"))
    if row.rate_limit:
        used = len(line.recent_starts)
        checks.insert(1, Check(not line.is_at_rate, "The rate allows a start", f"{used} of {row.rate_limit} used"))
    return sorted(checks, key=lambda check: check.holds)


def sentence(workflow: Workflow, line: Line, able: dict[str, int], ahead: int, partition: Partition | None) -> str:
    """The cause, the heaviest first."""
    row = line.row
    if row.paused:
        return "The queue is paused."
    if gap := line.coverage.gap(line.name, workflow.name, workflow.version):
        return f"{gap[0].upper()}{gap[1:]}."
    also = f", and {figure(ahead)} {'is' if ahead == 1 else 'are'} ahead of it" if ahead else ""
    if line.is_full and row.concurrency == 1:
        return f"The only slot of {line.title} is in use{also}."
    if line.is_full:
        return f"All {plural(row.concurrency, 'slot')} of {line.title} are in use{also}."
    if line.is_at_rate:
        wait = rough(row.rate_period - line.recent_starts[-1])
        return f"{plural(row.rate_limit, 'start')} were made in the window; the next is possible in {wait}{also}."
    if partition and partition.holds:
        limit = "limit" if partition.holds == AT_LIMIT else "rate limit"
        return f"Partition {partition.key or 'without a key'} is at its {limit}{also}."
    if not any(able.values()):
        return f"Every executor that knows it is at its limit{also}."
    if ahead:
        return f"{figure(ahead)} {'is' if ahead == 1 else 'are'} ahead of it."
    return "It is next and starts in a moment."
