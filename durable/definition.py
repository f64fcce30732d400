"""@workflow: a function becomes a definition that can be called, started and enqueued."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, update_wrapper
from inspect import iscoroutinefunction
from typing import Any, Generic, ParamSpec, TypeVar, overload

from asgiref.sync import markcoroutinefunction, sync_to_async

from .conf import conf
from .context import scope
from .engine import children
from .engine.commands import NewWorkflow
from .engine.drive import adrive, begun, drive
from .errors import InsideStep, InvalidOption
from .executor import here as direct
from .executor.outside import encode
from .handles import WorkflowHandle
from .models import INTERNAL_QUEUE
from .options import INHERIT, NO_OPTIONS, StartOptions
from .pending import filled
from .registry import registry
from .roles import assumed_role
from .verbs import aresult, astart, check_colour, here, result, start

P = ParamSpec("P")
R = TypeVar("R")

UNSET: Any = object()


class Definition(Generic[P, R]):
    """A workflow function, known by its name.

    Calling it runs the workflow here and now, durably, and gives its result. `start` hands it to an executor. `using`
    says how: `checkout.using(workflow_id="o-1", queue="orders", priority=5).start(order)`.
    """

    def __init__(
        self, fn: Callable[P, R], name: str | None = None, max_recovery_attempts: Any = UNSET, park: bool = True
    ):
        self.fn = fn
        self.name = name or fn.__qualname__
        self._max_recovery_attempts = max_recovery_attempts
        self.park = park
        self.is_one_step = False
        """Whether nothing comes between the outcome of its first slot and its own end."""
        self.is_async = iscoroutinefunction(fn)
        update_wrapper(self, fn)
        if self.is_async:
            markcoroutinefunction(self)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """On an instance, and on a class for a class method, the workflow of that receiver."""
        return self if instance is None else Start(self, NO_OPTIONS, instance)

    @property
    def max_recovery_attempts(self) -> int | None:
        if self._max_recovery_attempts is UNSET:
            return conf().MAX_RECOVERY_ATTEMPTS
        return self._max_recovery_attempts

    @cached_property
    def version(self) -> str:
        """A hash of the function's source: an edit elsewhere strands no workflow of this one."""
        try:
            source = inspect.getsource(self.fn)
        except (OSError, TypeError):
            source = self.fn.__qualname__
        return hashlib.sha256(source.encode()).hexdigest()[:10]

    @cached_property
    def signature(self) -> inspect.Signature | None:
        """What arguments fit; None for a builtin that does not say."""
        try:
            return inspect.signature(self.fn)
        except ValueError:
            return None

    @cached_property
    def _positional(self) -> range:
        """How many arguments fit when all of them are positional; of a function that asks for more, none."""
        parameters = self.signature.parameters.values() if self.signature else ()
        takes = [each for each in parameters if each.kind <= each.POSITIONAL_OR_KEYWORD]
        if any(each.kind == each.KEYWORD_ONLY and each.default is each.empty for each in parameters):
            return range(0)
        return range(sum(each.default is each.empty for each in takes), len(takes) + 1)

    def check_call(self, args: Any, kwargs: Any) -> None:
        """Raises `TypeError` when it cannot be called so."""
        if self.signature is not None and (kwargs or len(args) not in self._positional):
            self.signature.bind(*args, **kwargs)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return Start(self, NO_OPTIONS)(*args, **kwargs)

    def using(self, **options: Any) -> Start[P, R]:
        """The same workflow with options for its next start: see `StartOptions`. Raises `InvalidOption`."""
        return Start(self, start_options(options))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> WorkflowHandle[R]:
        """Store a new execution, which an executor then runs; gives a handle as soon as it is stored."""
        return Start(self, NO_OPTIONS).start(*args, **kwargs)

    def astart(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[WorkflowHandle[Any]]:
        """`start` for coroutines."""
        return Start(self, NO_OPTIONS).astart(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"


@dataclass(frozen=True)
class Start(Generic[P, R]):
    """A definition and how it is to be started; of a method, also on which instance or class."""

    definition: Definition[P, R]
    options: StartOptions
    receiver: Any = None

    def using(self, **options: Any) -> Start[P, R]:
        return replace(self, options=start_options(options, self.options))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> WorkflowHandle[R]:
        check_colour("start", "astart")
        new = self.new(args, kwargs)
        begun_here = direct.adopt(new, self.definition) if scope.get() is None else None
        return WorkflowHandle(begun_here or start(new))

    def astart(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[WorkflowHandle[Any]]:
        new = self.new(args, kwargs)
        if scope.get() is None:
            return self._astart_outside(new)
        started = astart(new)  # now: the slot is taken in the order of the calls

        async def handle() -> WorkflowHandle[Any]:
            return WorkflowHandle(await started)

        return handle()

    async def _astart_outside(self, new: NewWorkflow) -> WorkflowHandle[Any]:
        if not self.definition.is_async:
            return WorkflowHandle(await sync_to_async(direct.adopt)(new, self.definition) or await astart(new))
        run = await sync_to_async(direct.adopt_as_guest)(new, self.definition)
        if run is None:
            return WorkflowHandle(await astart(new))
        run.executor.run_as_guest(run, asyncio.get_running_loop())
        return WorkflowHandle(run.workflow_id)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        if self.definition.is_async:
            return self._acall(args, kwargs)
        check_colour(self.definition.name, f"{self.definition.name}.astart")
        new = self.new(args, kwargs)
        if self.options.queue is not None:
            return result(start(new))
        place = here(self.definition.name)
        if place.place in ("step", "transaction"):
            raise InsideStep(verb=self.definition.name)
        if place.place == "workflow":
            return drive(children.call(place, new, self.definition, args, kwargs), place.perform)
        run, workflow_id = self._begin(new)
        if run is not None:
            run.execute(args, kwargs)
            if (value := direct.finish(run)) is not direct.NOT_HERE:
                return value
        return result(workflow_id)

    def _acall(self, args: Any, kwargs: Any) -> Awaitable[Any]:
        new = self.new(args, kwargs)
        place = here(self.definition.name)
        if place.place in ("step", "transaction"):
            raise InsideStep(verb=self.definition.name)
        if place.place == "workflow" and self.options.queue is None:
            operation = begun(children.call(place, new, self.definition, args, kwargs))
            return adrive(operation, place.aperform)
        return self._acall_outside(new, args, kwargs)

    async def _acall_outside(self, new: NewWorkflow, args: Any, kwargs: Any) -> Any:
        if self.options.queue is not None:
            return await aresult(await astart(new))
        run, workflow_id = await sync_to_async(self._begin)(new)
        if run is not None:
            await run.aexecute(args, kwargs)
            if (value := direct.finish(run)) is not direct.NOT_HERE:
                return value
        return await aresult(workflow_id)

    def _begin(self, new: NewWorkflow) -> tuple[Any, str]:
        """The run of a direct call and its id; no run when the id was there, and this call may attach to it."""
        run, workflow_id = direct.begin(new, self.definition)
        if run is None:
            drive(children.verify_id(new._replace(id=workflow_id)), here(self.definition.name).perform)
        return run, workflow_id

    def new(self, args: Any, kwargs: Any) -> NewWorkflow:
        """The row of this start; see `new_many`."""
        return self.new_many([(args, kwargs)])[0]

    def new_many(self, calls: Sequence[tuple[Any, Any]]) -> list[NewWorkflow]:
        """The rows of starts that differ in nothing but their arguments. Raises `TypeError` when these do not fit,
        `SerializationError` when they cannot be stored; nothing is stored then."""
        definition = self.definition
        registry.check_startable(definition)
        before = () if self.receiver is None else (self.receiver,)
        for args, kwargs in calls:
            definition.check_call((*before, *args), kwargs)
        given = [input_of(args, kwargs) for args, kwargs in calls]  # first: what cannot be stored takes no block's id
        if not given:
            return []
        class_name, config_name = registry.name_of(self.receiver, definition.name)
        new = _new(definition.name, self.options, given[0])
        new = new._replace(
            class_name=class_name,
            config_name=config_name,
            version=new.version or registry.version_of(definition),
            max_recovery_attempts=definition.max_recovery_attempts,
            assumed_role=assumed_role(definition.fn, new.authenticated_roles),
        )
        return [new] if len(given) == 1 else [new._replace(input=text) for text in given]


def new_by_name(name: str, options: StartOptions, args: Any, kwargs: Any) -> NewWorkflow:
    """The row of a start of a function that this process need not know."""
    return _new(name, options, input_of(args, kwargs))


def input_of(args: Any, kwargs: Any) -> str:
    """Arguments as they are stored. Raises `SerializationError` and `PayloadTooLarge`."""
    return encode({"args": list(args), "kwargs": dict(kwargs)})


def _new(name: str, options: StartOptions, given: str) -> NewWorkflow:
    options = filled(options)
    options.check_queue()
    settings = conf()
    current = scope.get()
    run = current if current is None or current.place == "workflow" else current.run
    by = run.claimed if run is not None else None
    user, roles = options.authenticated_user, options.authenticated_roles
    if by is not None and user is None and roles is None:
        user, roles = by.authenticated_user, by.authenticated_roles
    inherits = by is not None and options.timeout is INHERIT
    return NewWorkflow(
        id=options.workflow_id or "",
        id_policy=options.id_policy or "return-existing",
        name=name,
        input=given,
        queue=options.queue or INTERNAL_QUEUE,
        serialization=settings.SERIALIZER,
        application=settings.APPLICATION_NAME,
        version=options.version,
        priority=options.priority or 0,
        dedup_id=options.dedup_id,
        dedup_policy=options.dedup_policy or "reject",
        partition_key=options.partition_key,
        delay=options.delay,
        timeout=None if options.timeout is INHERIT else options.timeout,
        deadline=by.deadline if inherits and by is not None else None,
        max_recovery_attempts=settings.MAX_RECOVERY_ATTEMPTS,
        authenticated_user=user,
        authenticated_roles=list(roles) if roles is not None else None,
        attributes=dict(options.attributes) if options.attributes is not None else None,
    )


START_OPTIONS = frozenset(field.name for field in fields(StartOptions))


def start_options(given: dict[str, Any], base: StartOptions | None = None) -> StartOptions:
    """Options by keyword. Raises `InvalidOption` that names the known ones."""
    for name, value in given.items():
        if name not in START_OPTIONS:
            raise InvalidOption(option=name, value=value, hint=f"known options are {', '.join(sorted(START_OPTIONS))}")
    return replace(base, **given) if base else StartOptions(**given)


@overload
def workflow(fn: Callable[P, R], /) -> Definition[P, R]: ...
@overload
def workflow(
    *, name: str | None = None, max_recovery_attempts: int | None = ..., park: bool = True
) -> Callable[[Callable[P, R]], Definition[P, R]]: ...
def workflow(
    fn: Any = None, /, *, name: str | None = None, max_recovery_attempts: Any = UNSET, park: bool = True
) -> Any:
    """Make a function a workflow: it survives crashes, deploys and months of sleep.

    `name`: default the qualified name. `max_recovery_attempts`: crashes of its executor after which it is set aside,
    default `MAX_RECOVERY_ATTEMPTS` (100), None for never. `park=False` keeps its waits in memory.
    The function must do the same operations in the same order when it is run again with the same recorded results.
    """

    def decorate(fn: Any) -> Definition[Any, Any]:
        fn = fn.fn if isinstance(fn, Definition) else fn
        check_order("workflow", fn)
        if not callable(fn):
            raise InvalidOption(option="workflow", value=fn, hint="decorate a function")
        definition = Definition(fn, name, max_recovery_attempts, park)
        registry.add(definition)
        return definition

    return decorate(fn) if fn is not None else decorate


def check_order(option: str, fn: Any) -> None:
    """Raises `InvalidOption` when @classmethod or @staticmethod stands below one of our decorators."""
    if isinstance(fn, (classmethod, staticmethod)):
        kind = type(fn).__name__
        raise InvalidOption(option=option, value=fn, hint=f"put @{kind} above @durable.{option}, not below it")
