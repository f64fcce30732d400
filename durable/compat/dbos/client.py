"""DBOSClient: the program's workflows from outside, given only its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from ...client import Client
from . import standalone
from .absent import AbsentOfClients
from .communication import (
    avalue_at,
    avalues_of,
    get_all_events,
    get_event,
    send,
    send_bulk,
    value_at,
    values_of,
)
from .config import read
from .error import DBOSException, translated
from .handles import WorkflowHandle, WorkflowHandleAsync
from .managing import (
    cancel_workflow,
    cancel_workflows,
    delete_workflow,
    delete_workflows,
    fork_workflow,
    get_latest_application_version,
    list_application_versions,
    list_queued_workflows,
    list_workflow_steps,
    list_workflows,
    restart_workflow,
    resume_workflow,
    resume_workflows,
    rewind_workflow,
    set_latest_application_version,
    set_workflow_delay,
    update_workflow_attributes,
)
from .pairs import Call, check_loop, check_unsharded, methods, of, verb
from .queue import OnConflict, Queue, check_on_conflict, declare_queue, delete_queue, list_queues, retrieve_queue
from .scheduling import (
    apply_schedules,
    backfill_schedule,
    delete_schedule,
    get_schedule,
    list_schedules,
    named_schedule,
    pause_schedule,
    resume_schedule,
    trigger_schedule,
)
from .starting import EnqueueOptions, get_workflow_status, native_options, retrieve_workflow, wait_first


@verb(WorkflowHandle, WorkflowHandleAsync)
def enqueue(options: EnqueueOptions, *args: Any, **kwargs: Any) -> Call:
    """Put a workflow in a queue, both by name."""
    name, named = native_options(options)
    return of("enqueue", name, *args, kwargs=kwargs, **named)


class DBOSClient(AbsentOfClients):
    """Starts, finds, steers and awaits the workflows of a program from outside it.

    `system_database_url`: the program's; `serializer`: the program's own, if it has one. Other arguments tune what
    Durable does not have.
    """

    def __init__(
        self, database_url: str | None = None, *, system_database_url: str | None = None,
        application_database_url: str | None = None, system_database_engine: Any = None, serializer: Any = None,
        dbos_system_schema: str | None = None, application_name: str | None = None, **tuning: Any,
    ):  # fmt: skip
        said = {
            "system_database_url": system_database_url, "database_url": database_url,
            "application_database_url": application_database_url, "system_database_engine": system_database_engine,
        }  # fmt: skip
        config = read({key: value for key, value in said.items() if value is not None})
        if config.url is None:
            raise DBOSException("Give the address of the program's database: DBOSClient(system_database_url=...)")
        with translated():
            self.native = Client(config.url)
        if serializer is not None:
            standalone.use_serializer(serializer)

    enqueue, enqueue_async = methods(enqueue)
    send, send_async = methods(send)
    send_bulk, send_bulk_async = methods(send_bulk)
    get_event, get_event_async = methods(get_event)
    get_all_events, get_all_events_async = methods(get_all_events)
    retrieve_workflow, retrieve_workflow_async = methods(retrieve_workflow)
    wait_first, wait_first_async = methods(wait_first)
    get_workflow_status, get_workflow_status_async = methods(get_workflow_status)
    list_workflows, list_workflows_async = methods(list_workflows)
    list_queued_workflows, list_queued_workflows_async = methods(list_queued_workflows)
    list_workflow_steps, list_workflow_steps_async = methods(list_workflow_steps)
    cancel_workflow, cancel_workflow_async = methods(cancel_workflow)
    cancel_workflows, cancel_workflows_async = methods(cancel_workflows)
    resume_workflow, resume_workflow_async = methods(resume_workflow)
    resume_workflows, resume_workflows_async = methods(resume_workflows)
    delete_workflow, delete_workflow_async = methods(delete_workflow)
    delete_workflows, delete_workflows_async = methods(delete_workflows)
    fork_workflow, fork_workflow_async = methods(fork_workflow)
    restart_workflow, restart_workflow_async = methods(restart_workflow)
    rewind_workflow, rewind_workflow_async = methods(rewind_workflow)
    set_workflow_delay, set_workflow_delay_async = methods(set_workflow_delay)
    update_workflow_attributes, update_workflow_attributes_async = methods(update_workflow_attributes)
    retrieve_queue, retrieve_queue_async = methods(retrieve_queue)
    list_queues, list_queues_async = methods(list_queues)
    delete_queue, delete_queue_async = methods(delete_queue)
    create_schedule, create_schedule_async = methods(named_schedule)
    apply_schedules, apply_schedules_async = methods(apply_schedules)
    list_schedules, list_schedules_async = methods(list_schedules)
    get_schedule, get_schedule_async = methods(get_schedule)
    delete_schedule, delete_schedule_async = methods(delete_schedule)
    pause_schedule, pause_schedule_async = methods(pause_schedule)
    resume_schedule, resume_schedule_async = methods(resume_schedule)
    backfill_schedule, backfill_schedule_async = methods(backfill_schedule)
    trigger_schedule, trigger_schedule_async = methods(trigger_schedule)
    list_application_versions, list_application_versions_async = methods(list_application_versions)
    get_latest_application_version, get_latest_application_version_async = methods(get_latest_application_version)
    set_latest_application_version, set_latest_application_version_async = methods(set_latest_application_version)

    def register_queue(self, name: str, *, on_conflict: OnConflict = "always_update", **limits: Any) -> Queue | None:
        """Create a queue, or change its limits; a client has no version, so it changes them unless told never to."""
        check_loop("register_queue", "client")
        check_on_conflict(on_conflict)
        known = self.retrieve_queue(name) if on_conflict == "never_update" else None
        return known or declare_queue.do(self.native, (name,), limits)

    async def register_queue_async(
        self, name: str, *, on_conflict: OnConflict = "always_update", **limits: Any
    ) -> Queue | None:
        """`register_queue` for coroutines."""
        check_on_conflict(on_conflict)
        known = await self.retrieve_queue_async(name) if on_conflict == "never_update" else None
        return known or await declare_queue.ado(self.native, (name,), limits)

    def check_connection(self) -> None:
        """Raises `DBOSInitializationError` when the database cannot be reached."""
        self.list_queues()

    async def check_connection_async(self) -> None:
        """`check_connection` for coroutines."""
        await self.list_queues_async()

    def read_stream(
        self, workflow_id: str, key: str, *, offset: int = 0, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> Iterator[Any]:  # fmt: skip
        """The values of a stream in order, until it is closed or its workflow has ended."""
        check_loop("read_stream", "client")
        check_unsharded(shard_key)
        return values_of(self.native, workflow_id, key, offset, timeout_seconds)

    def read_stream_async(
        self, workflow_id: str, key: str, *, offset: int = 0, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> AsyncIterator[Any]:  # fmt: skip
        """`read_stream` for coroutines."""
        check_unsharded(shard_key)
        return avalues_of(self.native, workflow_id, key, offset, timeout_seconds)

    def read_stream_offset(
        self, workflow_id: str, key: str, offset: int, *, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> Any:  # fmt: skip
        """The one value of a stream at an offset: see `DBOS.read_stream_offset`."""
        check_loop("read_stream_offset", "client")
        check_unsharded(shard_key)
        return value_at(self.native, workflow_id, key, offset, timeout_seconds)

    async def read_stream_offset_async(
        self, workflow_id: str, key: str, offset: int, *, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> Any:  # fmt: skip
        """`read_stream_offset` for coroutines."""
        check_unsharded(shard_key)
        return await avalue_at(self.native, workflow_id, key, offset, timeout_seconds)

    def destroy(self) -> None:
        """Give back the client's connections."""
        self.native.close()

    async def destroy_async(self) -> None:
        """`destroy` for coroutines."""
        await self.native.aclose()

    def __enter__(self) -> DBOSClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()


