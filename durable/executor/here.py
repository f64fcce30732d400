"""Workflows that are called directly: they run here, now, durably. If this process dies, an executor finishes them."""

from __future__ import annotations

import threading
from typing import Any

from django.db import connections

from ..backends.backend import backend, claimed_here
from ..backends.writing import apply
from ..chance import chance
from ..engine import commands as c
from ..errors import Cancelled, InsideAtomic, LeaseLost, WorkflowWasCancelled
from ..models import INTERNAL_QUEUE
from ..registry import registry
from . import living
from .executor import Executor
from .hub import stop_hubs
from .run import Run

_starting = threading.Lock()

NOT_HERE = object()
"""The workflow was taken over by another executor: wait for its result as for any other."""


def executor() -> Executor:
    """The running executor of this process; one that only runs its own direct calls is made on first use."""
    database = backend()
    with _starting:
        found = living.current(database.alias, database.vendor)
        return found or Executor(claims=False).start()


def stop_all(grace_seconds: float = 2.0) -> list[str]:
    """Stop every executor and listener of this process; the labels of those that still served others."""
    mine = living.take_all()
    leaked = [each.label for each in mine if each.claims and not each.is_stopped]
    for each in mine:
        each.drain(grace_seconds)
    stop_hubs()
    return leaked


def begin(new: c.NewWorkflow, definition: Any) -> tuple[Run | None, str]:
    """Insert a workflow as claimed by this process; its run, or None when its id was there already, and its id."""
    alias = backend().alias
    if connections[alias].in_atomic_block:
        raise InsideAtomic(verb=new.name, alias=alias)
    owner = executor()
    new = new._replace(id=new.id or chance.new_id(), executor=owner.id)
    inserted = owner.readers.read(lambda session: apply(owner.backend, session, [new]))
    if new.id not in inserted:
        return None, new.id
    return Run(owner, claimed_here(new), definition, direct=True), new.id


def adopt(new: c.NewWorkflow, definition: Any) -> str | None:
    """Start a workflow as claimed by this process, when it has an executor with room for it: nothing is left to claim.

    Its id; None where there is no such executor, and for a start that only the queue can carry out.
    """
    owner = _taker(new, definition)
    if owner is None or not owner.taking.acquire(blocking=False):
        return None
    try:  # its claimer counts the same room
        run = _inserted(owner, new, definition) if owner.room > 0 else None
        if run is None:
            return None
        owner.run_adopted(run)
        return run.workflow_id
    finally:
        owner.taking.release()


def adopt_as_guest(new: c.NewWorkflow, definition: Any) -> Run | None:
    """The run of a coroutine start that is to begin on its caller's event loop, where it takes no room; or None."""
    owner = _taker(new, definition)
    return None if owner is None else _inserted(owner, new, definition)


def _taker(new: c.NewWorkflow, definition: Any) -> Executor | None:
    """The executor of this process that may take a start: one without a queue, a delay, another version of the code,
    and an `atomic()` with which it would commit."""
    database = backend()
    if new.queue != INTERNAL_QUEUE or new.delay is not None or connections[database.alias].in_atomic_block:
        return None
    owner = living.current(database.alias, database.vendor)
    able = owner is not None and owner.claims and new.version == registry.version_of(definition)
    return owner if able else None


def _inserted(owner: Executor, new: c.NewWorkflow, definition: Any) -> Run | None:
    """The run of a workflow that was inserted as `owner`'s; None when its id was there already."""
    new = new._replace(id=new.id or chance.new_id(), executor=owner.id)
    inserted = owner.readers.read(lambda session: apply(owner.backend, session, [new]))
    return Run(owner, claimed_here(new), definition) if new.id in inserted else None


def finish(run: Run) -> Any:
    """What a direct call gives its caller: the value, or the original error."""
    if run.ending is not None:
        if run.error is not None:
            raise run.error
        return run.value
    if isinstance(run.closed, Cancelled):
        raise WorkflowWasCancelled(workflow_id=run.workflow_id)
    cause = run.closed.__cause__ if run.closed else None
    if isinstance(cause, LeaseLost):
        raise cause
    return NOT_HERE
