"""Starting workflows and waiting for them, from a workflow or from anywhere."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from ..errors import (
    QueueDeduplicated,
    ResultTimeout,
    WorkflowConflict,
    WorkflowIsDead,
    WorkflowNotFound,
    WorkflowWasCancelled,
)
from ..serializers.errors import decode_error
from ..states import FINAL, Status
from .commands import Ask, Condition, Holder, NewWorkflow, Outcome, Park, RunHere, Standing
from .drive import Operation


def start(scope: Any, new: NewWorkflow) -> Operation:
    """Insert a workflow, or attach to the one that has its id. Gives back the id."""
    slot = scope.open(new.name, "child")
    if slot.recorded:
        slot.replay()
        return slot.recorded.child
    if new.id:
        yield from _refuse_id(slot, new)
    new = replace(new, id=new.id or scope.child_id(slot.seq), parent=scope.workflow_id)
    if new.dedup_id is not None:
        yield from _refuse_duplicate(slot, new)
    inserted = yield slot.success(None, new, child=new.id)
    if new.id not in inserted:
        yield from _verify(new)
    return new.id


def call(scope: Any, new: NewWorkflow, definition: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    """Run a child here, as a workflow of its own, and wait for it."""
    slot = scope.open(new.name, "child")
    if slot.recorded:
        slot.replay()
        return (yield from result(scope, slot.recorded.child))
    if new.id:
        yield from _refuse_id(slot, new)
    new = replace(new, id=new.id or scope.child_id(slot.seq), parent=scope.workflow_id, executor=scope.executor_id)
    inserted = yield slot.success(None, new, child=new.id)
    if new.id in inserted:
        yield RunHere(new, definition, args, kwargs)
    else:
        yield from _verify(new)
    return (yield from result(scope, new.id))


def result(scope: Any, workflow: str, timeout: float | None = None) -> Operation:
    """Wait for a workflow to end; give its output or raise its error. A timeout in a workflow is durable."""
    slot = scope.open("get_result", "result")
    timer = scope.open("sleep", "sleep") if timeout is not None else None
    if slot.recorded:
        return slot.replay()
    deadline = None
    if timer is not None and timeout is not None:
        deadline = timer.replay() if timer.recorded else scope.now() + timeout
        if not timer.recorded:
            yield timer.success(deadline)
    while True:
        since = scope.mark()
        standing = (yield Ask(Outcome((workflow,)))).get(workflow)
        if standing is None or standing.status in FINAL:
            break
        if deadline is not None and scope.now() >= deadline:
            error = ResultTimeout(workflow_id=workflow, timeout=timeout)
            yield slot.failure(error)
            raise error
        yield Park(f"child:{workflow}", (Condition("child", workflow),), deadline, since)
    if standing is not None and standing.status == Status.SUCCESS:
        yield slot.success_text(standing.output, child=workflow)
        return scope.decode(standing.output, standing.serialization)
    failure = outcome_error(workflow, standing)
    yield slot.failure(failure, child=workflow)
    raise failure


def first(scope: Any, workflows: list[str]) -> Operation:
    """Wait until one of several workflows has ended; give its id. The winner is recorded."""
    slot = scope.open("wait_first", "result")
    if slot.recorded:
        return slot.replay()
    wanted = tuple(workflows)
    while True:
        since = scope.mark()
        standings = yield Ask(Outcome(wanted))
        for workflow in wanted:
            if workflow not in standings:
                error = WorkflowNotFound(workflow_id=workflow)
                yield slot.failure(error)
                raise error
            if standings[workflow].status in FINAL:
                yield slot.success(workflow, child=workflow)
                return workflow
        conditions = tuple(Condition("child", workflow) for workflow in wanted)
        yield Park(f"child:{wanted[0]}", conditions, None, since)


def outcome_error(workflow: str, standing: Standing | None) -> BaseException:
    """The error that a waiter gets for a workflow that ended without a result."""
    if standing is None:
        return WorkflowNotFound(workflow_id=workflow)
    if standing.status == Status.CANCELLED:
        return WorkflowWasCancelled(workflow_id=workflow)
    if standing.status == Status.DEAD:
        return WorkflowIsDead(workflow_id=workflow, attempts=standing.recovery_attempts)
    return decode_error(standing.error or "{}")


def verify_id(new: NewWorkflow) -> Operation:
    """Raise `WorkflowConflict` when an id that is to be used belongs to another function."""
    standing = (yield Ask(Outcome((new.id,)))).get(new.id)
    if standing is not None and (error := conflict(new, standing)):
        raise error


def _refuse_id(slot: Any, new: NewWorkflow) -> Operation:
    """Record and raise that an explicit id belongs to another function; warn when its input is another."""
    standing = (yield Ask(Outcome((new.id,)))).get(new.id)
    if standing is None:
        return
    if error := conflict(new, standing):
        yield slot.failure(error)
        raise error
    if standing.input != new.input:
        message = (
            f"Workflow {new.id!r} exists with another input; this call attaches to it and its own input is not used."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def _refuse_duplicate(slot: Any, new: NewWorkflow) -> Operation:
    """Record and raise that another live workflow holds the deduplication id."""
    assert new.dedup_id is not None
    holder = yield Ask(Holder(new.queue, new.dedup_id))
    if holder and holder != new.id:
        error = QueueDeduplicated(queue=new.queue, dedup_id=new.dedup_id)
        yield slot.failure(error)
        raise error


def _verify(new: NewWorkflow) -> Operation:
    """An insert changed nothing: the id was there, or another workflow got the deduplication id in between."""
    standing = (yield Ask(Outcome((new.id,)))).get(new.id)
    if standing is None:
        raise QueueDeduplicated(queue=new.queue, dedup_id=new.dedup_id)
    if error := conflict(new, standing):
        raise error


def conflict(new: NewWorkflow, standing: Standing) -> WorkflowConflict | None:
    """Whether the row under an id is another function's."""
    wanted, existing = _identity(new), _identity(standing)
    return WorkflowConflict(workflow_id=new.id, existing=existing, wanted=wanted) if wanted != existing else None


def _identity(workflow: NewWorkflow | Standing) -> str:
    return ".".join(part for part in (workflow.class_name, workflow.config_name, workflow.name) if part)
