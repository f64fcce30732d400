"""Whether a JSON column contains an object: `@>` on PostgreSQL, the same question part by part on SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import F, FloatField, Func, Q, TextField, Value
from django.db.models.lookups import Exact

WORDS = {True: "true", False: "false", None: "null"}


def contains(column: str, wanted: Mapping[str, Any], vendor: str) -> Q:
    """`column` is an object that has all of `wanted`: objects, text, numbers, true, false and null."""
    if vendor == "postgresql":
        return Q(**{f"{column}__contains": dict(wanted)})
    found = Q()
    for path, value in _leaves("$", wanted):
        found &= _is(column, path, value)
    return found


def _leaves(path: str, wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parts of `wanted` that hold no others, by their path. Keys are escaped as stored JSON has them."""
    for key, value in wanted.items():
        below = f"{path}.{json.dumps(key)}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(below, value)
        else:
            yield below, value


def _is(column: str, path: str, value: Any) -> Q:
    kind = Func(F(column), Value(path), function="JSON_TYPE", output_field=TextField())
    if isinstance(value, Mapping):
        return Q(Exact(kind, Value("object")))
    if isinstance(value, bool) or value is None:
        return Q(Exact(kind, Value(WORDS[value])))
    if isinstance(value, str):
        text = Func(F(column), Value(path), function="JSON_EXTRACT", output_field=TextField())
        return Q(Exact(kind, Value("text"))) & Q(Exact(text, Value(value)))
    number = Func(F(column), Value(path), function="JSON_EXTRACT", output_field=FloatField())
    wanted = Value(value if abs(value) < 2**63 else float(value))  # SQLite reads a longer integer as a float, too
    return (Q(Exact(kind, Value("integer"))) | Q(Exact(kind, Value("real")))) & Q(Exact(number, wanted))
