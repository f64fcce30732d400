"""The decorators."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Literal, TypedDict, TypeVar

from ...context import scope
from .apart import apart
from .classes import dbos_class, default_required_roles, required_roles
from .config import REFUSED
from .declaring import Declared, engine, function, registry
from .error import DBOSException, translated
from .typed import learn
from .validating import validator_of

F = TypeVar("F", bound=Callable[..., Any])
IsolationLevel = Literal["SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED"]


class StepOptions(TypedDict, total=False):
    """How `DBOS.run_step` runs a function: the keywords of `@DBOS.step`."""

    name: str | None
    retries_allowed: bool
    interval_seconds: float
    max_attempts: int
    backoff_rate: float
    should_retry: Callable[[BaseException], Any] | None
    preemptible: bool
    timeout_seconds: float | None


class StepReservation:
    """The number of a step that is run later, so that steps started together keep their order in a replay."""

    def __init__(self) -> None:
        with translated():
            self._native = engine().reserve_step()

    def run(self, options: StepOptions | None, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run any callable as this step."""
        with translated():
            return self._native.run(options, fn, *args, **kwargs)

    async def run_async(self, options: StepOptions | None, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`run` for coroutines."""
        with translated():
            value = self._native.run(options, fn, *args, **kwargs)
            return await value if isawaitable(value) else value


class Decorating:
    """The decorators of `DBOS`."""

    dbos_class = staticmethod(dbos_class)
    required_roles = staticmethod(required_roles)
    default_required_roles = staticmethod(default_required_roles)

    @staticmethod
    def workflow(
        *, name: str | None = None, max_recovery_attempts: int | None = 100, serialization_type: Any = None,
        validate_args: Callable[..., Any] | None = None, auto_upgrade: bool | None = None,
    ) -> Callable[[F], F]:  # fmt: skip
        """Make a function a workflow.

        `validate_args(args, kwargs)` gives those that the function is called with, each time it runs: it must come to
        the same with the same input.
        """
        if auto_upgrade:
            raise DBOSException(
                f"@DBOS.workflow(auto_upgrade=...) is not available in durable.compat.dbos; {REFUSED['auto_upgrade']}"
            )

        def decorate(fn: F) -> F:
            _only_a_function(fn, "workflow")
            options = {"max_recovery_attempts": max_recovery_attempts}
            return declare("workflow", fn, name, options, validate=validator_of(fn, validate_args))

        return decorate

    @staticmethod
    def step(
        *, name: str | None = None, retries_allowed: bool = False, interval_seconds: float = 1.0,
        max_attempts: int = 3, backoff_rate: float = 2.0, should_retry: Callable[[BaseException], Any] | None = None,
        preemptible: bool = False, timeout_seconds: float | None = None,
    ) -> Callable[[F], F]:  # fmt: skip
        """Make a function a step."""
        later = {"preemptible": preemptible, "timeout_seconds": timeout_seconds}
        said = {option: value for option, value in later.items() if value}

        def decorate(fn: F) -> F:
            _only_a_function(fn, "step")
            options = {
                "retries_allowed": retries_allowed, "interval_seconds": interval_seconds, "max_attempts": max_attempts,
                "backoff_rate": backoff_rate, "should_retry": should_retry, **said,
            }  # fmt: skip
            return declare("step", fn, name, options)

        return decorate

    @staticmethod
    def transaction(isolation_level: IsolationLevel = "SERIALIZABLE", *, name: str | None = None) -> Callable[[F], F]:
        """Make a function a transaction: what it writes by Django's connection, and its record, commit together."""
        if callable(isolation_level):
            raise DBOSException("Write @DBOS.transaction() with its parentheses")

        def decorate(fn: F) -> F:
            only_a_plain_function(fn)
            return declare("transaction", fn, name, {"isolation_level": isolation_level})

        return decorate

    @staticmethod
    def scheduled(cron: str) -> Callable[[F], F]:
        """Start a workflow by the clock: it receives the scheduled and the actual time."""

        def decorate(fn: F) -> F:
            declared = getattr(fn, "declared", None)
            if not isinstance(declared, Declared) or declared.kind != "workflow":
                raise DBOSException(f"@DBOS.scheduled({cron!r}) goes on top of @DBOS.workflow()")
            declared.schedule(cron)
            return fn

        return decorate

    @staticmethod
    def run_step(options: StepOptions | None, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run any callable as a step of the calling workflow."""
        with translated():
            return _as_step(options, fn, args, kwargs)

    @staticmethod
    def reserve_step() -> StepReservation:
        """Take the next step number of the calling workflow, for a step that is run later."""
        return StepReservation()

    @staticmethod
    async def asyncio_wait(
        fs: Iterable[Any], *, timeout: float | None = None, return_when: str = asyncio.ALL_COMPLETED
    ) -> tuple[set[Any], set[Any]]:
        """`asyncio.wait`, whose outcome is recorded."""
        with translated():
            return await engine().await_tasks(fs, timeout=timeout, return_when=return_when)

    @staticmethod
    async def run_step_async(options: StepOptions | None, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`run_step` for coroutines."""
        with translated():
            value = _as_step(options, fn, args, kwargs)
            return await value if isawaitable(value) else value


def _as_step(options: Any, fn: Any, args: Any, kwargs: Any) -> Any:
    if scope.get() is None:  # a plain call, also where nothing is configured
        return fn(*args, **kwargs)
    if iscoroutinefunction(fn):
        return engine().run_step(options, fn, *args, **kwargs)
    return apart(lambda: engine().run_step(options, fn, *args, **kwargs))


def declare(kind: str, fn: Any, name: str | None, options: dict[str, Any], **more: Any) -> Any:
    """Called by what a program decorates with. `more`: other fields of `Declared`."""
    learn(fn, sys._getframe(2).f_locals)  # a class that is local there has no other way to be found
    declared = Declared(kind, fn, name or fn.__qualname__, options, **more)
    registry.add(declared)
    return function(declared)


def _only_a_function(fn: Any, kind: str) -> None:
    if isinstance(fn, (staticmethod, classmethod)):
        raise DBOSException(f"Write @{type(fn).__name__} above @DBOS.{kind}(), not below it")
    if not callable(fn):
        raise DBOSException(f"@DBOS.{kind}() decorates functions, and {fn!r} is none")


def only_a_plain_function(fn: Any) -> None:
    """Raises `DBOSException` for what cannot be a transaction."""
    _only_a_function(fn, "transaction")
    if iscoroutinefunction(fn):
        raise DBOSException(
            f"{fn.__qualname__} is a coroutine function, which a transaction cannot be; make it a plain function, "
            "which coroutine workflows call as it is"
        )
