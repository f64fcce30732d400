"""Decorated functions: real functions, whose definitions are made as soon as Django is there.

A DBOS program decorates before it configures anything, and Durable's definitions need Django's models. So a decorator
only notes what it is told; `native()` makes the definitions when the first of them, or the engine, is used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import connections

import durable

from ...conf import conf
from ...context import scope
from ...registry import registry as native
from ...roles import guarded
from .apart import apart
from .error import DBOSConflictingRegistrationError, DBOSException, translated
from .sql import with_session
from .typed import learn

APPLICATION = "application"
"""The alias of application_database_url, when it is another database."""
_lock = threading.RLock()


@dataclass(eq=False)
class Declared:
    """A function with what its decorators said. `kind`: workflow, step or transaction."""

    kind: str
    fn: Callable[..., Any]
    name: str
    options: dict[str, Any]
    schedules: list[str] = field(default_factory=list)
    source: Any = None
    """The datasource of a transaction that has one."""
    validate: Callable[..., Any] | None = None
    """What makes of a workflow's arguments those that its function is called with."""
    call: Any = None
    made: Any = None

    def native(self) -> Any:
        """Durable's own definition, or step."""
        engine()
        self.make()  # it is made already, unless that was refused: then it is refused again
        return self.made

    def make(self) -> None:
        if self.made is not None:
            return
        with translated():
            learn(self.fn)
            fn, options = self.fn, self.options
            if self.kind == "transaction":
                fn, options = self._with_session()
            elif self.validate is not None:
                fn = validated(self)
            self.made = getattr(durable, self.kind)(name=self.name, **options)(fn)
            for cron in self.schedules:
                durable.scheduled(cron)(self.made)

    def _with_session(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        if self.source is not None:
            using, maker = self.source.alias, self.source.sessionmaker
        else:
            using, maker = APPLICATION if APPLICATION in connections.settings else None, None
        return with_session(self.fn, lambda: using or conf().DATABASE, maker), {**self.options, "using": using}

    def schedule(self, cron: str) -> None:
        """Start it by the clock."""
        self.schedules.append(cron)
        if self.made is not None:
            with translated():
                durable.scheduled(cron)(self.made)

    def require(self, roles: list[str]) -> None:
        """Guard the function; one that is guarded keeps its own roles."""
        self.fn = guarded(self.fn, tuple(roles))
        if self.made is not None:
            self.made = None
            self.make()


class Registry:
    """What this process has decorated, in order."""

    def __init__(self) -> None:
        self.workflows: dict[str, Declared] = {}
        self.made: list[Declared] = []
        self.waiting: list[Any] = []
        """Things with a method `make`, for when Django is there."""
        self.closed = ""
        """Why nothing can be run: a program in one file is launched first. In a project executors run beside it."""

    def add(self, declared: Declared) -> None:
        """Raises `DBOSConflictingRegistrationError` for a workflow whose name another module's has."""
        with _lock:
            if declared.kind == "workflow":
                known = self.workflows.get(declared.name, declared)
                if known.fn.__module__ != declared.fn.__module__:
                    raise DBOSConflictingRegistrationError(declared.name)
                self.workflows[declared.name] = declared
            self.later(declared)

    def again(self) -> None:
        """Make everything anew, for a program that is configured a second time."""
        with _lock:
            for declared in self.made:
                declared.made = None
            self.waiting[:0], self.made = self.made, []

    def later(self, thing: Any) -> None:
        """Let `thing.make()` run when Django is there: now, if it is."""
        with _lock:
            self.waiting.append(thing)
            if apps.models_ready and apps.is_installed("durable"):
                self.make_all()

    def forget(self) -> None:
        """Forget what was decorated, here and in Durable."""
        with _lock:
            for things in (self.workflows, self.made, self.waiting):
                things.clear()
            native.forget()

    def make_all(self) -> None:
        with _lock:
            while self.waiting:
                thing = self.waiting.pop(0)
                thing.make()
                if isinstance(thing, Declared):
                    self.made.append(thing)


registry = Registry()


def engine() -> Any:
    """The package `durable`, once it can be used. Raises `DBOSException` before DBOS is launched."""
    if registry.closed and scope.get() is None:  # what still runs goes on to its next step, and stops there
        raise DBOSException(registry.closed)
    return prepared()


def prepared() -> Any:
    """The package `durable`, with everything that was decorated. Raises `DBOSException` before DBOS is configured."""
    if not apps.models_ready:
        _set_up()
    if registry.waiting:
        registry.make_all()
    return durable


def _set_up() -> None:
    if not (settings.configured or os.environ.get("DJANGO_SETTINGS_MODULE")):
        raise DBOSException("DBOS is not configured yet: call DBOS(config=...) and DBOS.launch() first")
    if apps.loading:
        raise DBOSException("Django is still loading its apps: use DBOS when they are ready")
    django.setup()


def function(declared: Declared) -> Any:
    """The function that the program calls: a real one, so that frameworks can look at it."""
    fn = declared.fn
    run = _run_workflow if declared.kind == "workflow" else _run_step
    if iscoroutinefunction(fn):

        @wraps(fn)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with translated():
                if declared.kind == "step" and scope.get() is None:
                    return await declared.fn(*args, **kwargs)
                return await run(call, args, kwargs)
    else:

        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with translated():
                if declared.kind == "step" and scope.get() is None:  # a plain call, also where nothing is configured
                    return declared.fn(*args, **kwargs)
                return apart(lambda: run(call, args, kwargs))  # it needs a thread that may wait for the database

    call.declared, declared.call = declared, call  # type: ignore[attr-defined]
    return call


def _run_workflow(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    receiver, args = receiver_of(call, args)
    return start_on(call.declared, receiver)(*args, **kwargs)


def _run_step(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return call.declared.native()(*args, **kwargs)


def validated(declared: Declared) -> Callable[..., Any]:
    """The function of a workflow, called with what its `validate_args` makes of its arguments, each time it runs."""
    fn, validate = declared.fn, declared.validate
    assert validate is not None

    def valid(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        receiver, rest = receiver_of(declared.call, args)
        rest, kwargs = validate(rest, kwargs)
        return (tuple(rest) if receiver is None else (receiver, *rest)), kwargs

    if iscoroutinefunction(fn):

        @wraps(fn)
        async def arun(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = valid(args, kwargs)
            return await fn(*args, **kwargs)

        return arun

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = valid(args, kwargs)
        return fn(*args, **kwargs)

    return run


def receiver_of(call: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The instance or class on which a method was called, and the other arguments. None for a function."""
    if args:
        owner = args[0] if isinstance(args[0], type) else type(args[0])
        member = next((vars(cls)[call.__name__] for cls in owner.__mro__ if call.__name__ in vars(cls)), None)
        if member is call or (isinstance(member, classmethod) and member.__func__ is call):
            return args[0], args[1:]
    return None, args


def start_on(declared: Declared, receiver: Any) -> Any:
    """How a declared function is started, on an instance or class when it is a method."""
    from ...definition import Start
    from ...options import NO_OPTIONS

    made = declared.native()
    definition = made if declared.kind == "workflow" else made.definition
    return Start(definition, NO_OPTIONS, receiver)


def start_of(fn: Any) -> Any:
    """How a program's function, or bound method, is started. Raises `DBOSException` for a plain function."""
    receiver, call = getattr(fn, "__self__", None), getattr(fn, "__func__", fn)
    declared = getattr(call, "declared", None)
    if not isinstance(declared, Declared):
        name = getattr(fn, "__qualname__", repr(fn))
        raise DBOSException(f"{name} is a plain function; decorate it with @DBOS.workflow() or @DBOS.step()")
    return start_on(declared, receiver)
