"""Types of the application, each under a tag that the application chose."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from enum import Enum
from typing import Any

from ..errors import InvalidOption
from .tags import LEAVES, READERS, Unfit

CONTAINERS = (list, dict, tuple, set, frozenset)
BUILT_IN = frozenset(READERS)

Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]

registered: dict[type, tuple[str, Encode]] = {}


def register(tag: str, cls: type, encode: Encode | None = None, decode: Decode | None = None) -> None:
    """Let values of exactly `cls` be stored, as `{"$": tag, "v": encode(value)}`.

    `encode` returns any value that can be stored itself; `decode` makes the value again from it. Both may be left out
    for an Enum (its value), a dataclass (its fields), a pydantic model (its JSON) and a Django model (a reference:
    primary key and database, read again when it is needed). Register where every process comes by, such as the module
    that defines the class. A tag stays in stored rows: it outlives the name of the class. Raises `InvalidOption`
    for a tag or class that is taken.
    """
    if encode is None or decode is None:
        ready_encode, ready_decode = _ready_made(cls)
        encode, decode = encode or ready_encode, decode or ready_decode
    _check(tag, cls)
    registered[cls] = (tag, encode)
    reader = decode
    READERS[tag] = lambda tagged: reader(tagged["v"])


def _check(tag: str, cls: type) -> None:
    if not isinstance(tag, str) or not tag or tag in BUILT_IN:
        raise InvalidOption(option="tag", value=tag, hint="give a text that is no tag of Durable's own")
    if cls in LEAVES or cls in CONTAINERS:
        raise InvalidOption(option="cls", value=cls, hint="this type is stored already")
    for other, (taken, _) in list(registered.items()):
        if (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__) and taken == tag:
            del registered[other]  # the same class again, after its module was reloaded
        elif taken == tag:
            raise InvalidOption(option="tag", value=tag, hint=f"{other.__qualname__} is registered under it")
        elif other is cls:
            raise InvalidOption(option="cls", value=cls, hint=f"it is registered under {taken!r}")


def _ready_made(cls: type) -> tuple[Encode, Decode]:
    if isinstance(cls, type) and issubclass(cls, Enum):
        return (lambda member: member.value), cls
    if hasattr(cls, "model_dump") and hasattr(cls, "model_validate_json"):
        return _as_pydantic(cls)
    if hasattr(cls, "_base_manager"):
        return _as_reference(cls)
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        return _as_fields(cls)
    raise InvalidOption(
        option="cls", value=cls, hint="give encode and decode; only enums, dataclasses and models do without"
    )


def _as_fields(cls: Any) -> tuple[Encode, Decode]:
    fields = dataclasses.fields(cls)
    late = {field.name for field in fields if not field.init}

    def encode(value: Any) -> dict[str, Any]:
        return {field.name: getattr(value, field.name) for field in fields}

    def decode(stored: dict[str, Any]) -> Any:
        value = cls(**{name: part for name, part in stored.items() if name not in late})
        for name in late & stored.keys():
            object.__setattr__(value, name, stored[name])  # works for a frozen class too
        return value

    return encode, decode


def _as_pydantic(cls: Any) -> tuple[Encode, Decode]:
    def encode(value: Any) -> Any:
        return value.model_dump(mode="json", by_alias=True, round_trip=True)

    def decode(stored: Any) -> Any:
        return cls.model_validate_json(json.dumps(stored))

    return encode, decode


def _as_reference(cls: Any) -> tuple[Encode, Decode]:
    def encode(value: Any) -> dict[str, Any]:
        if value.pk is None or value._state.adding:
            raise Unfit("it is not saved yet; save it first")
        return {"pk": value.pk, "using": value._state.db}

    def decode(stored: dict[str, Any]) -> Any:
        return cls._base_manager.using(stored["using"]).get(pk=stored["pk"])

    return encode, decode
