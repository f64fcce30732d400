"""Queues as code declares them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from .definition import Definition, Start, start_options
from .engine.commands import NewWorkflow
from .errors import ImproperUse, InvalidOption
from .handles import WorkflowHandle
from .limits import PARTITION_LIMITS, check_name, limits_of
from .options import NO_OPTIONS, StartOptions
from .pending import said
from .registry import registry
from .verbs import astart_many, start_many


class Queue:
    """A named line for workflows, first in, first out.

    `concurrency`: at most this many at once over all executors; `worker_concurrency`: in one executor; `limiter`:
    `{"limit": n, "period": seconds}`, at most n starts within any period. Default: no limits. Limits are never exceeded
    at any instant. With priorities, low numbers go first, and none before all. `max_tasks_per_iteration`: at most this
    many taken by one claim.

    With `partition_queue` these limits hold for each partition by itself; `partition_concurrency`,
    `partition_worker_concurrency` and `partition_limiter` say so beside limits of the whole queue. Every enqueue on a
    partitioned queue needs a `partition_key`, and partitions take turns.
    Executors put declared queues in the database when they start, and those made later within a poll. Raises
    `InvalidOption`.
    """

    def __init__(
        self, name: str, concurrency: int | None = None, limiter: Mapping[str, float] | None = None, *,
        worker_concurrency: int | None = None, priority_enabled: bool = True, partition_queue: bool = False,
        max_tasks_per_iteration: int | None = None, partition_concurrency: int | None = None,
        partition_worker_concurrency: int | None = None, partition_limiter: Mapping[str, float] | None = None,
    ):  # fmt: skip
        check_name(name)
        self.name, self.priority_enabled = name, priority_enabled
        self._options = StartOptions(queue=name)
        self._limits = limits_of(
            concurrency=concurrency, worker_concurrency=worker_concurrency, limiter=limiter,
            max_tasks_per_iteration=max_tasks_per_iteration, partition_concurrency=partition_concurrency,
            partition_worker_concurrency=partition_worker_concurrency, partition_limiter=partition_limiter,
            is_partitioned=partition_queue,
        )  # fmt: skip
        self.partition_queue = partition_queue or any(self._limits[limit] is not None for limit in PARTITION_LIMITS)
        registry.declare(self)

    def enqueue(self, fn: Any, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Put a workflow, step or transaction in this queue; stored when this returns, or with your atomic()."""
        return self._start(fn).start(*args, **kwargs)

    def aenqueue(self, fn: Any, *args: Any, **kwargs: Any) -> Awaitable[WorkflowHandle[Any]]:
        """`enqueue` for coroutines."""
        return self._start(fn).astart(*args, **kwargs)

    def enqueue_many(self, fn: Any, calls: Iterable[Any]) -> list[WorkflowHandle[Any]]:
        """Put many in this queue, together or none; one statement stores them. Each call is a tuple of arguments, or
        one argument that is no tuple."""
        return [WorkflowHandle(each) for each in start_many(self._many(fn, calls))]

    async def aenqueue_many(self, fn: Any, calls: Iterable[Any]) -> list[WorkflowHandle[Any]]:
        """`enqueue_many` for coroutines."""
        return [WorkflowHandle(each) for each in await astart_many(self._many(fn, calls))]

    def _many(self, fn: Any, calls: Iterable[Any]) -> list[NewWorkflow]:
        start = self._start(fn)
        for option in ("workflow_id", "dedup_id"):
            if (value := said(start.options, option)) is not None:
                raise InvalidOption(option=option, value=value, hint="it can name one workflow, not many")
        return start.new_many([(call if isinstance(call, tuple) else (call,), {}) for call in calls])

    def limits(self) -> dict[str, Any]:
        """What the code declares."""
        return dict(self._limits)

    def _start(self, fn: Any) -> Start[Any, Any]:
        start = start_of(fn)
        options = self._options if start.options is NO_OPTIONS else start_options({"queue": self.name}, start.options)
        if self.partition_queue:
            if said(options, "partition_key") is None:
                raise InvalidOption(
                    option="partition_key", value=None, hint=f"queue {self.name!r} is partitioned: say which partition"
                )
            if (dedup_id := said(options, "dedup_id")) is not None:
                hint = f"queue {self.name!r} is partitioned, where ids do not deduplicate"
                raise InvalidOption(option="dedup_id", value=dedup_id, hint=hint)
        return Start(start.definition, options, start.receiver)

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"


def start_of(fn: Any) -> Start[Any, Any]:
    """How a workflow, a step or a transaction is started. Raises `ImproperUse` for a plain function."""
    if isinstance(fn, Start):
        return fn
    receiver = getattr(fn, "__self__", None) if inspect.ismethod(fn) else None
    inner = fn.__func__ if receiver is not None else fn
    definition = inner if isinstance(inner, Definition) else getattr(inner, "definition", None)
    if not isinstance(definition, Definition):
        name = getattr(fn, "__qualname__", repr(fn))
        raise ImproperUse(f"{name} is a plain function. Mark it @durable.workflow() or @durable.step() to start it.")
    return Start(definition, NO_OPTIONS, receiver)
