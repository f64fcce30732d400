"""Finding and making an exception class that this process has, by the name in a record; nothing is imported."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: set for a class made by a class statement, not for one of the interpreter's own in C."""

_found: WeakValueDictionary[tuple[str, str], type[Exception]] = WeakValueDictionary()
_shells: WeakKeyDictionary[type[Exception], type[Exception]] = WeakKeyDictionary()


def loaded(module: str, name: str) -> type[Exception] | None:
    """The subclass of Exception called `name` in `module`, or None. Of several (a reload) the newest."""
    if cls := _found.get((module, name)):
        return cls
    newest = None
    seen: set[type] = set(_shells.values())
    rest: list[type[Exception]] = [Exception]
    while rest and not newest:
        cls = rest.pop()
        if cls in seen:
            continue
        seen.add(cls)
        if (cls.__module__, cls.__qualname__) == (module, name):
            newest = cls
        rest += type.__subclasses__(cls)  # in the order of their making, and the last is looked at first
    if newest and "<locals>" not in name:  # a local class is made anew with every call
        _found[module, name] = newest
    return newest


def make(cls: type[Exception], args: list[Any], members: list[BaseException]) -> Exception:
    """An exception of `cls` with `args` (a group: with `members`), made by `native(cls)`: no constructor of users runs.

    That class's own `__init__` does run, in C: UnicodeDecodeError, StopIteration and OSError keep parts of args there.
    """
    maker: Any = native(cls)
    if issubclass(cls, BaseExceptionGroup):
        return maker.__new__(cls, args[0], members)
    error = maker.__new__(cls, *args)
    with suppress(Exception):  # a class of another signature keeps its args all the same
        maker.__init__(error, *args)
    object.__setattr__(error, "args", tuple(args))  # a frozen class refuses the usual way
    return error


def native(cls: type[BaseException]) -> type[BaseException]:
    """The interpreter's own class beneath `cls`, written in C."""
    return next(base for base in cls.__mro__ if not base.__flags__ & HEAP_TYPE)


def shell(cls: type[Exception]) -> type[Exception]:
    """A subclass of `cls` that shows the recorded message.

    For an error that lost what its own `__str__` needs: `except` clauses must find it in a replay as in the first run,
    and whoever logs it must not meet a second error.
    """
    if cls not in _shells:
        own = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__str__": _told, "__repr__": _shown}
        metaclass: Any = type(cls)
        _shells[cls] = metaclass(cls.__name__, (cls,), own)
    return _shells[cls]


def _told(error: BaseException) -> str:
    return vars(error).get("recorded_message", "")


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}({_told(error)!r})"