class DebouncerClient:
    """Debounces a workflow of the program from outside it."""

    def __init__(
        self, client: DBOSClient, workflow_options: EnqueueOptions, *, debounce_timeout_sec: float | None = None,
        queue: Any = None, application_name: str | None = None,
    ):  # fmt: skip
        self.client, self.options, self.timeout = client, workflow_options, debounce_timeout_sec
        self.queue = getattr(queue, "name", queue)

    @staticmethod
    def create(
        client: DBOSClient, workflow_options: EnqueueOptions, *, debounce_timeout_sec: float | None = None,
        queue: Any = None,
    ) -> DebouncerClient:  # fmt: skip
        """A debouncer for a workflow, by its name."""
        return DebouncerClient(client, workflow_options, debounce_timeout_sec=debounce_timeout_sec, queue=queue)

    def debounce(self, debounce_key: str, debounce_period_sec: float, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Ask for the workflow: it starts when the period has passed since the last call with this key."""
        check_loop("debounce", "client")
        return debounce.do(self.client.native, (self, debounce_key, debounce_period_sec, args, kwargs), {})

    async def debounce_async(
        self, debounce_key: str, debounce_period_sec: float, *args: Any, **kwargs: Any
    ) -> WorkflowHandleAsync[Any]:
        """`debounce` for coroutines."""
        return await debounce.ado(self.client.native, (self, debounce_key, debounce_period_sec, args, kwargs), {})


@verb(WorkflowHandle, WorkflowHandleAsync)
def debounce(debouncer: DebouncerClient, key: str, period: float, args: Any, kwargs: Any) -> Call:
    name, named = native_options(debouncer.options)
    if debouncer.queue is not None:
        named["queue"] = debouncer.queue
    return of("debounce_by_name", name, key, period, args, kwargs, debounce_timeout_sec=debouncer.timeout, **named)
