"""How DBOS shows a workflow and its steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict

from .error import translate

INTERNAL_QUEUE = "_dbos_internal_queue"
"""Where DBOS puts what goes on by itself: schedules, resumed and forked workflows."""


class WorkflowStatusString(StrEnum):
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    MAX_RECOVERY_ATTEMPTS_EXCEEDED = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
    CANCELLED = "CANCELLED"
    ENQUEUED = "ENQUEUED"
    DELAYED = "DELAYED"


class WorkflowInputs(TypedDict):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass
class WorkflowStatus:
    """A workflow as it is now. Times are milliseconds since the epoch."""

    workflow_id: str
    status: str
    name: str
    class_name: str | None = None
    config_name: str | None = None
    authenticated_user: str | None = None
    assumed_role: str | None = None
    authenticated_roles: list[str] | None = None
    input: WorkflowInputs | None = None
    output: Any = None
    error: BaseException | None = None
    created_at: int | None = None
    updated_at: int | None = None
    queue_name: str | None = None
    executor_id: str | None = None
    app_version: str | None = None
    app_id: str | None = None
    recovery_attempts: int | None = None
    workflow_timeout_ms: int | None = None
    workflow_deadline_epoch_ms: int | None = None
    deduplication_id: str | None = None
    priority: int | None = None
    queue_partition_key: str | None = None
    forked_from: str | None = None
    was_forked_from: bool = False
    parent_workflow_id: str | None = None
    dequeued_at: int | None = None
    delay_until_epoch_ms: int | None = None
    completed_at: int | None = None
    attributes: dict[str, Any] | None = None
    schedule_name: str | None = None
    application_name: str | None = None
    shard_key: str | None = None
    parent_shard_key: str | None = None


class StepInfo(TypedDict):
    """A step of a workflow. Times are milliseconds since the epoch."""

    function_id: int
    function_name: str
    output: Any
    error: BaseException | None
    child_workflow_id: str | None
    started_at_epoch_ms: int | None
    completed_at_epoch_ms: int | None


OWN_NAMES = {"await_tasks": "DBOS.asyncioWait", "wait_first": "DBOS.selectWorkflow", "get_workflow": "DBOS.getStatus"}
KINDS = {"sleep", "send", "recv", "set_event", "get_event", "result", "stream", "read_stream", "manage", "patch"}
"""The kinds of steps that are verbs of the library, and no functions of the program."""


def status_of(row: Any, labels: dict[str, str]) -> WorkflowStatus:
    """A row of Durable's table of workflows."""
    from ...models import INTERNAL_QUEUE as OURS

    is_direct = row.queue == OURS and row.forked_from is None and row.schedule is None
    status = str(row.status)
    if status == "ENQUEUED" and is_direct and row.epoch <= 1:  # DBOS runs such a start at once, where it is asked for
        status = "PENDING"
    unread = row.get_deferred_fields()  # the caller of a list may not want the payloads
    given: Any = None if "input" in unread else row.load_input()
    if isinstance(given, dict) and "args" in given:
        given = {"args": tuple(given["args"]), "kwargs": given.get("kwargs", {})}
    return WorkflowStatus(
        workflow_id=row.id, status=status, name=row.name, class_name=row.class_name, config_name=row.config_name,
        authenticated_user=row.authenticated_user, assumed_role=row.assumed_role,
        authenticated_roles=row.authenticated_roles,
        input=given, output=None if "output" in unread else row.load_output(),
        error=None if "error" in unread else error_of(row),
        created_at=ms(row.created_at), updated_at=ms(row.updated_at),
        queue_name=row.queue_name or (None if is_direct else INTERNAL_QUEUE),
        executor_id=labels.get(row.executor, row.executor) if row.executor else None,
        app_version=row.version, app_id="",
        recovery_attempts=row.recovery_attempts + (row.started_at is not None),
        workflow_timeout_ms=None if row.timeout is None else round(row.timeout * 1000),
        workflow_deadline_epoch_ms=ms(_deadline(row)), deduplication_id=row.dedup_id, priority=row.priority,
        queue_partition_key=row.partition_key, forked_from=row.forked_from, was_forked_from=row.was_forked_from,
        parent_workflow_id=row.parent, dequeued_at=ms(row.started_at),
        delay_until_epoch_ms=ms(row.wake_at) if status == "DELAYED" else None, completed_at=ms(row.completed_at),
        attributes=row.attributes, schedule_name=row.schedule, application_name=row.application,
    )  # fmt: skip


def _deadline(row: Any) -> datetime | None:
    """A workflow that has ended has no deadline any more; DBOS goes on showing it."""
    if row.deadline is None and row.timeout is not None and row.started_at is not None:
        return row.started_at + timedelta(seconds=row.timeout)
    return row.deadline


def statuses_of(rows: Iterable[Any]) -> list[WorkflowStatus]:
    rows = list(rows)
    labels = labels_of({row.executor for row in rows if row.executor}, rows[0]._state.db) if rows else {}
    return [status_of(row, labels) for row in rows]


def labels_of(executors: set[str], alias: str | None) -> dict[str, str]:
    """The labels of executors, which are what DBOS calls their ids."""
    from ...models import Executor

    rows = Executor.objects.using(alias).filter(pk__in=executors)
    return dict(rows.values_list("pk", "label")) if executors else {}


def executors_labelled(labels: list[str]) -> list[str]:
    """The ids that Durable gave to the executors with these labels: each start of a process is one."""
    from ...conf import conf
    from ...models import Executor

    rows = Executor.objects.using(conf().DATABASE).filter(label__in=labels)
    return list(rows.values_list("pk", flat=True))


def steps_of(rows: Iterable[Any]) -> list[StepInfo]:
    return [step_of(row) for row in rows]


def step_of(row: Any) -> StepInfo:
    """A row of Durable's table of steps."""
    unread = row.get_deferred_fields()
    return {
        "function_id": row.seq,
        "function_name": name_of(row.name, row.kind),
        "output": None if "output" in unread else row.load_output(),
        "error": None if "error" in unread else error_of(row),
        "child_workflow_id": row.child,
        "started_at_epoch_ms": ms(row.started_at),
        "completed_at_epoch_ms": ms(row.completed_at),
    }


def name_of(name: str, kind: str) -> str:
    """What DBOS calls a step: its function's name, or for a verb "DBOS.setEvent"."""
    if kind not in KINDS or name.startswith("DBOS."):
        return name
    if kind == "patch":
        return f"DBOS.patch-{name.removeprefix('patch:')}"
    if name in OWN_NAMES:
        return OWN_NAMES[name]
    first, *rest = name.split("_")
    return "DBOS." + first + "".join(word.capitalize() for word in rest)


def ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def error_of(row: Any) -> BaseException | None:
    error = row.load_error()
    return translate(error) if isinstance(error, BaseException) else error
