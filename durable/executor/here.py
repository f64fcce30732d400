"""Workflows that are called directly: they run here, now, durably. If this process dies, an executor finishes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import connections

from ..backends.backend import backend
from ..backends.writing import apply
from ..chance import chance
from ..engine import commands as c
from ..errors import Cancelled, InsideAtomic, LeaseLost, WorkflowWasCancelled
from ..models import INTERNAL_QUEUE
from . import living
from .executor import Executor
from .hub import stop_hubs
from .run import Run, claimed_here

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
    new = replace(new, id=new.id or chance.new_id(), executor=owner.id)
    inserted = owner.readers.read(lambda session: apply(owner.backend, session, [new]))
    if new.id not in inserted:
        return None, new.id
    return Run(owner, claimed_here(new), definition, direct=True), new.id


def adopt(check: Callable[[c.NewWorkflow], c.NewWorkflow], new: c.NewWorkflow, definition: Any) -> Run | None:
    """Insert a start as claimed by this process, when it has an executor with room for it: nothing is left to claim.

    None where it has not, where the start waits for its queue or commits with the caller's `atomic()`, or its id is
    there already: start it as any other.
    """
    database = backend()
    if new.queue != INTERNAL_QUEUE or new.delay is not None or connections[database.alias].in_atomic_block:
        return None
    owner = living.current(database.alias, database.vendor)
    if owner is None or not owner.claims or owner.room <= 0:
        return None
    new = replace(check(new), id=new.id or chance.new_id(), executor=owner.id)
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
