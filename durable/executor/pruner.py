"""Deletes workflows with all that hangs on them: ended ones as `RETENTION` says, in batches that stall nobody."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from ..backends.backend import backend
from ..backends.dialect import Postgres, Sqlite
from ..chance import chance
from ..models import Attempt, Checkpoint, Event, Kind, Message, Step, StepAttempt, StreamEntry, Wait, Workflow
from ..states import FINAL
from .service import Service

log = logging.getLogger("durable.executor")

TABLES = (Step, StepAttempt, Attempt, Event, StreamEntry, Message, Wait)
"""What hangs on a workflow; a wait belongs to the workflow that waits."""

EVERY_SECONDS = 600.0
BATCH = 1000
FIRST_BATCH = 100
LONG_SECONDS = 0.5
"""What a batch may take: on SQLite every other writer waits as long."""
PAUSE_SECONDS = 0.05
ADVISORY = 0x64757261  # "dura", so that no lock of the application's own is meant


def erase(alias: str, ids: Collection[str], *, only: QuerySet[Workflow] | None = None) -> list[Workflow]:
    """Delete workflows and all their rows; gives back what was there: id, status and queue. Call it in a transaction.

    Their rows are locked first, in id order, so that nothing of a running one lands after the rows beside it are gone.
    With `only`, those that are in that set still, and that nobody else holds at the moment.
    """
    rows = Workflow.objects.using(alias) if only is None else only
    held = rows.filter(pk__in=ids).order_by("pk").select_for_update(skip_locked=only is not None)
    found = list(held.only("pk", "status", "queue"))
    if gone := [row.pk for row in found]:
        forget_checkpoints(alias, gone)
        for table in TABLES:
            table._default_manager.using(alias).filter(workflow_id__in=gone).delete()
        Workflow.objects.using(alias).filter(pk__in=gone).delete()
    return found


def forget_checkpoints(engine: str, ids: Collection[str]) -> None:
    """Delete what transactions on other databases keep there, or a workflow that gets the id anew would take it for
    its own. A database that cannot be written is left as it is: it may be a replica, or none of ours."""
    others = [alias for alias in connections if alias != engine and alias not in _without_checkpoints]
    if not others or not Step.objects.using(engine).filter(workflow_id__in=ids, kind=Kind.TRANSACTION).exists():
        return
    for alias in others:
        kept = Checkpoint.objects.using(alias).filter(workflow_id__in=ids)
        try:
            with transaction.atomic(using=alias):
                if kept.exists():
                    kept.delete()
        except DatabaseError as error:
            _without_checkpoints.add(alias)
            log.debug("database %s holds no checkpoints that could be deleted: %s", alias, error)


_without_checkpoints: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Which ended workflows go: those that ended more than `age` seconds ago, and all but the newest `rows`.

    Never one whose parent has not ended: it may still ask for the result.
    """

    age: float | None = None
    rows: int | None = None
    statuses: frozenset[str] = FINAL
    names: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    application: str | None = None

    def governed(self, alias: str) -> QuerySet[Workflow]:
        """The ended workflows that it speaks of."""
        rows = Workflow.objects.using(alias).filter(run_after=None, wake_at=None)
        if not self.statuses:  # no status at all, which a filter takes for any
            return rows.none()
        rows = rows.with_status(*self.statuses)
        if self.names:
            rows = rows.filter(name__in=self.names)
        if self.other_names:
            rows = rows.exclude(name__in=self.other_names)
        return rows if self.application is None else rows.filter(application=self.application)

    def count(self, alias: str) -> int:
        """How many would go."""
        either = self._conditions(alias)
        return self._superfluous(alias, reduce(or_, either)).count() if either else 0

    def prune(self, alias: str, batch: int = BATCH) -> Iterator[int]:
        """Delete them, oldest first, at most `batch` in the short transaction of each step: how many each deleted.

        What somebody else holds, or has resumed meanwhile, stays. The search goes on from where it was, so that what
        stays is passed once. Long histories make a batch smaller.
        """
        size = min(batch, FIRST_BATCH)
        for condition in self._conditions(alias):
            left = rows = self._superfluous(alias, condition)
            while page := list(left.order_by("created_at", "pk").values_list("created_at", "pk")[:size]):
                began = chance.monotonic()
                with transaction.atomic(using=alias):
                    gone = erase(alias, [pk for _, pk in page], only=rows)
                took = chance.monotonic() - began
                size = max(1, size // 2) if took > LONG_SECONDS else min(batch, size * 2)
                yield len(gone)
                left = rows.exclude(up_to(*page[-1])).filter(created_at__gte=page[-1][0])

    def _conditions(self, alias: str) -> list[Q]:
        """What goes by age and what by number, each found along an index: what ended before a time began before it."""
        found = []
        if self.age is not None:
            cutoff = datetime.fromtimestamp(max(database_now() - self.age, 0.0), UTC)
            found.append(Q(created_at__lt=cutoff, completed_at__lt=cutoff))
        if self.rows is not None:
            newest = self.governed(alias).order_by("-created_at", "-pk").values_list("created_at", "pk")
            if beyond := newest[self.rows : self.rows + 1].first():
                found.append(up_to(*beyond))
        return found

    def _superfluous(self, alias: str, condition: Q) -> QuerySet[Workflow]:
        parent_lives = Exists(Workflow.objects.using(alias).live().filter(pk=OuterRef("parent")))
        return self.governed(alias).filter(condition).exclude(parent_lives)

    def __str__(self) -> str:
        said = {"age": self.age, "rows": self.rows, "status": sorted(self.statuses), "name": self.names}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def up_to(created_at: datetime, pk: str) -> Q:
    """That workflow and all before it, in the order in which they were created."""
    return Q(created_at__lte=created_at) & (Q(created_at__lt=created_at) | Q(pk__lte=pk))


def database_now() -> float:
    """The database's clock: seconds since the epoch."""
    engine = backend()
    words: Any = Postgres if engine.vendor == "postgresql" else Sqlite
    return engine.run(engine.borrowed(), f"select {words.seconds(words.now)}")[0][0]


def prunings(retention: Mapping[str, Any], application: str) -> list[Pruning]:
    """What `RETENTION` says of the workflows of this application: for each workflow one rule, the most specific."""
    names = dict(retention.get("workflows", {}))
    statuses = {status: rule for status, rule in retention.items() if status in FINAL}
    rest: dict[str, Any] = {"other_names": tuple(names)}
    found: list[tuple[Any, dict[str, Any]]] = [(rule, {"names": (name,)}) for name, rule in names.items()]
    found += [(rule, {"statuses": frozenset({status}), **rest}) for status, rule in statuses.items()]
    found += [(retention.get("*"), {"statuses": FINAL - set(statuses), **rest})]
    return [Pruning(**rule, **which, application=application) for rule, which in found if rule]


class Pruner(Service):
    """Puts `RETENTION` in force every ten minutes, on one executor of the application at a time."""

    name = "pruner"

    def __init__(self, executor: Any):
        super().__init__(executor.clock)
        self.executor = executor
        self.backend = executor.backend
        self.session = executor.backend.own()

    def close(self) -> None:
        self.session.close()
        connections[self.backend.alias].close()

    def tick(self) -> float:
        if not self.executor.lease.holds:
            return self.executor.settings.POLL_SECONDS
        if not self.executor.is_draining and self.is_chosen():
            self.prune()
        connections[self.backend.alias].close()
        return EVERY_SECONDS

    def is_chosen(self) -> bool:
        """Whether no other executor prunes for this application: one stays chosen for as long as it lives.

        Two at once would do no harm, only the same search twice. So where sessions are shared (SQLite has none, a
        pooler hands them round) nobody is chosen and all may prune.
        """
        if self.backend.vendor != "postgresql" or not self.executor.settings.PREPARED_STATEMENTS:
            return True
        asked = "select pg_try_advisory_lock(%(ours)s::int, hashtext(%(application)s))"
        application = self.executor.settings.APPLICATION_NAME
        [(chosen,)] = self.session.run(asked, {"ours": ADVISORY, "application": application})
        if not chosen:
            self.session.close()
        return chosen

    def prune(self) -> None:
        settings = self.executor.settings
        for pruning in prunings(settings.RETENTION, settings.APPLICATION_NAME):
            total = 0
            for deleted in pruning.prune(self.backend.alias):
                total += deleted
                if self.stopping.is_set() or not self.executor.lease.holds:
                    return
                self.clock.rest(self.stopping, PAUSE_SECONDS)
            if total:
                log.info("retention deleted %d workflows: %s", total, pruning)
