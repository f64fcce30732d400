"""Who is alive in the workflow table: unfinished work counted by queue, name and phase, at a bounded cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from durable.conf import conf
from durable.filters import WorkflowFilter, in_phase
from durable.models import INTERNAL_QUEUE, Executor, Workflow
from durable.models.workflow import WorkflowQuerySet
from durable.states import FINAL, OF_STATUS, PHASES, phase_of

from .paging import CAP, capped_count, figure

ENDED = tuple(OF_STATUS[status] for status in OF_STATUS if status in FINAL)
LIVING = tuple(key for key in PHASES if key not in ENDED)
WAITING = ("queued", "unserved", "ready")
PARKED = ("sleeping", "message", "event", "stream", "child", "backoff")


@dataclass(frozen=True, slots=True)
class Group:
    """Unfinished workflows that are alike. `since` is when the oldest became ready; `placed` if they hold a place."""

    queue: str
    name: str
    phase: str
    placed: bool
    count: int
    since: datetime | None


class Census:
    """A count of the unfinished among `workflows`. Each of the two indexes is read up to `CAP` rows, then `is_cut`."""

    def __init__(self, workflows: WorkflowQuerySet):
        self.workflows = workflows

    @cached_property
    def groups(self) -> list[Group]:
        ready = self.workflows.filter(run_after__isnull=False)
        parked = self.workflows.filter(run_after__isnull=True, wake_at__isnull=False)
        return [*self._grouped(ready), *self._grouped(parked)]

    def _grouped(self, arm: WorkflowQuerySet) -> Iterable[Group]:
        # Grouped here: for ten thousand rows that is as quick as in SQL, and its cost does not hang on a planner.
        columns = ("queue", "name", "status", "executor", "waiting_for", "admitted", "run_after")
        counts: Counter[tuple[str, str, str, bool]] = Counter()
        since: dict[tuple[str, str, str, bool], datetime] = {}
        for queue, name, status, executor, waiting_for, admitted, ready in arm.order_by().values_list(*columns)[
            : CAP + 1
        ]:
            alike = (queue, name, phase_of(status, executor, waiting_for, ready is not None).key, admitted is not None)
            counts[alike] += 1
            if ready and (alike not in since or ready < since[alike]):
                since[alike] = ready
        return (Group(*alike, count, since.get(alike)) for alike, count in counts.items())

    @property
    def is_cut(self) -> bool:
        """Whether there was more than was counted, so that every figure means "at least"."""
        return self.count() > CAP

    def count(self, *phases: str, queue: str | None = None, placed: bool | None = None) -> int:
        """How many are in any of `phases` (all when none is given), in a queue, with or without a place."""
        return sum(
            group.count
            for group in self.groups
            if (not phases or group.phase in phases)
            and (queue is None or group.queue == queue)
            and (placed is None or group.placed is placed)
        )

    def oldest(self, *phases: str, queue: str | None = None) -> Group | None:
        """The group in which somebody has been ready for longest."""
        groups = [g for g in self.groups if g.phase in phases and g.since and (queue is None or g.queue == queue)]
        return min(groups, key=lambda group: group.since, default=None)

    def figure(self, *phases: str, queue: str | None = None, placed: bool | None = None) -> str:
        """A count as people read it: "1,482", or "10,000+" where the census was cut."""
        count = self.count(*phases, queue=queue, placed=placed)
        return f"{min(count, CAP):,}+" if self.is_cut and count else f"{count:,}"

    @property
    def queues(self) -> set[str]:
        return {group.queue for group in self.groups}


def by_phase(workflows: WorkflowQuerySet) -> dict[str, str]:
    """Every phase with its count among `workflows`, as people read it."""
    census = Census(workflows)
    counts = {key: census.figure(key) for key in LIVING}
    return counts | {key: figure(capped_count(workflows.filter(in_phase(key)))) for key in ENDED}


class Coverage:
    """What the executors that take work can take."""

    def __init__(self, serving: list[Executor]):
        self.serving = serving
        self.names = {name for executor in serving for name in executor.definitions}

    def of_queue(self, queue: str) -> list[Executor]:
        """The executors that serve a queue. A start without a queue is served by all."""
        return [e for e in self.serving if queue == INTERNAL_QUEUE or e.queues is None or queue in e.queues]

    def serves(self, queue: str, name: str) -> bool:
        """Whether someone takes workflows of this name from this queue."""
        return any(name in executor.definitions for executor in self.of_queue(queue))

    def gap(self, queue: str, name: str, version: str | None = None) -> str:
        """Why nobody takes it, as a clause; "" when someone does.

        Where versions are strict, work that names one waits for it; elsewhere another takes it over.
        """
        if self.serves(queue, name):
            if version is None or conf().VERSIONS != "strict":
                return ""
            if any(executor.definitions.get(name) == version for executor in self.of_queue(queue)):
                return ""
            return f"no living executor runs version {version} of {name}"
        if not self.serving:
            return "no executor takes work"
        if not self.of_queue(queue):
            return f"no living executor serves queue {queue}"
        where = " of its queue" if name in self.names else ""
        return f"no living executor{where} knows {name}"

    def unserved(self, census: Census) -> Counter[tuple[str, str]]:
        """Waiting work that nobody takes, by queue and name."""
        gaps: Counter[tuple[str, str]] = Counter()
        for group in census.groups:
            if group.phase == "unserved" or (group.phase in WAITING and not self.serves(group.queue, group.name)):
                gaps[group.queue, group.name] += group.count
        return gaps


def chosen_workflows(chosen: WorkflowFilter, alias: str) -> WorkflowQuerySet:
    return chosen.apply(Workflow.objects.using(alias))
