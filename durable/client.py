"""All of Durable from outside the application, given only its database.

This module is imported before Django may be configured, so it imports what needs models when that is used.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.apps import apps

from .context import leave, scope
from .errors import ImproperUse
from .reaching import Place, is_configured

VERBS = {
    "starting": "debounce_by_name",
    "waiting": "retrieve_workflow wait_first get_event get_all_events",
    "telling": "send send_bulk",
    "looking": "list_workflows list_queued_workflows list_workflow_steps get_workflow",
    "steering": """cancel_workflow cancel_workflows resume_workflow resume_workflows restart_workflow fork_workflow
        rewind_workflow set_workflow_delay update_workflow_attributes cancel_older_than""",
    "keeping": "delete_workflow delete_workflows prune export_workflow import_workflow",
    "queues": """register_queue retrieve_queue list_queues delete_queue set_queue_limits clear_queue_limits pause_queue
        resume_queue""",
    "schedules": """create_schedule apply_schedules list_schedules get_schedule delete_schedule pause_schedule
        resume_schedule trigger_schedule backfill_schedule override_schedule clear_schedule_override next_ticks""",
    "versions": "list_versions latest_version set_latest_version move_to_version",
}
"""The functions of `durable` that every client has as methods; each has a coroutine, too, with the prefix `a`."""
METHODS = [name for names in VERBS.values() for name in names.split()]
STREAMS = ("read_stream", "read_stream_entries")


class Client:
    """Starts, finds, steers and awaits workflows from outside their application, given only its database.

    `database_url`: `postgresql://user:password@host/name`, or `sqlite:////absolute/path`. In a Django project it may be
    left out, for the engine's database, or be an `alias` of another one. Where there is no Django, the client
    configures what it needs. `application`: the name under which its starts are filed and whose versions it sees,
    default this project's. Raises `InvalidOption` for a wrong address.

    Its methods are the functions of `durable` that have their names, and coroutines with the prefix `a`; handles stay
    with the client. All raise `DatabaseAway` when the database cannot be reached and `ImproperUse` when it has no
    tables of Durable. In an `atomic()` on the same database they commit or roll back with it. A client runs no workflow
    and knows no class of the application: a result that holds one raises `SerializationError`, an error of such a
    class is a `RecordedError`. Threads may share a client. Inside a workflow it works in steps only.

        with durable.Client("postgresql://localhost/shop") as client:
            client.enqueue("checkout", "order-7", queue="orders").get_result()
    """

    if TYPE_CHECKING:  # the methods that METHODS and STREAMS name

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    def __init__(self, database_url: str | None = None, *, alias: str | None = None, application: str | None = None):
        if database_url is None and not is_configured():
            raise ImproperUse('There are no Django settings here, so give an address: Client("postgresql://...").')
        self._place = Place(database_url, alias, application)
        if apps.models_ready:
            describe()

    def enqueue(
        self, name: str, /, *args: Any, queue: str | None = None, kwargs: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """Start the workflow called `name` with `args` and `kwargs`: its handle, once it is stored.

        It waits until an executor knows the name. `queue`: default none, so that it starts as soon as there is room.
        `options`: see `durable.options.StartOptions`; and `class_name`, `config_name` of a workflow that is a method.
        Raises `InvalidOption`, `SerializationError`, `WorkflowConflict`, `WorkflowIdInUse`, `QueueDeduplicated`.
        """
        start = self._function("start_by_name")
        import_module("durable.verbs").check_colour("enqueue", "aenqueue")
        return self._run("enqueue", start, (name, args, kwargs), {**options, "queue": queue})

    async def aenqueue(self, name: str, /, *args: Any, **options: Any) -> Any:
        """`enqueue` for coroutines."""
        self._check("aenqueue")
        return await sync_to_async(self.enqueue)(name, *args, **options)

    def close(self) -> None:
        """Give back this thread's connection and stop listening. Used again, the client connects again."""
        self._place.close()

    async def aclose(self) -> None:
        """`close` for coroutines."""
        await sync_to_async(self.close)()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Client of {self._place.name}>"

    # --- how the methods that are not written out work

    @contextmanager
    def _here(self, verb: str) -> Iterator[None]:
        """The block's verbs work on this client's database, and on behalf of no workflow."""
        self._check(verb)
        with self._place.reached():
            token = scope.set(None)
            try:
                yield
            finally:
                leave(token)

    def _check(self, verb: str) -> None:
        place = scope.get()
        if place is not None and place.place == "workflow":
            raise ImproperUse(
                f"Client.{verb}() was called by a workflow's own code, where every replay would call it again. Call it "
                "in a @durable.step; for this application's own database, use durable's functions, which are recorded."
            )

    def _run(self, verb: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with self._here(verb):
            return self._bound(call(*args, **kwargs))

    async def _arun(self, verb: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._check(verb)
        await sync_to_async(self._place.look_after)()
        with self._here(verb):
            return self._bound(await call(*args, **kwargs))

    def _function(self, name: str) -> Any:
        """What `durable` calls `name`, which can be looked for once Django is ready."""
        self._place.make_ready()
        return function(name)

    def _call(self, verb: str, args: Any, kwargs: Any) -> Any:
        return self._run(verb, self._function(verb), args, kwargs)

    def _acall(self, verb: str, args: Any, kwargs: Any) -> Any:
        return self._arun(verb, self._function(verb), args, kwargs)

    def _stream(self, verb: str, args: Any, kwargs: Any) -> Iterator[Any]:
        values = self._call(verb, args, kwargs)
        end = object()
        while (value := self._run(verb, next, (values, end), {})) is not end:
            yield value

    async def _astream(self, verb: str, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        values = self._call(verb, args, kwargs)
        end = object()
        try:
            while (value := await self._arun(verb, anext, (values, end), {})) is not end:
                yield value
        finally:
            await values.aclose()

    def _bound(self, value: Any) -> Any:
        """`value` with every handle in it held to this client."""
        from .bound import BoundHandle
        from .handles import WorkflowHandle

        if isinstance(value, list):
            return [self._bound(each) for each in value]
        return BoundHandle(value.workflow_id, self) if isinstance(value, WorkflowHandle) else value


def function(name: str) -> Any:
    return getattr(import_module("durable"), name)


def method(name: str, way: str) -> Callable[..., Any]:
    """The method that carries a function of `durable` to a client's database."""

    def call(self: Client, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, way)(name, args, kwargs)

    call.__name__, call.__qualname__ = name, f"Client.{name}"
    call.__doc__ = f"`durable.{name}` on this client's database."
    return call


@cache
def describe() -> None:
    """Give the methods the words and signatures of the functions that they carry, which needs Django to be ready."""
    for name in (*METHODS, *STREAMS):
        for each in (name, f"a{name}"):
            carried, mine = function(each), vars(Client)[each]
            signature = inspect.signature(carried)
            parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *signature.parameters.values()]
            mine.__signature__ = signature.replace(parameters=parameters)
            mine.__doc__ = inspect.getdoc(carried) or mine.__doc__


for _name in METHODS:
    setattr(Client, _name, method(_name, "_call"))
    setattr(Client, f"a{_name}", method(f"a{_name}", "_acall"))
for _name in STREAMS:
    setattr(Client, _name, method(_name, "_stream"))
    setattr(Client, f"a{_name}", method(f"a{_name}", "_astream"))
