"""Starting and steering workflows by id and by name."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

from .backends.backend import backend
from .definition import new_by_name, start_options
from .errors import InvalidOption, NotResumable, WorkflowNotFound
from .executor.outside import tell
from .handles import WorkflowHandle
from .models import INTERNAL_QUEUE, Workflow
from .queue import start_of
from .verbs import afirst, first, start


def start_workflow(fn: Any, /, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
    """Start a workflow, step or transaction in the background; its handle once it is stored."""
    return start_of(fn).start(*args, **kwargs)


def astart_workflow(fn: Any, /, *args: Any, **kwargs: Any) -> Awaitable[WorkflowHandle[Any]]:
    """`start_workflow` for coroutines."""
    return start_of(fn).astart(*args, **kwargs)


def enqueue_by_name(queue: str, name: str, /, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
    """Enqueue a workflow of another application by its name; it waits until an executor knows the name."""
    return start_by_name(name, args, kwargs, queue=queue)


def start_by_name(name: str, args: Iterable[Any] = (), kwargs: Any = None, **options: Any) -> WorkflowHandle[Any]:
    """Start a workflow that this process need not know, by name. `options`: see `StartOptions`."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidOption(option="name", value=name, hint="give the workflow's name")
    return WorkflowHandle(start(new_by_name(name, start_options(options), tuple(args), dict(kwargs or {}))))


def retrieve_workflow(workflow_id: str) -> WorkflowHandle[Any]:
    """A handle on an existing workflow. Raises `WorkflowNotFound`."""
    if not Workflow.objects.using(backend().alias).filter(pk=workflow_id).exists():
        raise WorkflowNotFound(workflow_id=workflow_id)
    return WorkflowHandle(workflow_id)


def aretrieve_workflow(workflow_id: str) -> Awaitable[WorkflowHandle[Any]]:
    """`retrieve_workflow` for coroutines."""
    return sync_to_async(retrieve_workflow)(workflow_id)


def wait_first(handles: Iterable[WorkflowHandle[Any]]) -> WorkflowHandle[Any]:
    """The handle of the first of several workflows that has ended; inside a workflow the winner is recorded."""
    return WorkflowHandle(first(_ids(handles)))


async def await_first(handles: Iterable[WorkflowHandle[Any]]) -> WorkflowHandle[Any]:
    """`wait_first` for coroutines."""
    return WorkflowHandle(await afirst(_ids(handles)))


def gather(handles: Iterable[WorkflowHandle[Any]]) -> list[Any]:
    """The results of several workflows, in the order of the handles. Raises the first error in that order."""
    return [handle.get_result() for handle in handles]


async def agather(handles: Iterable[WorkflowHandle[Any]]) -> list[Any]:
    """`gather` for coroutines."""
    return [await handle.aget_result() for handle in handles]


def cancel_workflow(workflow_id: str) -> bool:
    """Cancel a workflow: it leaves its queue, a waiting run wakes, a running one stops at its next operation.

    True when this call cancelled it, False when it had ended. Raises `WorkflowNotFound`.
    """
    engine = backend()
    session = engine.borrowed()
    with transaction.atomic(using=engine.alias):
        rows = engine.run(session, engine.sql.cancel, id=workflow_id)
        if not rows:
            retrieve_workflow(workflow_id)
            return False
        _note(workflow_id, rows[0][0], "cancelled", rows[0][1])
        _tell_on_commit([{"k": "child", "t": workflow_id, "d": ""}], {f"c:{workflow_id}", f"w:{workflow_id}"})
    return True


def acancel_workflow(workflow_id: str) -> Awaitable[bool]:
    """`cancel_workflow` for coroutines."""
    return sync_to_async(cancel_workflow)(workflow_id)


def resume_workflow(workflow_id: str) -> WorkflowHandle[Any]:
    """Let a cancelled or dead-lettered workflow go on from its last recorded step, at once, bypassing its queue.

    An enqueued or delayed one starts at once. A running or finished one is left as it is. Raises `WorkflowNotFound`,
    and `NotResumable` for one that ended in an error: its error is recorded, so running it again would raise it again.
    """
    engine = backend()
    session = engine.borrowed()
    with transaction.atomic(using=engine.alias):
        rows = engine.run(session, engine.sql.resume, id=workflow_id, queue=INTERNAL_QUEUE)
        if not rows:
            _explain(workflow_id)
        else:
            _note(workflow_id, rows[0][0], "resumed", None)
            _tell_on_commit([], {f"q:{INTERNAL_QUEUE}", f"c:{workflow_id}"})
    return WorkflowHandle(workflow_id)


def aresume_workflow(workflow_id: str) -> Awaitable[WorkflowHandle[Any]]:
    """`resume_workflow` for coroutines."""
    return sync_to_async(resume_workflow)(workflow_id)


def _explain(workflow_id: str) -> None:
    row = Workflow.objects.using(backend().alias).filter(pk=workflow_id).values("status").first()
    if row is None:
        raise WorkflowNotFound(workflow_id=workflow_id)
    if row["status"] == "ERROR":
        reason = "its error is recorded, and a resumed run would only raise it again. Start a new one."
        raise NotResumable(workflow_id=workflow_id, status="ERROR", reason=reason)


def _note(workflow_id: str, epoch: int, outcome: str, executor: str | None) -> None:
    engine = backend()
    attempt = {"w": workflow_id, "e": epoch, "x": executor, "t": outcome}
    engine.run(engine.borrowed(), engine.sql.attempts, attempts=json.dumps([attempt]))


def _tell_on_commit(conditions: list[dict[str, str]], changed: set[str]) -> None:
    transaction.on_commit(lambda: tell(conditions, changed), using=backend().alias)


def _ids(handles: Iterable[WorkflowHandle[Any]]) -> list[str]:
    ids = [handle.workflow_id for handle in handles]
    if not ids:
        raise InvalidOption(option="handles", value=[], hint="give at least one handle")
    return ids
