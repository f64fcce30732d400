"""Queues as code declares them."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from .definition import Definition, Start, start_options
from .errors import ImproperUse, InvalidOption
from .handles import WorkflowHandle
from .models import INTERNAL_QUEUE
from .options import StartOptions
from .registry import registry


class Queue:
    """A named line for workflows, first in, first out.

    `concurrency`: at most this many at once over all executors; `worker_concurrency`: in one executor; `limiter`:
    `{"limit": n, "period": seconds}`, at most n starts within any period. Default: no limits. Limits are never exceeded
    at any instant. With priorities, low numbers go first, and none before all. `max_tasks_per_iteration`: at most this
    many taken by one claim. Executors put declared queues in the database when they start. Raises `InvalidOption`.
    """

    def __init__(
        self, name: str, concurrency: int | None = None, limiter: Mapping[str, float] | None = None, *,
        worker_concurrency: int | None = None, priority_enabled: bool = True, partition_queue: bool = False,
        max_tasks_per_iteration: int | None = None,
    ):  # fmt: skip
        StartOptions(queue=name)
        if name.startswith(INTERNAL_QUEUE):
            raise InvalidOption(
                option="name", value=name, hint=f"names that start with {INTERNAL_QUEUE} are Durable's own"
            )
        for option, value in (
            ("concurrency", concurrency), ("worker_concurrency", worker_concurrency),
            ("max_tasks_per_iteration", max_tasks_per_iteration),
        ):  # fmt: skip
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InvalidOption(option=option, value=value, hint="give an integer of at least 1, or None")
        if concurrency is not None and worker_concurrency is not None and worker_concurrency > concurrency:
            raise InvalidOption(option="worker_concurrency", value=worker_concurrency, hint="at most the concurrency")
        if partition_queue:
            raise InvalidOption(option="partition_queue", value=True, hint="partitioned queues are not available yet")
        self.name = name
        self.concurrency, self.worker_concurrency = concurrency, worker_concurrency
        self.max_tasks_per_iteration = max_tasks_per_iteration
        self.rate_limit, self.rate_period = _rate(limiter)
        self.priority_enabled, self.partition_queue = priority_enabled, partition_queue
        registry.declare(self)

    def enqueue(self, fn: Any, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Put a workflow, step or transaction in this queue; stored when this returns, or with your atomic()."""
        return self._start(fn).start(*args, **kwargs)

    def aenqueue(self, fn: Any, *args: Any, **kwargs: Any) -> Awaitable[WorkflowHandle[Any]]:
        """`enqueue` for coroutines."""
        return self._start(fn).astart(*args, **kwargs)

    def limits(self) -> dict[str, Any]:
        """What the code declares."""
        return {
            "concurrency": self.concurrency, "worker_concurrency": self.worker_concurrency,
            "rate_limit": self.rate_limit, "rate_period": self.rate_period,
            "max_tasks_per_iteration": self.max_tasks_per_iteration,
        }  # fmt: skip

    def _start(self, fn: Any) -> Start[Any, Any]:
        start = start_of(fn)
        return Start(start.definition, start_options({"queue": self.name}, start.options))

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"


def start_of(fn: Any) -> Start[Any, Any]:
    """How a workflow, a step or a transaction is started. Raises `ImproperUse` for a plain function."""
    if isinstance(fn, Start):
        return fn
    definition = fn if isinstance(fn, Definition) else getattr(fn, "definition", None)
    if not isinstance(definition, Definition):
        name = getattr(fn, "__qualname__", repr(fn))
        raise ImproperUse(f"{name} is a plain function. Mark it @durable.workflow() or @durable.step() to start it.")
    return Start(definition, StartOptions())


def _rate(limiter: Mapping[str, float] | None) -> tuple[int | None, float | None]:
    if limiter is None:
        return None, None
    try:
        limit, period = limiter["limit"], limiter["period"]
        if limit < 1 or period <= 0 or int(limit) != limit:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InvalidOption(option="limiter", value=limiter, hint='give {"limit": 50, "period": 30}') from None
    return int(limit), float(period)
