"""Types of a program's values: what its modules with workflows and steps name is registered with the serializer.

DBOS pickles whatever it is given. Durable stores typed JSON and makes only values of registered types again. So the
dataclasses, pydantic models, enums and named tuples are registered that such a module defines or imports, that the
signatures name, and that the fields of those name. It is the program's code that chooses them, never stored data.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from ...errors import InvalidOption
from ...serializers import register

_learned: set[type] = set()


def learn(fn: Callable[..., Any], names: Mapping[str, Any] | None = None) -> None:
    """Register the types around a function: in its annotations, in its module, and among `names`, which are local."""
    module = vars(sys.modules.get(fn.__module__, typing))
    for kind in [*_hints(fn, names), *_classes(module), *_classes(names or {})]:
        _learn(kind)


def _classes(names: Mapping[str, Any]) -> list[type]:
    return [each for each in list(names.values()) if isinstance(each, type) and _is_known_kind(each)]


def _learn(hint: Any) -> None:
    """A type, or those within `list[Item] | None`."""
    if arguments := typing.get_args(hint):
        for argument in arguments:
            _learn(argument)
    elif isinstance(hint, type) and hint not in _learned:
        _learned.add(hint)
        if _is_known_kind(hint):
            with suppress(InvalidOption):  # the program has registered it itself
                register(tag_of(hint), hint, *_how(hint))
            for part in _hints(hint):
                _learn(part)


def _is_known_kind(kind: type) -> bool:
    if kind.__module__.partition(".")[0] in ("enum", "pydantic", "typing"):  # what such types are made of
        return False
    return (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, Enum)
        or hasattr(kind, "model_validate_json")
        or (issubclass(kind, tuple) and hasattr(kind, "_make"))
    )


def _how(kind: Any) -> tuple[Any, ...]:
    return (list, kind._make) if issubclass(kind, tuple) else ()


def _hints(thing: Any, names: Mapping[str, Any] | None = None) -> Iterable[Any]:
    """The annotations that can be resolved; one that cannot says nothing of the others."""
    try:
        found = typing.get_type_hints(thing, localns=dict(names or {}))
    except Exception:
        known = {**vars(sys.modules.get(getattr(thing, "__module__", ""), typing)), **(names or {})}
        written = dict(getattr(thing, "__annotations__", {}))
        found = {name: known.get(each) if isinstance(each, str) else each for name, each in written.items()}
    return found.values()


def tag_of(kind: type) -> str:
    """The name of a class with its module's, the same whether its file is run or imported."""
    return f"{_module_of(kind)}.{kind.__qualname__}"


def _module_of(kind: type) -> str:
    if kind.__module__ != "__main__":
        return kind.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name.removesuffix(".__main__")
    return Path(getattr(main, "__file__", None) or "__main__").stem
