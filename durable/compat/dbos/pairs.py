"""How a verb of Durable becomes a pair of DBOS: `sleep` and `sleep_async`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from inspect import signature
from typing import Any

from asgiref.sync import sync_to_async

from ...errors import DurableError
from .absent import SHARDING, refusing
from .apart import on_a_loop
from .declaring import engine
from .error import translated

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
After = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Verb:
    """A verb of DBOS: see `verb`."""

    translate: Callable[..., Call]
    after: After | None = None
    aafter: After | None = None
    reads: bool = False
    absent: tuple[type[DurableError], Any] | None = None

    @property
    def name(self) -> str:
        return self.translate.__name__

    @cached_property
    def is_open(self) -> bool:
        """Whether it hands on what keywords it is given."""
        return any(each.kind is each.VAR_KEYWORD for each in signature(self.translate).parameters.values())

    def meant(self, args: Any, kwargs: dict[str, Any]) -> Call:
        if not self.is_open:
            check_unsharded(kwargs.pop("shard_key", None))
        return self.translate(*args, **kwargs)

    def do(self, home: Any, args: Any, kwargs: Any) -> Any:
        with translated():
            name, given, named = self.meant(args, kwargs)
            try:
                value = getattr(home, name)(*given, **named)
            except DurableError as error:
                return self._instead(error)
            return self.after(value, home) if self.after else value

    async def ado(self, home: Any, args: Any, kwargs: Any) -> Any:
        with translated():
            name, given, named = self.meant(args, kwargs)
            try:
                value = await getattr(home, f"a{name}")(*given, **named)
            except DurableError as error:
                return self._instead(error)
            after = self.aafter or self.after
            if after is None:
                return value
            return await sync_to_async(after)(value, home) if self.reads else after(value, home)

    def _instead(self, error: DurableError) -> Any:
        if self.absent is None or not isinstance(error, self.absent[0]):
            raise error
        return self.absent[1]


def verb(
    after: After | None = None, aafter: After | None = None, *, reads: bool = False, absent: Any = None
) -> Callable[[Callable[..., Call]], Verb]:
    """Make a verb of a function that has DBOS's signature and says which verb of Durable is meant, and with what.

    `after(value, home)` makes what DBOS gives back of what Durable does, `aafter` does so for coroutines when that
    differs, and with `reads` they look into the database. `home`: the package `durable`, or a client of it. Where
    Durable raises the first of `absent`, DBOS gives back the second.
    """
    return lambda translate: Verb(translate, after, aafter, reads, absent)


def pair(verb: Verb) -> tuple[staticmethod[..., Any], staticmethod[..., Any]]:
    """The two methods of `DBOS` for a verb."""

    @wraps(verb.translate)
    def call(*args: Any, **kwargs: Any) -> Any:
        check_loop(verb.name)
        return verb.do(engine(), args, kwargs)

    @wraps(verb.translate)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        return await verb.ado(engine(), args, kwargs)

    acall.__name__ = f"{verb.name}_async"
    return staticmethod(call), staticmethod(acall)


def methods(verb: Verb) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two methods of a client for a verb; its `native` client of Durable does it."""

    @wraps(verb.translate)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_loop(verb.name, "client")
        return verb.do(self.native, args, kwargs)

    @wraps(verb.translate)
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await verb.ado(self.native, args, kwargs)

    acall.__name__ = f"{verb.name}_async"
    return call, acall


def of(verb: str, *args: Any, **kwargs: Any) -> Call:
    """A verb of Durable and its arguments."""
    return verb, args, kwargs


def check_unsharded(*keys: str | None) -> None:
    """Raises `DBOSException` for a shard key, which many verbs take."""
    if set(keys) - {None}:
        refusing("shard_key=", SHARDING)()


def check_loop(name: str, whose: str = "DBOS") -> None:
    """Raises `RuntimeError` when a blocking call is made on a running event loop."""
    if on_a_loop():
        raise RuntimeError(
            f"{whose}.{name}() would block the running event loop; use `await {whose}.{name}_async()` there"
        )
