"""@step and @transaction: what a workflow does in the world."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import transaction as db_transaction

from .conf import conf
from .context import scope
from .definition import Definition, check_order
from .engine import steps
from .engine.drive import adrive, begun, drive
from .errors import ImproperUse, InvalidOption
from .options import StepOptions
from .registry import TEMPORARY, registry
from .retry import Retry

P = ParamSpec("P")
R = TypeVar("R")

ISOLATION = {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}
STEP_OPTIONS = {
    "name", "retries_allowed", "interval_seconds", "max_attempts", "backoff_rate", "max_interval_seconds",
    "should_retry", "timeout_seconds", "preemptible",
}  # fmt: skip


def _workflow() -> Any:
    """The run whose own code is calling, or None: outside, and inside a step, a step is a plain call."""
    place = scope.get()
    return place if place is not None and place.place == "workflow" else None


@overload
def step(fn: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def step(
    *, name: str | None = None, retries_allowed: bool = False, interval_seconds: float = 1.0, max_attempts: int = 3,
    backoff_rate: float = 2.0, max_interval_seconds: float = 3600.0,
    should_retry: Callable[[BaseException], Any] | None = None, timeout_seconds: float | None = None,
    preemptible: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...  # fmt: skip
def step(
    fn: Any = None, /, *, name: str | None = None, retries_allowed: bool = False, interval_seconds: float = 1.0,
    max_attempts: int = 3, backoff_rate: float = 2.0, max_interval_seconds: float = 3600.0,
    should_retry: Callable[[BaseException], Any] | None = None, timeout_seconds: float | None = None,
    preemptible: bool = False,
) -> Any:  # fmt: skip
    """Make a function a step: inside a workflow it runs at least once and its outcome is recorded once.

    With `retries_allowed`, a failing step is tried up to `max_attempts` times in all, waiting `interval_seconds`, then
    `backoff_rate` times as long each time, at most `max_interval_seconds`; `should_retry(error)` may end it early (of a
    coroutine it may be one too). The last failure raises `MaxStepRetriesExceeded` with all errors. Outside a workflow,
    and inside another step, it is a plain call. It can be started or enqueued by itself, as a workflow of one step.

    For coroutine functions only: `timeout_seconds` interrupts one attempt with `StepTimeout`; a `preemptible` step is
    interrupted as soon as its workflow is cancelled, others run to their end. Raises `InvalidOption`.
    """
    retry = Retry(
        max_attempts=max_attempts if retries_allowed else 1, interval_seconds=interval_seconds,
        backoff_rate=backoff_rate, max_interval_seconds=max_interval_seconds, should_retry=should_retry,
    )  # fmt: skip

    def decorate(fn: Any) -> Any:
        check_order("step", fn)
        options = step_options(fn, name, retry, timeout_seconds, preemptible)

        @wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:  # not async: its slot is taken at the call, not at the await
            return run_step_with(options, fn, args, kwargs)

        if iscoroutinefunction(fn):
            markcoroutinefunction(wrapper)

        return startable(wrapper, fn, options.name)

    return decorate(fn) if fn is not None else decorate


def run_step_with(options: StepOptions, fn: Callable[..., Any], args: Any, kwargs: Any, seq: int | None = None) -> Any:
    """Run any callable as a step with options; a coroutine function gives an awaitable."""
    run = _workflow()
    if run is None:
        return fn(*args, **kwargs)
    operation = steps.run(run, options, fn, args, kwargs, seq)
    if options.is_async:
        return adrive(begun(operation), run.aperform)
    return drive(operation, run.perform)


def run_step(options: Any, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """Run any callable as a step of the calling workflow.

    `options`: None, or a mapping with the keywords of `@step` (`name`, `retries_allowed`, `max_attempts`, ...).
    Raises `InvalidOption`.
    """
    return run_step_with(read_options(options, fn), fn, args, kwargs)


def read_options(options: Any, fn: Any) -> StepOptions:
    """A mapping with the keywords of `@step` as options. Raises `InvalidOption`."""
    keywords = dict(options or {})
    if unknown := set(keywords) - STEP_OPTIONS:
        hint = f"known are {', '.join(sorted(STEP_OPTIONS))}"
        raise InvalidOption(option="options", value=sorted(unknown), hint=hint)
    timeout, preemptible = keywords.pop("timeout_seconds", None), keywords.pop("preemptible", False)
    if not keywords.pop("retries_allowed", False):
        keywords.pop("max_attempts", None)
    elif "max_attempts" not in keywords:
        keywords["max_attempts"] = 3
    name = keywords.pop("name", None)
    return step_options(fn, name, Retry(**keywords), timeout, preemptible)


def step_options(fn: Any, name: str | None, retry: Retry, timeout: float | None, is_preemptible: bool) -> StepOptions:
    """Options of a step of `fn`. Raises `InvalidOption` for what only a coroutine can have."""
    is_async = iscoroutinefunction(fn)
    for option, value in (("timeout_seconds", timeout), ("preemptible", is_preemptible)):
        if value and not is_async:
            hint = "only a coroutine function can be interrupted; make the step `async def`"
            raise InvalidOption(option=option, value=value, hint=hint)
    if iscoroutinefunction(retry.should_retry) and not is_async:
        hint = "it is a coroutine function, which only a step that is one can await"
        raise InvalidOption(option="should_retry", value=retry.should_retry, hint=hint)
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout is not True and timeout > 0):
        raise InvalidOption(option="timeout_seconds", value=timeout, hint="give a number of seconds above 0")
    known_as = str(name or getattr(fn, "__qualname__", type(fn).__qualname__))
    return StepOptions(name=known_as, retry=retry, timeout=timeout, is_preemptible=is_preemptible, is_async=is_async)


@overload
def transaction(fn: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def transaction(
    *, name: str | None = None, using: str | None = None, isolation_level: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def transaction(
    fn: Any = None, /, *, name: str | None = None, using: str | None = None, isolation_level: str | None = None
) -> Any:
    """Make a function a transaction: its ORM writes and its record commit together, so they happen exactly once.

    `using`: the database alias of its writes, default the engine's. `isolation_level`: READ COMMITTED (default),
    REPEATABLE READ or SERIALIZABLE on PostgreSQL; serialization failures and deadlocks are tried again, the whole
    function each time. Never a coroutine. Outside a workflow it is a plain `atomic()` call.
    """
    if isolation_level is not None and isolation_level.upper() not in ISOLATION:
        raise InvalidOption(
            option="isolation_level", value=isolation_level, hint=f"one of {', '.join(sorted(ISOLATION))}"
        )

    def decorate(fn: Any) -> Any:
        check_order("transaction", fn)
        if iscoroutinefunction(fn):
            raise ImproperUse(
                f"{fn.__qualname__} is a coroutine function; a transaction cannot be one, because Django's are not. "
                "Make it a plain function and call it with `await asyncio.to_thread(...)`."
            )
        options = StepOptions(name=name or fn.__qualname__)
        isolation = isolation_level.upper() if isolation_level else None

        @wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            run = _workflow()
            if run is not None:
                operation = steps.transact(run, options, fn, args, kwargs, using, isolation)
                return drive(operation, run.perform)
            with db_transaction.atomic(using=using or conf().DATABASE):
                return fn(*args, **kwargs)

        return startable(wrapper, fn, options.name)

    return decorate(fn) if fn is not None else decorate


def startable(wrapper: Any, fn: Any, name: str) -> Any:
    """Give a step the workflow of one step, as which it is started and enqueued."""
    if iscoroutinefunction(fn):

        @wraps(fn)
        async def alone(*args: Any, **kwargs: Any) -> Any:
            return await wrapper(*args, **kwargs)
    else:

        @wraps(fn)
        def alone(*args: Any, **kwargs: Any) -> Any:
            return wrapper(*args, **kwargs)

    definition: Definition[Any, Any] = Definition(alone, f"{TEMPORARY}{name}")
    definition.is_one_step = True
    registry.add(definition)
    wrapper.definition = definition
    wrapper.start, wrapper.astart, wrapper.using = definition.start, definition.astart, definition.using
    return wrapper
