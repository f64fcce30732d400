"""Deleting workflows, with everything that hangs on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction

from .backends.backend import backend
from .errors import InvalidOption
from .executor.outside import tell
from .executor.pruner import erase
from .models import Workflow
from .states import LIVE
from .steering import ids_of
from .verbs import managed

CHUNK = 500


def _delete_workflow(workflow_id: str, delete_children: bool = False) -> bool:
    """Delete a workflow and all its rows; with `delete_children` those that it started too, at any depth.

    A running one is stopped by it: it writes nothing more, and who waits for it gets `WorkflowNotFound`. True when it
    was there, False for an unknown id. Inside a workflow this is a recorded step.
    """
    return _delete_workflows([workflow_id], delete_children) > 0


def _delete_workflows(workflow_ids: Iterable[str], delete_children: bool = False) -> int:
    """`delete_workflow` for many, all in one transaction: how many of those ids were there. Unknown ids are passed
    over."""
    ids = [check_id(each) for each in ids_of(workflow_ids)]
    with transaction.atomic(using=backend().alias):
        gone = delete(ids)
        if delete_children:
            delete_trees(children_of(gone))
    return len(gone)


delete_workflow, adelete_workflow = managed(_delete_workflow)
delete_workflows, adelete_workflows = managed(_delete_workflows)


def delete(ids: Iterable[str]) -> set[str]:
    """Delete workflows in the caller's transaction, and tell after its commit those who ran or awaited them."""
    alias = backend().alias
    gone = [row for chunk in chunks(ids) for row in erase(alias, chunk)]
    if lived := [row for row in gone if row.status in LIVE]:
        ended = [{"k": "child", "t": row.id, "d": ""} for row in lived]
        changed = {f"{kind}:{row.id}" for row in lived for kind in "cw"} | {f"q:{row.queue}" for row in lived}
        transaction.on_commit(lambda: tell(ended, changed), using=alias)
    return {row.id for row in gone}


def delete_trees(ids: Iterable[str]) -> None:
    """`delete`, and those that they started, and so on: from the top, so that nobody is left to start another."""
    while ids:
        ids = children_of(delete(ids))


def children_of(ids: Iterable[str]) -> list[str]:
    rows = Workflow.objects.using(backend().alias)
    return [child for chunk in chunks(ids) for child in rows.filter(parent__in=chunk).values_list("pk", flat=True)]


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """In id order, which is the order of all locks, so that two who delete the same never wait for each other."""
    ordered = sorted(set(ids))
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))


def check_id(workflow_id: Any) -> str:
    """Raises `InvalidOption` for what cannot be the id of a workflow."""
    if not isinstance(workflow_id, str) or "\x00" in workflow_id or any("\ud800" <= c <= "\udfff" for c in workflow_id):
        raise InvalidOption(option="workflow_id", value=workflow_id, hint="give the id of a workflow, as text")
    return workflow_id
