"""Starting workflows, and holding on to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NotRequired, TypedDict

from ...errors import WorkflowNotFound
from .blocks import DuplicationPolicy, WorkflowIDReusePolicy
from .declaring import engine, start_of
from .error import translated
from .handles import WorkflowHandle, WorkflowHandleAsync
from .pairs import Call, check_loop, check_unsharded, of, pair, verb
from .status import statuses_of


class EnqueueOptions(TypedDict):
    """Which workflow is enqueued by its name, where and how."""

    workflow_name: str
    queue_name: str
    workflow_id: NotRequired[str]
    workflow_id_reuse_policy: NotRequired[WorkflowIDReusePolicy]
    app_version: NotRequired[str]
    workflow_timeout: NotRequired[float]
    delay_seconds: NotRequired[float]
    deduplication_id: NotRequired[str]
    duplication_policy: NotRequired[DuplicationPolicy]
    priority: NotRequired[int]
    queue_partition_key: NotRequired[str]
    authenticated_user: NotRequired[str]
    authenticated_roles: NotRequired[list[str]]
    attributes: NotRequired[dict[str, Any]]
    class_name: NotRequired[str]
    instance_name: NotRequired[str]
    application_name: NotRequired[str]
    serialization_type: NotRequired[Any]
    otel_context: NotRequired[Any]
    shard_key: NotRequired[str]
    max_recovery_attempts: NotRequired[int]


NATIVE = {
    "queue_name": "queue", "workflow_id": "workflow_id", "workflow_id_reuse_policy": "id_policy",
    "app_version": "version", "workflow_timeout": "timeout", "delay_seconds": "delay", "deduplication_id": "dedup_id",
    "duplication_policy": "dedup_policy", "priority": "priority", "queue_partition_key": "partition_key",
    "authenticated_user": "authenticated_user", "authenticated_roles": "authenticated_roles",
    "attributes": "attributes", "class_name": "class_name", "instance_name": "config_name",
}  # fmt: skip
"""What Durable calls an option of an enqueueing by name."""


def native_options(options: EnqueueOptions) -> tuple[str, dict[str, Any]]:
    """The name of a workflow that this process need not know, and how it is started, as Durable says it."""
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    name = given.pop("workflow_name", "")
    check_unsharded(given.pop("shard_key", None))
    for without_effect in ("serialization_type", "max_recovery_attempts", "application_name", "otel_context"):
        given.pop(without_effect, None)
    return name, {NATIVE.get(key, key): value for key, value in given.items()}


@verb(WorkflowHandle, WorkflowHandleAsync)
def retrieve_workflow(workflow_id: str, existing_workflow: bool = True) -> Call:
    """A handle on a workflow that was started before."""
    return of("retrieve_workflow", workflow_id)


@verb(WorkflowHandle, WorkflowHandleAsync)
def wait_first(handles: Sequence[Any], *, polling_interval_sec: float = 1.0) -> Call:
    """The handle of the workflow that ends first."""
    return of("wait_first", [each.native for each in handles])


@verb(WorkflowHandle, WorkflowHandleAsync)
def enqueue_workflow_with_options(options: EnqueueOptions, *args: Any, **kwargs: Any) -> Call:
    """Put a workflow in a queue, both by name."""
    name, named = native_options(options)
    return of("start_by_name", name, args, kwargs, **named)


@verb(lambda row, _: statuses_of([row])[0], reads=True, absent=(WorkflowNotFound, None))
def get_workflow_status(workflow_id: str) -> Call:
    """The workflow as it is now, or None when there is none."""
    return of("get_workflow", workflow_id)


class Starting:
    """The methods of `DBOS` that start workflows and give handles."""

    retrieve_workflow, retrieve_workflow_async = pair(retrieve_workflow)
    wait_first, wait_first_async = pair(wait_first)
    get_workflow_status, get_workflow_status_async = pair(get_workflow_status)
    enqueue_workflow_with_options, enqueue_workflow_with_options_async = pair(enqueue_workflow_with_options)

    @staticmethod
    def start_workflow(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Start a workflow, step or transaction in the background."""
        check_loop("start_workflow")
        with translated():
            return WorkflowHandle(start_of(fn).start(*args, **kwargs))

    @staticmethod
    async def start_workflow_async(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> WorkflowHandleAsync[Any]:
        """`start_workflow` for coroutines."""
        with translated():
            return WorkflowHandleAsync(await start_of(fn).astart(*args, **kwargs))

    @staticmethod
    def enqueue_workflow(queue_name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Put a workflow in a queue by its name."""
        check_loop("enqueue_workflow")
        with translated():
            return WorkflowHandle(start_of(fn).using(queue=queue_name).start(*args, **kwargs))

    @staticmethod
    async def enqueue_workflow_async(
        queue_name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> WorkflowHandleAsync[Any]:
        """`enqueue_workflow` for coroutines."""
        with translated():
            return WorkflowHandleAsync(await start_of(fn).using(queue=queue_name).astart(*args, **kwargs))

    @staticmethod
    def get_result(workflow_id: str, *, polling_interval_sec: float = 1.0, shard_key: str | None = None) -> Any:
        """Wait for a workflow to end; its result, or its error raised."""
        check_loop("get_result")
        check_unsharded(shard_key)
        with translated():
            return engine().WorkflowHandle(workflow_id).get_result()

    @staticmethod
    async def get_result_async(
        workflow_id: str, *, polling_interval_sec: float = 1.0, shard_key: str | None = None
    ) -> Any:
        """`get_result` for coroutines."""
        check_unsharded(shard_key)
        with translated():
            return await engine().WorkflowHandle(workflow_id).aget_result()
