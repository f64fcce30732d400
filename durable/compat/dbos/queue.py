"""Queues: declared by `Queue(...)`, or registered while everything runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, TypedDict, get_args

import durable

from ...pending import said
from .apart import apart
from .declaring import engine, registry, start_of
from .error import DBOSException, translated
from .handles import WorkflowHandle, WorkflowHandleAsync, nothing
from .pairs import Call, check_loop, of, pair, verb

OnConflict = Literal["update_if_latest_version", "always_update", "never_update"]


class QueueRateLimit(TypedDict):
    """At most `limit` starts within `period` seconds."""

    limit: int
    period: float


LIMITS = {
    "concurrency", "worker_concurrency", "limiter", "partition_concurrency", "partition_worker_concurrency",
    "partition_limiter",
}  # fmt: skip


class Queue:
    """A named line for workflows, first in, first out.

    Declared in code it is in the database as soon as this process is launched. With `partition_queue` its limits hold
    for each partition.
    """

    def __init__(
        self, name: str, concurrency: int | None = None, limiter: QueueRateLimit | None = None, *,
        worker_concurrency: int | None = None, priority_enabled: bool = False, partition_queue: bool = False,
        polling_interval_sec: float = 1.0,
    ):  # fmt: skip
        self.name = name
        self.terms: dict[str, Any] = {
            "concurrency": concurrency, "limiter": limiter, "worker_concurrency": worker_concurrency
        }  # fmt: skip
        self.priority_enabled, self.partition_queue = priority_enabled, partition_queue
        self.polling_interval_sec = polling_interval_sec
        self._is_declared = True
        registry.later(self)

    @classmethod
    def of_row(cls, row: Any) -> Any:
        """The queue of a row of Durable's table; None for None."""
        if row is None:
            return None
        queue = cls.__new__(cls)
        queue.name, queue.priority_enabled, queue.partition_queue = row.name, True, row.partitioned
        queue.terms, queue.polling_interval_sec, queue._is_declared = terms_of(row), 1.0, False
        return queue

    def make(self) -> None:
        """Declare it to Durable; called when Django is there."""
        with translated():
            durable.Queue(self.name, partition_queue=self.partition_queue, **self.terms)

    def enqueue(self, fn: Any, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Put a workflow, step or transaction in the queue. `partition_key=` names its partition, unless the function
        has an argument of that name; otherwise `SetEnqueueOptions` does."""
        check_loop("enqueue")
        with translated():
            start, kwargs = self._start(fn, kwargs)
            return WorkflowHandle(start.start(*args, **kwargs))

    async def enqueue_async(self, fn: Any, *args: Any, **kwargs: Any) -> WorkflowHandleAsync[Any]:
        """`enqueue` for coroutines."""
        with translated():
            start, kwargs = self._start(fn, kwargs)
            return WorkflowHandleAsync(await start.astart(*args, **kwargs))

    def _start(self, fn: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        start = start_of(fn).using(queue=self.name)
        if "partition_key" in kwargs and not _takes_partition_key(start.definition):
            kwargs = dict(kwargs)
            start = start.using(partition_key=kwargs.pop("partition_key"))
        if self.partition_queue:
            if said(start.options, "partition_key") is None:
                raise DBOSException(f"Queue {self.name} is partitioned: say which partition, by queue_partition_key")
            if said(start.options, "dedup_id") is not None:
                raise DBOSException(f"Queue {self.name} is partitioned, where nothing is deduplicated")
        return start, kwargs

    # --- limits in force, which others may change while this process runs

    def _now(self, limit: str) -> Any:
        with translated():
            return self._of_row(limit, apart(lambda: engine().retrieve_queue(self.name)))

    async def _anow(self, limit: str) -> Any:
        with translated():
            return self._of_row(limit, await engine().aretrieve_queue(self.name))

    def _of_row(self, limit: str, row: Any) -> Any:
        term = "concurrency" if limit == "global_concurrency" else limit
        if self.partition_queue and self._is_declared and limit in ("concurrency", "worker_concurrency", "limiter"):
            term = f"partition_{limit}"  # each limit of a queue with partition_queue=True is one of its partitions
        return self.terms.get(term) if row is None else terms_of(row)[term]

    async def get_polling_interval_sec_async(self) -> float:
        """What this process was told; nothing polls."""
        return self.polling_interval_sec

    def set_polling_interval_sec(self, value: float) -> None:
        """Nothing polls a queue: this has no effect."""
        self.polling_interval_sec = value

    async def set_polling_interval_sec_async(self, value: float) -> None:
        """`set_polling_interval_sec` for coroutines."""
        self.polling_interval_sec = value

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"


def terms_of(row: Any) -> dict[str, Any]:
    """The limits in force of a queue's row, as DBOS says them."""
    found: dict[str, Any] = {term: getattr(row, term) for term in LIMITS if "limiter" not in term}
    for prefix in ("", "partition_"):
        limit, period = getattr(row, f"{prefix}rate_limit"), getattr(row, f"{prefix}rate_period")
        found[f"{prefix}limiter"] = None if limit is None else {"limit": limit, "period": period}
    return found


def _getters(limit: str) -> tuple[Any, Any]:
    async def aread(self: Queue) -> Any:
        """This limit as it is now."""
        return await self._anow(limit)

    return property(lambda self: self._now(limit), doc="This limit as it is now."), aread


def _setters(term: str) -> tuple[Any, Any]:
    def change(self: Queue, value: Any) -> None:
        """Change this limit at once, for all processes."""
        check_loop(f"Queue.set_{term}")
        with translated():
            engine().set_queue_limits(self.name, **{term: value})

    async def achange(self: Queue, value: Any) -> None:
        """Change this limit at once, for all processes."""
        with translated():
            await engine().aset_queue_limits(self.name, **{term: value})

    return change, achange


for _name, _term in {"global_concurrency": "concurrency", **{term: term for term in LIMITS}}.items():
    _set, _aset = _setters(_term)
    setattr(Queue, f"set_{_name}", _set)
    setattr(Queue, f"set_{_name}_async", _aset)
    _get, _aget = _getters(_name)
    setattr(Queue, _name, _get)
    setattr(Queue, f"get_{_name}_async", _aget)


def _takes_partition_key(definition: Any) -> bool:
    parameters = definition.signature.parameters.values() if definition.signature else ()
    return any(each.name == "partition_key" or each.kind is each.VAR_KEYWORD for each in parameters)


# --- queues that are rows


@verb(lambda row, _: Queue.of_row(row))
def retrieve_queue(name: str) -> Call:
    """A queue that is in the database, or None."""
    return of("retrieve_queue", name)


@verb(lambda rows, _: [Queue.of_row(row) for row in rows])
def list_queues(*, application_name: str | None = None) -> Call:
    """Every queue in the database."""
    return of("list_queues")


@verb(nothing)
def delete_queue(name: str) -> Call:
    """Delete a queue in which nothing is."""
    return of("delete_queue", name)


@verb(lambda row, _: Queue.of_row(row))
def declare_queue(
    name: str, *, worker_concurrency: int | None = None, global_concurrency: int | None = None,
    concurrency: int | None = None, limiter: QueueRateLimit | None = None, partition_concurrency: int | None = None,
    partition_worker_concurrency: int | None = None, partition_limiter: QueueRateLimit | None = None,
    priority_enabled: bool = True, partition_queue: bool = False, polling_interval_sec: float = 1.0,
    application_name: str | None = None,
) -> Call:  # fmt: skip
    """Create a queue, or change its limits."""
    return of(
        "register_queue", name, concurrency=concurrency if global_concurrency is None else global_concurrency,
        worker_concurrency=worker_concurrency, limiter=limiter, partition_concurrency=partition_concurrency,
        partition_worker_concurrency=partition_worker_concurrency, partition_limiter=partition_limiter,
        partition_queue=partition_queue,
    )  # fmt: skip


declare_queue.translate.__name__ = "register_queue"


class Queueing:
    """The methods of `DBOS` about queues that are rows."""

    retrieve_queue, retrieve_queue_async = pair(retrieve_queue)
    list_queues, list_queues_async = pair(list_queues)
    delete_queue, delete_queue_async = pair(delete_queue)

    @staticmethod
    def register_queue(name: str, *, on_conflict: OnConflict = "update_if_latest_version", **limits: Any) -> Queue:
        """Create a queue, or change the limits of the one that is there: if this process has the latest version of
        the program, always, or never. `limits`: as in `declare_queue`."""
        check_loop("register_queue")
        with translated():
            return Queue.of_row(_registering()[0](name, on_conflict, limits))

    @staticmethod
    async def register_queue_async(
        name: str, *, on_conflict: OnConflict = "update_if_latest_version", **limits: Any
    ) -> Queue:
        """`register_queue` for coroutines."""
        with translated():
            return Queue.of_row(await _registering()[1](name, on_conflict, limits))


@cache
def _registering() -> tuple[Callable[..., Any], Callable[..., Awaitable[Any]]]:
    """A pair that is one step of a workflow, though it looks before it writes."""
    engine()
    from ...queues import FACTS
    from ...verbs import managed

    def facts(row: Any) -> dict[str, Any]:
        return {name: getattr(row, name) for name in FACTS}

    return managed(register_queue, facts, lambda said: SimpleNamespace(**said))


def check_on_conflict(on_conflict: str) -> None:
    if on_conflict not in get_args(OnConflict):
        raise DBOSException(f"on_conflict={on_conflict!r}: give one of {', '.join(get_args(OnConflict))}")


def register_queue(name: str, on_conflict: str, limits: dict[str, Any]) -> Any:
    check_on_conflict(on_conflict)
    durable = engine()
    known = durable.retrieve_queue(name) if on_conflict != "always_update" else None
    if known is not None and (on_conflict == "never_update" or not _is_latest(durable)):
        return known
    verb, args, named = declare_queue.translate(name, **limits)
    return getattr(durable, verb)(*args, **named)


def _is_latest(durable: Any) -> bool:
    latest = durable.latest_version()
    return latest is None or latest.name == durable.application_version()
