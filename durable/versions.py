"""Versions of the code: which there are, which is the latest, and how code is changed under running workflows."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from .conf import conf
from .engine import patching
from .errors import InvalidOption, NonDeterminism, VersionNotFound, WorkflowNotFound
from .executor.outside import tell
from .models import Now, Version, Workflow
from .states import LIVE, Status
from .steering import ids_of
from .verbs import IN_WORKFLOW, check_text, managed, verb

MOVABLE = LIVE | {Status.CANCELLED, Status.DEAD}
FACTS = ("id", "application", "name", "created_at", "promoted_at")

_patch, _apatch = verb(patching.patch, "patch", IN_WORKFLOW)
_deprecate, _adeprecate = verb(patching.deprecate_patch, "deprecate_patch", IN_WORKFLOW)


def patch(name: str) -> bool:
    """Whether this execution takes the new way of a changed workflow: `if durable.patch("v2"): new() else: old()`.

    True for an execution that reaches this line for the first time, and for every replay of it; False for one that had
    passed this line before the change. Name each change once; replace the call by `deprecate_patch` when no execution
    takes the old way any more. Only in a workflow.
    """
    return _patch(check_text("name", name))


def apatch(name: str) -> Awaitable[bool]:
    """`patch` for coroutines."""
    return _apatch(check_text("name", name))


def deprecate_patch(name: str) -> bool:
    """Keep executions that recorded `patch(name)` in step after the old way was removed; always True.

    Remove it when all of them have ended.
    """
    return _deprecate(check_text("name", name))


def adeprecate_patch(name: str) -> Awaitable[bool]:
    """`deprecate_patch` for coroutines."""
    return _adeprecate(check_text("name", name))


def _versions() -> list[Version]:
    settings = conf()
    return list(Version.objects.using(settings.DATABASE).filter(application=settings.APPLICATION_NAME))


def _list_versions() -> list[Version]:
    """Every version of this application that an executor has run, the latest first."""
    return _versions()


def _latest_version() -> Version | None:
    """The version that was promoted last, or None before the first executor has started."""
    return next(iter(_versions()), None)


def _set_latest_version(name: str) -> None:
    """Make `name` the latest version: where versions are strict, its executors take work that names no version.

    Raises `VersionNotFound`.
    """
    settings = conf()
    rows = Version.objects.using(settings.DATABASE).filter(application=settings.APPLICATION_NAME)
    with transaction.atomic(using=settings.DATABASE):
        if not rows.filter(name=name).update(promoted_at=Now()):
            known = ", ".join(rows.values_list("name", flat=True)) or "none"
            raise VersionNotFound(version=name, known=known)
        _let_go_on(Workflow.objects.using(settings.DATABASE).filter(version=None))


def _move_to_version(workflow_ids: Iterable[str], version: str) -> int:
    """Let executors of `version` go on with these workflows; how many were moved.

    Those that have succeeded or failed are left as they are; cancelled and dead ones, and those that ended with
    `NonDeterminism`, are moved and wait to be resumed. Journals guard the move: an operation that differs from the
    recorded one ends the workflow with `NonDeterminism`, and it can be moved back and resumed. Raises
    `WorkflowNotFound`, and then moves none.
    """
    ids = ids_of(workflow_ids)
    if not isinstance(version, str) or not version.strip():
        raise InvalidOption(option="version", value=version, hint="give the version's name")
    alias = conf().DATABASE
    rows = Workflow.objects.using(alias).filter(pk__in=ids)
    with transaction.atomic(using=alias):
        found = {row.pk for row in rows.order_by("pk").select_for_update().only("pk")}
        for each in ids:
            if each not in found:
                raise WorkflowNotFound(workflow_id=each)
        moved = rows.filter(Q(status__in=MOVABLE) | Q(error_type=NonDeterminism.__name__))
        number = moved.update(version=version, updated_at=Now())
        _let_go_on(rows)
    return number


def _let_go_on(rows: QuerySet[Workflow]) -> None:
    """What was set aside because no living executor could run it is looked at again."""
    aside = rows.filter(wake_at__isnull=False, waiting_for__startswith="executor:")
    queues = {f"q:{queue}" for queue in aside.values_list("queue", flat=True).distinct()}
    aside.update(run_after=Now(), wake_at=None, waiting_for=None)
    transaction.on_commit(lambda: tell([], queues), using=rows.db)


def _facts(version: Version | None) -> dict[str, Any] | None:
    return None if version is None else {name: getattr(version, name) for name in FACTS}


list_versions, alist_versions = managed(
    _list_versions, lambda rows: [_facts(row) for row in rows], lambda rows: [Version(**row) for row in rows]
)
latest_version, alatest_version = managed(_latest_version, _facts, lambda row: None if row is None else Version(**row))
set_latest_version, aset_latest_version = managed(_set_latest_version)
move_to_version, amove_to_version = managed(_move_to_version)
