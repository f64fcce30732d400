"""Looking at workflows, and steering them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypedDict

from ...errors import WorkflowNotFound
from .apart import apart
from .handles import WorkflowHandle, WorkflowHandleAsync, ahandles, handles, nothing
from .pairs import Call, check_unsharded, of, pair, verb
from .status import executors_labelled, ms, statuses_of, steps_of

NATIVE = {
    "workflow_ids": "ids", "workflow_id": "ids", "workflow_id_prefix": "id_prefix", "status": "status", "name": "name",
    "start_time": "created_after", "end_time": "created_before", "completed_after": "completed_after",
    "completed_before": "completed_before", "dequeued_after": "started_after", "dequeued_before": "started_before",
    "app_version": "version", "forked_from": "forked_from", "parent_workflow_id": "parent", "user": "user",
    "queue_name": "queue", "executor_id": "executor", "queues_only": "queues_only",
    "was_forked_from": "was_forked_from", "is_fork": "is_fork", "has_parent": "has_parent",
    "attributes": "attributes", "schedule_name": "schedule", "application_name": "application",
    "deduplication_id": "dedup_id", "limit": "limit", "offset": "offset", "sort_desc": "sort_desc",
    "load_input": "load_input", "load_output": "load_output",
}  # fmt: skip
"""What Durable calls a criterion of a list of workflows."""


TIMES = {name for name in NATIVE.values() if name.endswith(("_after", "_before"))}


class VersionInfo(TypedDict):
    """A version of the program that has run on this database. Times are milliseconds since the epoch."""

    version_id: str
    version_name: str
    version_timestamp: int | None
    created_at: int | None


def criteria(said: Mapping[str, Any]) -> dict[str, Any]:
    """A list's criteria as Durable names them. Raises `TypeError` for an unknown one."""
    check_unsharded(said.get("shard_key"), said.get("parent_shard_key"))
    for name in said.keys() - {"shard_key", "parent_shard_key"}:
        if name not in NATIVE:
            raise TypeError(f"list_workflows() got an unexpected keyword argument {name!r}")
    found = {NATIVE[name]: value for name, value in said.items() if name in NATIVE and value is not None}
    for name in TIMES & found.keys():
        found[name] = _time(found[name])
    if "executor" in found:
        labels = [found["executor"]] if isinstance(found["executor"], str) else list(found["executor"])
        found["executor"] = apart(lambda: executors_labelled(labels))
    return found


@verb(lambda rows, _: statuses_of(rows), reads=True)
def list_workflows(**said: Any) -> Call:
    """The workflows that match all criteria, the oldest first. Most criteria take one value or a list."""
    return of("list_workflows", **criteria(said))


@verb(lambda rows, _: statuses_of(rows), reads=True)
def list_queued_workflows(**said: Any) -> Call:
    """The workflows in queues that have not ended."""
    return of("list_queued_workflows", **criteria(said))


@verb(lambda rows, _: steps_of(rows), reads=True, absent=(WorkflowNotFound, []))
def list_workflow_steps(
    workflow_id: str, *, load_output: bool = True, limit: int | None = None, offset: int | None = None
) -> Call:
    """What a workflow has recorded; nothing for one that does not exist."""
    return of("list_workflow_steps", workflow_id, limit, offset or 0, load_output=load_output)


def _time(said: Any) -> Any:
    """A time without a zone is the machine's own, as in DBOS."""
    if isinstance(said, str):
        with suppress(ValueError):  # Durable says what it is that cannot be read
            said = datetime.fromisoformat(said)
    return said.astimezone() if isinstance(said, datetime) else said


@verb(nothing, absent=(WorkflowNotFound, None))
def cancel_workflow(workflow_id: str, *, cancel_children: bool = False) -> Call:
    """Cancel a workflow: it stops at its next step."""
    return of("cancel_workflow", workflow_id, cancel_children=cancel_children)


@verb(nothing)
def cancel_workflows(workflow_ids: Sequence[str], *, cancel_children: bool = False) -> Call:
    """Cancel several workflows; those that do not exist are passed over."""
    return of("cancel_workflows", list(workflow_ids), cancel_children=cancel_children)


@verb(WorkflowHandle, WorkflowHandleAsync)
def resume_workflow(workflow_id: str, *, queue_name: str | None = None) -> Call:
    """Let a workflow go on from its last completed step, at once or in a queue."""
    return of("resume_workflow", workflow_id, queue=queue_name)


@verb(handles, ahandles)
def resume_workflows(workflow_ids: Sequence[str], *, queue_name: str | None = None) -> Call:
    """Resume several workflows, all or none."""
    return of("resume_workflows", list(workflow_ids), queue=queue_name)


@verb(nothing)
def delete_workflow(workflow_id: str, *, delete_children: bool = False) -> Call:
    """Delete a workflow with everything that it has stored."""
    return of("delete_workflow", workflow_id, delete_children=delete_children)


