"""Steering workflows by id: cancel, resume, delay, attributes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from .backends.backend import backend
from .chance import chance
from .errors import InvalidOption, NotDelayable, NotResumable, WorkflowNotFound
from .executor.outside import tell
from .handles import WorkflowHandle
from .limits import check_name
from .models import INTERNAL_QUEUE, Now, Workflow
from .options import StartOptions, check_attributes
from .states import Status
from .verbs import managed


def _cancel_workflow(workflow_id: str, *, cancel_children: bool = False) -> bool:
    """Cancel a workflow: it leaves its queue, a waiting run wakes, a running one stops at its next operation.

    `cancel_children`: also all that it started, at any depth. True when this call cancelled it, False when it had
    ended. Raises `WorkflowNotFound`.
    """
    cancelled = _cancel_workflows([workflow_id], cancel_children=cancel_children)
    if workflow_id not in cancelled:
        _exists(workflow_id)
    return workflow_id in cancelled


def _cancel_workflows(workflow_ids: Iterable[str], *, cancel_children: bool = False) -> list[str]:
    """Cancel several workflows together; the ids of those that this call cancelled, without unknown and ended ones."""
    engine = backend()
    session = engine.borrowed()
    ids = ids_of(workflow_ids)
    with transaction.atomic(using=engine.alias):
        if cancel_children:
            ids = [*ids, *(row[0] for row in engine.run(session, engine.sql.descendants, ids=engine.pack(ids)))]
        rows = engine.run(session, engine.sql.cancel, ids=engine.pack(ids))
        _note([(workflow, epoch, executor) for workflow, epoch, executor, _ in rows], "cancelled")
        cancelled = [row[0] for row in rows]
        queues = {f"q:{row[3]}" for row in rows}  # what they leave behind is room for others
        changed = {f"{kind}:{each}" for each in cancelled for kind in "cw"} | queues
        _tell_on_commit([{"k": "child", "t": each, "d": ""} for each in cancelled], changed)
    return cancelled


def _resume_workflow(workflow_id: str, *, queue: str | None = None) -> WorkflowHandle[Any]:
    """Let a cancelled or dead-lettered workflow go on from its last recorded step, at once, bypassing its queue.

    `queue`: let it wait its turn there instead. An enqueued or delayed one starts at once. A running or finished one is
    left as it is. Raises `WorkflowNotFound`, and `NotResumable` for one that ended in an error: its error is recorded,
    so running it again would raise it again.
    """
    return _resume_workflows([workflow_id], queue=queue)[0]


def _resume_workflows(workflow_ids: Iterable[str], *, queue: str | None = None) -> list[WorkflowHandle[Any]]:
    """Resume several workflows together, or none when one of them cannot be: see `resume_workflow`."""
    engine = backend()
    session = engine.borrowed()
    ids = ids_of(workflow_ids)
    if queue is not None:
        check_name(queue)
    place = queue or INTERNAL_QUEUE
    with transaction.atomic(using=engine.alias):
        rows = engine.run(session, engine.sql.resume, ids=engine.pack(ids), queue=place)
        resumed = {row[0] for row in rows}
        for each in ids:
            if each not in resumed:
                _explain(each)
        _note([(workflow, epoch, None) for workflow, epoch in rows], "resumed")
        _tell_on_commit([], {f"q:{place}", *(f"c:{each}" for each in resumed)})
    return [WorkflowHandle(each) for each in ids]


def _set_workflow_delay(workflow_id: str, *, seconds: float | None = None, until: datetime | None = None) -> None:
    """Let a workflow that has not started wait until `seconds` from now, or `until` a time (naive ones are UTC).

    It then joins its queue at the end. Raises `WorkflowNotFound`, `InvalidOption`, and `NotDelayable` for one that has
    started, has ended or is debounced.
    """
    if (seconds is None) == (until is None):
        raise InvalidOption(option="delay", value=(seconds, until), hint="give seconds=... or until=..., one of them")
    StartOptions(delay=seconds)
    if until is not None and timezone.is_naive(until):
        until = until.replace(tzinfo=UTC)
    moment = None if until is None else until.timestamp()
    if moment is not None and not 0 <= moment < chance.now() + 10**10:
        raise InvalidOption(option="until", value=until, hint="give a time within the next three centuries")
    engine = backend()
    with transaction.atomic(using=engine.alias):
        rows = engine.run(engine.borrowed(), engine.sql.delay, id=workflow_id, seconds=seconds, until=moment)
        if not rows:
            raise NotDelayable(workflow_id=workflow_id, status=_exists(workflow_id))
        _tell_on_commit([], {"t:"})


def _update_workflow_attributes(workflow_id: str, attributes: Mapping[str, Any], *, merge: bool = False) -> None:
    """Replace the attributes by which a workflow is found, or add to them with `merge`. Raises `WorkflowNotFound`."""
    check_attributes(attributes)
    alias = backend().alias
    rows = Workflow.objects.using(alias).filter(pk=workflow_id)
    with transaction.atomic(using=alias):
        row = rows.select_for_update().only("attributes").first()
        if row is None:
            raise WorkflowNotFound(workflow_id=workflow_id)
        known = row.attributes or {} if merge else {}
        rows.update(attributes={**known, **attributes}, updated_at=Now())


def ids_of(workflow_ids: Iterable[str]) -> list[str]:
    """Each id once, in order. Raises `InvalidOption` for what is no id."""
    ids = (
        list(workflow_ids)
        if isinstance(workflow_ids, Iterable) and not isinstance(workflow_ids, str)
        else [workflow_ids]
    )
    for each in ids:
        if not isinstance(each, str):
            raise InvalidOption(option="workflow_ids", value=each, hint="give the ids of workflows, as texts")
    return list(dict.fromkeys(ids))


def _exists(workflow_id: str) -> str:
    """The status of a workflow. Raises `WorkflowNotFound`."""
    row = Workflow.objects.using(backend().alias).filter(pk=workflow_id).values("status").first()
    if row is None:
        raise WorkflowNotFound(workflow_id=workflow_id)
    return row["status"]


def _explain(workflow_id: str) -> None:
    if _exists(workflow_id) == Status.ERROR:
        reason = "its error is recorded, and a resumed run would only raise it again. Fork it from an earlier step."
        raise NotResumable(workflow_id=workflow_id, status="ERROR", reason=reason)


def _note(ended: list[tuple[str, int, str | None]], outcome: str) -> None:
    if ended:
        engine = backend()
        attempts = [{"w": workflow, "e": epoch, "x": executor, "t": outcome} for workflow, epoch, executor in ended]
        engine.run(engine.borrowed(), engine.sql.attempts, attempts=json.dumps(attempts))


def _tell_on_commit(conditions: list[dict[str, str]], changed: set[str]) -> None:
    transaction.on_commit(lambda: tell(conditions, changed), using=backend().alias)


cancel_workflow, acancel_workflow = managed(_cancel_workflow)
cancel_workflows, acancel_workflows = managed(_cancel_workflows)
resume_workflow, aresume_workflow = managed(_resume_workflow, lambda handle: handle.workflow_id, WorkflowHandle)
resume_workflows, aresume_workflows = managed(
    _resume_workflows, lambda handles: [each.workflow_id for each in handles], lambda ids: [*map(WorkflowHandle, ids)]
)
set_workflow_delay, aset_workflow_delay = managed(_set_workflow_delay)
update_workflow_attributes, aupdate_workflow_attributes = managed(_update_workflow_attributes)
