"""Which code runs, and which work waits for code that nobody runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Q

from durable.filters import WorkflowFilter
from durable.models import Executor, Workflow
from durable.models.workflow import WorkflowQuerySet

from .paging import CAP


@dataclass(slots=True)
class Code:
    """One workflow function in one version, "" for work that names none: who runs it, and what needs it."""

    name: str
    version: str
    executors: list[Executor] = field(default_factory=list)
    running: int = 0
    waiting: int = 0
    parked: int = 0
    since: datetime | None = None
    """When the oldest of the waiting was accepted."""
    is_served: bool = False

    @property
    def idle(self) -> int:
        """Those that no executor holds."""
        return self.waiting + self.parked

    @property
    def is_stranded(self) -> bool:
        """Whether something needs it and nobody runs it."""
        return self.idle > 0 and not self.is_served

    @property
    def query(self) -> str:
        """The list of what needs it."""
        chosen = WorkflowFilter(name=self.name, version=self.version or None, status=("ENQUEUED", "DELAYED", "PENDING"))
        return chosen.to_query()


class Fleet:
    """The living executors and the unfinished work, by function and version."""

    def __init__(self, alias: str, serving: Iterable[Executor]):
        self.serving = list(serving)
        self.workflows = Workflow.objects.using(alias)

    @cached_property
    def served(self) -> dict[str, set[str]]:
        """The versions in which living executors run each function."""
        found: dict[str, set[str]] = defaultdict(set)
        for executor in self.serving:
            for name, version in executor.definitions.items():
                found[name].add(str(version))
        return found

    def serves(self, name: str, version: str) -> bool:
        """Whether somebody can run it; work that names no version goes to whoever knows the function."""
        return version in self.served[name] if version else bool(self.served.get(name))

    @cached_property
    def codes(self) -> list[Code]:
        """Every function and version that runs or is needed, the stranded first."""
        found: dict[tuple[str, str], Code] = {}
        for executor in self.serving:
            for name, version in executor.definitions.items():
                code = found.setdefault((name, str(version)), Code(name, str(version)))
                code.executors.append(executor)
        for name, version, holder, parked, created in self._unfinished:
            code = found.setdefault((name, version), Code(name, version))
            if holder is not None:
                code.running += 1
            elif parked:
                code.parked += 1
            else:
                code.waiting += 1
                code.since = min(code.since or created, created)
        for code in found.values():
            code.is_served = self.serves(code.name, code.version)
            if not code.version:
                code.executors = [executor for executor in self.serving if code.name in executor.definitions]
        return sorted(found.values(), key=lambda code: (not code.is_stranded, -code.idle, code.name, code.version))

    @property
    def shown(self) -> list[Code]:
        """Without the steps that could be started alone, as nobody does so far."""
        return [code for code in self.codes if not code.name.startswith("<") or code.idle or code.running]

    @property
    def stranded(self) -> list[Code]:
        return [code for code in self.codes if code.is_stranded]

    @cached_property
    def _rows(self) -> tuple[list[Any], list[Any]]:
        columns = ("name", "version", "executor", "waiting_for", "created_at")
        ready = self.workflows.filter(run_after__isnull=False).order_by().values_list(*columns)[: CAP + 1]
        aside = self.workflows.filter(run_after__isnull=True, wake_at__isnull=False)
        return list(ready), list(aside.order_by().values_list(*columns)[: CAP + 1])

    @property
    def is_cut(self) -> bool:
        """Whether there was more than was counted, so that every figure means "at least"."""
        return any(len(rows) > CAP for rows in self._rows)

    @property
    def _unfinished(self) -> Iterable[tuple[str, str, str | None, bool, datetime]]:
        """Name, version, executor, whether it waits for something else than code, when it was accepted."""
        ready, aside = self._rows
        for name, version, executor, _, created in ready:
            yield name, version or "", executor, False, created
        for name, version, _, waiting_for, created in aside:
            yield name, version or "", None, not (waiting_for or "").startswith("executor:"), created


def idle_of(alias: str, name: str, version: str) -> WorkflowQuerySet:
    """The unfinished workflows of a function and version that no executor holds, the oldest first."""
    held = Q(run_after__isnull=False, executor__isnull=False)
    mine = Q(version=version) if version else Q(version__isnull=True)
    rows = Workflow.objects.using(alias).listed().live().filter(mine, name=name).exclude(held)
    return rows.order_by("created_at", "pk")