@verb(nothing)
def delete_workflows(workflow_ids: Sequence[str], *, delete_children: bool = False) -> Call:
    """Delete several workflows."""
    return of("delete_workflows", list(workflow_ids), delete_children=delete_children)


@verb(WorkflowHandle, WorkflowHandleAsync)
def fork_workflow(
    workflow_id: str, start_step: int = 1, *, application_version: str | None = None, queue_name: str | None = None,
    queue_partition_key: str | None = None, replacement_children: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> Call:  # fmt: skip
    """Run a copy of a workflow from one of its steps on."""
    return of(
        "fork_workflow", workflow_id, start_step, version=application_version, queue=queue_name,
        partition_key=queue_partition_key, replacement_children=replacement_children, timeout=timeout_seconds,
    )  # fmt: skip


@verb(WorkflowHandle, WorkflowHandleAsync)
def restart_workflow(workflow_id: str) -> Call:
    """Run a copy of a workflow from its start."""
    return of("restart_workflow", workflow_id)


@verb(WorkflowHandle, WorkflowHandleAsync)
def rewind_workflow(
    workflow_id: str, *, start_step: int | None = None, application_version: str | None = None,
    queue_name: str | None = None, queue_partition_key: str | None = None,
) -> Call:  # fmt: skip
    """Run a workflow that has ended again from one of its steps on, under its own ID."""
    return of(
        "rewind_workflow", workflow_id, start_step or 1, version=application_version, queue=queue_name,
        partition_key=queue_partition_key,
    )  # fmt: skip


@verb()
def set_workflow_delay(
    workflow_id: str, *, delay_seconds: float | None = None, delay_until_epoch_ms: int | None = None
) -> Call:
    """Let an enqueued workflow start later."""
    until = None if delay_until_epoch_ms is None else datetime.fromtimestamp(delay_until_epoch_ms / 1000, UTC)
    return of("set_workflow_delay", workflow_id, seconds=delay_seconds, until=until)


@verb()
def update_workflow_attributes(workflow_id: str, attributes: Mapping[str, Any], *, merge: bool = False) -> Call:
    """Replace the attributes of a workflow, or add to them."""
    return of("update_workflow_attributes", workflow_id, attributes, merge=merge)


@verb(lambda rows, _: [version_info(row) for row in rows])
def list_application_versions() -> Call:
    """The versions of the program that have run, the latest first."""
    return of("list_versions")


@verb(lambda row, _: version_info(row))
def get_latest_application_version() -> Call:
    """The version that takes workflows enqueued for none."""
    return of("latest_version")


@verb()
def set_latest_application_version(version_name: str, application_name: str | None = None) -> Call:
    """Make a version the latest."""
    return of("set_latest_version", version_name)


@verb()
def patch(patch_name: str) -> Call:
    """Whether this execution takes the new way of a changed workflow."""
    return of("patch", patch_name)


@verb()
def deprecate_patch(patch_name: str) -> Call:
    """Keep executions that recorded a patch in step after its old way was removed."""
    return of("deprecate_patch", patch_name)


def version_info(row: Any) -> VersionInfo | None:
    if row is None:
        return None
    return {
        "version_id": str(row.pk),
        "version_name": row.name,
        "version_timestamp": ms(row.promoted_at),
        "created_at": ms(row.created_at),
    }


class Managing:
    """The methods of `DBOS` that show and steer workflows."""

    list_workflows, list_workflows_async = pair(list_workflows)
    list_queued_workflows, list_queued_workflows_async = pair(list_queued_workflows)
    list_workflow_steps, list_workflow_steps_async = pair(list_workflow_steps)
    cancel_workflow, cancel_workflow_async = pair(cancel_workflow)
    cancel_workflows, cancel_workflows_async = pair(cancel_workflows)
    resume_workflow, resume_workflow_async = pair(resume_workflow)
    resume_workflows, resume_workflows_async = pair(resume_workflows)
    delete_workflow, delete_workflow_async = pair(delete_workflow)
    delete_workflows, delete_workflows_async = pair(delete_workflows)
    fork_workflow, fork_workflow_async = pair(fork_workflow)
    restart_workflow, restart_workflow_async = pair(restart_workflow)
    rewind_workflow, rewind_workflow_async = pair(rewind_workflow)
    set_workflow_delay, set_workflow_delay_async = pair(set_workflow_delay)
    update_workflow_attributes, update_workflow_attributes_async = pair(update_workflow_attributes)
    patch, patch_async = pair(patch)
    deprecate_patch, deprecate_patch_async = pair(deprecate_patch)
    list_application_versions, list_application_versions_async = pair(list_application_versions)
    get_latest_application_version, get_latest_application_version_async = pair(get_latest_application_version)
    set_latest_application_version, set_latest_application_version_async = pair(set_latest_application_version)
