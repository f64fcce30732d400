"""Starting workflows and waiting for them, from a workflow or from anywhere."""

from __future__ import annotations

import warnings
from itertools import repeat
from typing import Any

from ..errors import (
    DurableError,
    QueueDeduplicated,
    ResultTimeout,
    WorkflowConflict,
    WorkflowIdInUse,
    WorkflowIsDead,
    WorkflowNotFound,
    WorkflowWasCancelled,
)
from ..serializers.errors import decode_error
from ..states import FINAL, Status
from .commands import Ask, Condition, Holder, NewWorkflow, Outcome, Park, Record, RunHere, Standing
from .drive import Operation


def start(scope: Any, new: NewWorkflow) -> Operation:
    """Insert a workflow, or attach to the one that has its id. Gives back the id."""
    slot = scope.open(new.name, "child")
    if slot.recorded:
        slot.replay()
        return slot.recorded.child
    workflow, _ = yield from _insert(scope, slot, new)
    return workflow


def start_many(scope: Any, new: list[NewWorkflow]) -> Operation:
    """Insert several workflows together, or none. Gives back their ids."""
    is_recorded = scope.workflow_id is not None
    slots = [scope.open(each.name, "child") for each in new] if is_recorded else []
    if slots and slots[-1].recorded:
        return [slot.recorded.child for slot in slots]
    seqs = (slot.seq for slot in slots) if is_recorded else repeat(0)
    named = [
        each._replace(id=each.id or scope.child_id(seq), parent=scope.workflow_id)
        for each, seq in zip(new, seqs, strict=False)
    ]
    rows = tuple(slot.decided(child=each.id) for slot, each in zip(slots, named, strict=False))
    inserted = yield Record(rows, tuple(named))
    for each in named:
        if each.id not in inserted:
            yield from verify_id(each)
    return [each.id for each in named]


def call(scope: Any, new: NewWorkflow, definition: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    """Run a child here, as a workflow of its own, and wait for it. Both slots are taken by the call, so that calls that
    run at once replay in the same order however they end."""
    slot, waiting = scope.open(new.name, "child"), scope.open("get_result", "result")
    if slot.recorded:
        slot.replay()
        return (yield from _result(scope, waiting, slot.recorded.child))
    workflow, is_new = yield from _insert(scope, slot, new._replace(executor=scope.executor_id))
    if is_new:
        here = new._replace(id=workflow, parent=scope.workflow_id, executor=scope.executor_id)
        yield RunHere(here, definition, args, kwargs)
    return (yield from _result(scope, waiting, workflow))


def _insert(scope: Any, slot: Any, new: NewWorkflow) -> Operation:
    """Decide a child's slot with its row: a new one, or the one to attach to. Its id, and whether it is new."""
    new = new._replace(id=new.id or scope.child_id(slot.seq), is_named=bool(new.id), parent=scope.workflow_id)
    while True:
        existing = yield from _existing(slot, new)
        if existing is not None:
            yield slot.success(None, child=existing)
            return existing, False
        inserted = yield slot.success(None, new, child=new.id)
        if inserted is not None and new.id in inserted:
            return new.id, True
        if scope.workflow_id is not None and inserted is not None:
            yield from verify_id(new)  # a child of this slot was there, as after a rewind
            return new.id, False
        new = new._replace(is_named=True)  # somebody was faster: look who


def _existing(slot: Any, new: NewWorkflow) -> Operation:
    """The workflow that a start attaches to, or None. An error that refuses it is recorded, then raised."""
    if new.is_named:
        try:
            standing = yield from verify_id(new)
        except DurableError as error:
            yield slot.failure(error)
            raise
        if standing is not None:
            return new.id
    if new.dedup_id is None:
        return None
    holder = yield Ask(Holder(new.queue, new.dedup_id))
    if holder is None or new.dedup_policy == "return-existing":
        return holder
    duplicate = QueueDeduplicated(queue=new.queue, dedup_id=new.dedup_id)
    yield slot.failure(duplicate)
    raise duplicate


def result(scope: Any, workflow: str, timeout: float | None = None) -> Operation:
    """Wait for a workflow to end; give its output or raise its error. A timeout in a workflow is durable."""
    slot = scope.open("get_result", "result")
    timer = scope.open("sleep", "sleep") if timeout is not None else None
    return (yield from _result(scope, slot, workflow, timer, timeout))


def _result(
    scope: Any, slot: Any, workflow: str | None, timer: Any = None, timeout: float | None = None
) -> Operation:  # fmt: skip
    if slot.recorded:
        return slot.replay()
    assert workflow is not None
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
    """The workflow under an id that is to be used, or None. Raises when it is another function's, or when no other may
    use the id; warns when its input is another."""
    standing = (yield Ask(Outcome((new.id,)))).get(new.id)
    if standing is None:
        return None
    if error := refusal(new, standing):
        raise error
    if standing.input != new.input:
        warnings.warn(
            f"Workflow {new.id!r} exists with another input; this call attaches to it and its own input is not used.",
            RuntimeWarning,
            stacklevel=2,
        )
    return standing


def refusal(new: NewWorkflow, standing: Standing) -> WorkflowConflict | WorkflowIdInUse | None:
    """Why a start may not attach to the row under its id."""
    wanted, existing = _identity(new), _identity(standing)
    if wanted != existing:
        return WorkflowConflict(workflow_id=new.id, existing=existing, wanted=wanted)
    return WorkflowIdInUse(workflow_id=new.id) if new.id_policy == "reject" else None


def _identity(workflow: NewWorkflow | Standing) -> str:
    return ".".join(part for part in (workflow.class_name, workflow.config_name, workflow.name) if part)
