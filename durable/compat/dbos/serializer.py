"""A program's own serializer, as one of Durable's."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ...errors import SerializationError
from ...serializers.base import Serializer as Native


class Serializer(ABC):
    """Turns values into text and back. An instance is given as `config["serializer"]`.

    `name` is stored with every row and tells later which serializer wrote it; default the name of the class.
    """

    @abstractmethod
    def serialize(self, data: Any) -> str: ...

    @abstractmethod
    def deserialize(self, serialized_data: str) -> Any: ...


class WorkflowSerializationFormat(Enum):
    """In which form values are stored. Durable's own JSON is readable by any language: all mean the same."""

    PORTABLE = "portable"
    NATIVE = "native"
    DEFAULT = "None"


class DBOSPortableJSONSerializer(Serializer):
    """Plain JSON, which any language reads: what JSON has no form for comes back as text, a list or an object.

    Times become RFC 3339 text in UTC, decimals and UUIDs text, sets and tuples lists. Raises `TypeError` for a class of
    the program, and `ValueError` for NaN and infinities.
    """

    def name(self) -> str:
        return "portable_json"

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_portable, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)


def _portable(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__qualname__} has no form in portable JSON")


_given: dict[str, Any] = {}
"""The program's serializers by name. The newest counts, so that a test may configure DBOS again."""


def path_of(serializer: Any) -> str:
    """What settings.DURABLE["SERIALIZER"] says for a program's own serializer: the same in every process."""
    name = getattr(serializer, "name", None)
    name = name() if callable(name) else name
    name = "dbos_" + "".join(c if c.isalnum() else "_" for c in str(name or type(serializer).__qualname__))
    _given[name] = serializer
    if not hasattr(sys.modules[__name__], name):
        setattr(sys.modules[__name__], name, type(name, (Adapter,), {"name": name}))
    return f"{__name__}.{name}"


class Adapter(Native):
    """One of Durable's serializers that asks one of the program's."""

    def serialize(self, value: Any) -> str:
        inner = _given[self.name]
        kind = type(value).__qualname__
        try:
            text = inner.serialize(value)
        except Exception as error:
            hint = f"{type(inner).__qualname__} says {type(error).__name__}: {error}"
            raise SerializationError(type=kind, path="$", hint=hint) from error
        if not isinstance(text, str) or "\0" in text:
            hint = f"{type(inner).__qualname__}.serialize() gave no text that a database can hold"
            raise SerializationError(type=kind, path="$", hint=hint)
        return text

    def deserialize(self, text: str) -> Any:
        inner = _given[self.name]
        try:
            return inner.deserialize(text)
        except Exception as error:
            raise SerializationError(
                f"{type(inner).__qualname__} cannot read a stored value: {type(error).__name__}: {error}"
            ) from error
