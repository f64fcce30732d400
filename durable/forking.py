"""Running a workflow again from a step: a fork under a new id, or the same one rewound.

What a step wrote carries its slot (events, stream entries, received messages), so "as of step n" is a matter of
`seq < n`. Rows are copied inside the database; no payload passes through Python.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from . import serializers
from .backends.backend import Backend, backend
from .chance import chance
from .conf import conf
from .context import scope
from .deleting import check_id, delete_trees
from .errors import InvalidOption, NotRewindable, PayloadTooLarge, WorkflowConflict, WorkflowNotFound
from .executor.outside import tell
from .handles import WorkflowHandle
from .models import INTERNAL_QUEUE, Event, Kind, Message, Step, StepAttempt, StreamEntry, Wait, Workflow
from .options import StartOptions
from .pending import take_id
from .verbs import managed

VALUED = {Kind.STEP, Kind.TRANSACTION, Kind.RECV, Kind.GET_EVENT, Kind.RESULT, Kind.READ_STREAM}
"""What gave the workflow a value; the other slots hold what the engine itself reads."""
MOST = 2**31 - 1


# --- fork


def _fork_workflow(
    original_id: str, start_step: int = 1, *, workflow_id: str | None = None, version: str | None = None,
    queue: str | None = None, partition_key: str | None = None, timeout: float | None = None,
    replacement_children: Mapping[str, str] | None = None, outputs: Mapping[int, Any] | None = None,
) -> WorkflowHandle[Any]:  # fmt: skip
    start = first_step(start_step)
    options = _options(version, queue, partition_key, timeout=timeout, workflow_id=workflow_id)
    engine = backend()
    with transaction.atomic(using=engine.alias):
        found = Workflow.objects.using(engine.alias).filter(pk=check_id(original_id))
        if not found.update(was_forked_from=True):  # it holds the row, so that all copies are of one moment
            raise WorkflowNotFound(workflow_id=original_id)
        name, serialization = found.values_list("name", "serialization").get()
        edits = _edits(engine.alias, original_id, start, outputs, serialization)
        renamed = _renamed(engine.alias, original_id, replacement_children)
        fork_id = workflow_id or _recorded_id() or chance.new_id()
        if _insert(engine, original_id, fork_id, options):
            given = {"id": fork_id, "original": original_id, "start": start, "edits": edits, "renamed": renamed}
            for statement in engine.sql.copies:
                engine.run(engine.borrowed(), statement, **given)
            queues = {f"q:{options.queue or INTERNAL_QUEUE}"}
            transaction.on_commit(lambda: tell([], queues), using=engine.alias)
        elif not _is_recorded_fork(engine.alias, fork_id, original_id):
            text = f"The id {fork_id!r} is taken, so it cannot name a fork of {original_id!r}. Give another one."
            raise WorkflowConflict(text, workflow_id=fork_id, existing=fork_id, wanted=name)
    return WorkflowHandle(fork_id)


def _restart_workflow(original_id: str, **terms: Any) -> WorkflowHandle[Any]:
    return _fork_workflow(original_id, 1, **terms)


def _id(handle: WorkflowHandle[Any]) -> str:
    return handle.workflow_id


_fork, _afork = managed(_fork_workflow, _id, WorkflowHandle)
_restart, _arestart = managed(_restart_workflow, _id, WorkflowHandle)


def fork_workflow(
    original_id: str, start_step: int = 1, *, workflow_id: str | None = None, version: str | None = None,
    queue: str | None = None, partition_key: str | None = None, timeout: float | None = None,
    replacement_children: Mapping[str, str] | None = None, outputs: Mapping[int, Any] | None = None,
) -> WorkflowHandle[Any]:  # fmt: skip
    """Run a copy of a workflow from its step `start_step` on, counted from 1; the steps before are not run again.

    The copy starts at once, or joins `queue`. It has the original's input, attributes, user, priority and version (or
    `version`), the steps, events (with their history) and stream entries from before `start_step`, and in its mailbox
    all messages that these steps have not received. It has no parent, no deduplication id, and no timeout but
    `timeout`, in seconds. Children that the kept steps started are shared with the original, unless
    `replacement_children` maps their ids to others. `outputs` maps numbers of kept steps to values that take the place
    of what they recorded. `workflow_id`: default that of an enclosing `SetWorkflowID`, or a fresh one.

    The original stays as it is, whatever its status. Inside a workflow this is a recorded step. Raises
    `WorkflowNotFound`, `WorkflowConflict` when the new id is taken, `InvalidOption`, `SerializationError`.
    """
    return _fork(
        original_id, start_step, workflow_id=workflow_id or take_id(), version=version, queue=queue,
        partition_key=partition_key, timeout=timeout, replacement_children=replacement_children, outputs=outputs,
    )  # fmt: skip


def afork_workflow(
    original_id: str, start_step: int = 1, *, workflow_id: str | None = None, **terms: Any
) -> Awaitable[WorkflowHandle[Any]]:
    """`fork_workflow` for coroutines."""
    return _afork(original_id, start_step, workflow_id=workflow_id or take_id(), **terms)


def restart_workflow(
    original_id: str, *, workflow_id: str | None = None, version: str | None = None, queue: str | None = None,
    partition_key: str | None = None, timeout: float | None = None,
) -> WorkflowHandle[Any]:  # fmt: skip
    """Run a workflow again from the start, with the same input, under a new id: a fork from step 1."""
    return _restart(
        original_id, workflow_id=workflow_id or take_id(), version=version, queue=queue, partition_key=partition_key,
        timeout=timeout,
    )  # fmt: skip


def arestart_workflow(
    original_id: str, *, workflow_id: str | None = None, **terms: Any
) -> Awaitable[WorkflowHandle[Any]]:
    """`restart_workflow` for coroutines."""
    return _arestart(original_id, workflow_id=workflow_id or take_id(), **terms)


def _recorded_id() -> str | None:
    """Forked by a workflow: an id of its slot, so that a crash before the slot is recorded makes no second fork."""
    place = scope.get()
    if place is None or place.place != "step" or place.frame.name not in ("fork_workflow", "restart_workflow"):
        return None
    return f"fork-{place.run.journal.key(place.frame.seq)}"


def _is_recorded_fork(alias: str, fork_id: str, original_id: str) -> bool:
    """Whether a workflow finds its own fork from before such a crash."""
    if _recorded_id() is None:
        return False
    return Workflow.objects.using(alias).filter(pk=fork_id, forked_from=original_id).exists()


def _edits(alias: str, workflow: str, start: int, outputs: Any, serialization: str) -> str:
    """The outputs that take the place of recorded ones, as a JSON parameter."""
    kinds = dict(
        Step.objects.using(alias).filter(workflow_id=workflow, seq__lt=start).values_list("seq", "kind")
        if outputs else ()
    )  # fmt: skip
    edits = []
    for seq, value in dict(outputs or {}).items():
        if isinstance(seq, bool) or not isinstance(seq, int) or kinds.get(seq) not in VALUED:
            what = f"step {seq} is a {kinds[seq]}, which gives no value" if seq in kinds else f"{seq!r} is none of them"
            hint = f"give numbers of recorded steps before step {start}; {what}"
            raise InvalidOption(option="outputs", value=list(outputs), hint=hint)
        text = None if value is None else serializers.get(serialization).serialize(value)
        if text is not None and (size := len(text.encode())) > (limit := conf().MAX_PAYLOAD_BYTES):
            raise PayloadTooLarge(size=size, limit=limit)
        edits.append({"s": seq, "o": text})
    return json.dumps(edits)


def _renamed(alias: str, workflow: str, children: Any) -> str:
    """The children that take the place of others, as a JSON parameter."""
    wanted = dict(children or {})
    steps = Step.objects.using(alias).filter(workflow_id=workflow, child__in=wanted) if wanted else Step.objects.none()
    known = set(steps.values_list("child", flat=True))
    for old, new in wanted.items():
        if old not in known or not isinstance(new, str):
            hint = f"give ids of children of {workflow!r}, each with the id of another workflow; {old!r} is no child"
            raise InvalidOption(option="replacement_children", value=children, hint=hint)
    there = set(Workflow.objects.using(alias).filter(pk__in=wanted.values()).values_list("pk", flat=True))
    if missing := set(wanted.values()) - there:
        raise WorkflowNotFound(workflow_id=min(missing))
    return json.dumps([{"o": old, "n": new} for old, new in wanted.items()])


def _insert(engine: Backend, original: str, fork: str, options: StartOptions) -> bool:
    row = {"queue": options.queue or INTERNAL_QUEUE, "partition_key": options.partition_key}
    terms = {"version": options.version, "timeout": options.timeout}
    return bool(engine.run(engine.borrowed(), engine.sql.fork, id=fork, original=original, **row, **terms))


# --- rewind


def _rewind_workflow(
    workflow_id: str, start_step: int = 1, *, version: str | None = None, queue: str | None = None,
    partition_key: str | None = None,
) -> WorkflowHandle[Any]:  # fmt: skip
    """Take a workflow that has ended back to its step `start_step`, counted from 1, and run it again from there, under
    its own id.

    What that step and those after it have recorded is deleted, also their events, stream entries and the children that
    they started, with all that these started; messages that they received are in the mailbox again. What they did in
    the world stays done, and keys of `idempotency_key()` are new. It starts at once, or joins `queue`; with `version`
    it runs on that one. Its timeout counts anew. Handles on it wait for its new end.

    Inside a workflow this is a recorded step. Raises `WorkflowNotFound`, `NotRewindable` when it has not ended (of two
    who rewind at once one gets this), `InvalidOption`.
    """
    start = first_step(start_step)
    options = _options(version, queue, partition_key)
    row = {"queue": options.queue or INTERNAL_QUEUE, "partition_key": options.partition_key, "version": version}
    engine = backend()
    with transaction.atomic(using=engine.alias):
        rows = engine.run(engine.borrowed(), engine.sql.rewind, id=check_id(workflow_id), **row)
        if not rows:
            _refuse(engine.alias, workflow_id)
        attempt = {"w": workflow_id, "e": rows[0][0], "t": "resumed", "d": f"rewound to step {start}"}
        engine.run(engine.borrowed(), engine.sql.attempts, attempts=json.dumps([attempt]))
        _roll_back(engine.alias, workflow_id, start)
        changed = {f"q:{row['queue']}", f"c:{workflow_id}"}
        transaction.on_commit(lambda: tell([], changed), using=engine.alias)
    return WorkflowHandle(workflow_id)


rewind_workflow, arewind_workflow = managed(_rewind_workflow, _id, WorkflowHandle)


def _refuse(alias: str, workflow: str) -> None:
    """Raise why a workflow is not rewound."""
    status = Workflow.objects.using(alias).filter(pk=workflow).values_list("status", flat=True).first()
    if status is None:
        raise WorkflowNotFound(workflow_id=workflow)
    raise NotRewindable(workflow_id=workflow, status=status)


def _roll_back(alias: str, workflow: str, start: int) -> None:
    """Undo what the slots from `start` on have stored. The row is held and its epoch has risen: nobody adds to them."""
    steps = Step.objects.using(alias).filter(workflow_id=workflow)
    delete_trees(_children(alias, workflow, start))
    steps.filter(seq__gte=start).delete()
    mine: dict[str, Any] = {"workflow_id": workflow}
    tries = StepAttempt.objects.using(alias).filter(**mine)
    tries.exclude(Exists(steps.filter(seq=OuterRef("seq")))).delete()
    Event.objects.using(alias).filter(**mine, seq__gte=start).delete()
    if StreamEntry.objects.using(alias).filter(**mine, seq__gte=start).delete()[0]:
        engine = backend()
        for statement in engine.sql.close_gaps:
            engine.run(engine.borrowed(), statement, id=workflow)
    Message.objects.using(alias).filter(**mine, consumed_seq__gte=start).update(consumed_seq=None)
    Wait.objects.using(alias).filter(**mine).delete()


def _children(alias: str, workflow: str, start: int) -> list[str]:
    """Who was started from slot `start` on, and not named by a slot before it."""
    named = Step.objects.using(alias).filter(workflow_id=workflow, kind=Kind.CHILD)
    kept = named.filter(seq__lt=start, child=OuterRef("child"))
    started = named.filter(seq__gte=start).exclude(Exists(kept)).values("child")
    own = Workflow.objects.using(alias).filter(parent=workflow, pk__in=started)
    return list(own.values_list("pk", flat=True))


# --- what both are told


def first_step(start_step: Any) -> int:
    """The slot to run first. 0 counts as 1. Raises `InvalidOption`."""
    if isinstance(start_step, bool) or not isinstance(start_step, int) or not 0 <= start_step <= MOST:
        raise InvalidOption(option="start_step", value=start_step, hint="give the number of a step, counted from 1")
    return max(1, start_step)


def _options(version: Any, queue: Any, partition_key: Any, **terms: Any) -> StartOptions:
    options = StartOptions(version=version, queue=queue, partition_key=partition_key, **{"timeout": None} | terms)
    options.check_queue()
    return options
