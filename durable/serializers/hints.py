"""What to do about a value that cannot be stored."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any

CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
PLAIN = (str, bytes, bool, int, float, list, tuple, dict, set, frozenset)
CONVERT = {
    "__proxy__": "str",
    "array": "list",
    "bytearray": "bytes",
    "deque": "list",
    "dict_items": "list",
    "dict_keys": "list",
    "dict_values": "list",
    "mappingproxy": "dict",
    "memoryview": "bytes",
    "range": "list",
}


def hint_for(value: Any) -> str:
    """One sentence that says how to store `value`, or what to store in its place."""
    kind = type(value)
    name = kind.__name__
    register = f'register its class under a tag: durable.serializers.register("{name.lower()}", {name})'
    if name in CONVERT:
        return f"convert it with {CONVERT[name]}()"
    if issubclass(kind, CODE):
        return "functions and classes are code, which is never stored; pass a name and look it up"
    if inspect.isawaitable(value):
        return "await it first"
    if issubclass(kind, Enum):
        return f"store its .value, or {register}"
    if dataclasses.is_dataclass(kind) or hasattr(kind, "model_validate_json"):
        return register
    if hasattr(kind, "_base_manager"):
        return f"pass its primary key, or {register}"
    if hasattr(kind, "_asdict"):
        return f"a named tuple would come back as a tuple; convert it with tuple(), or {register}"
    if issubclass(kind, str):
        return f"only exact types come back as they were; take its plain text with value[:], or {register}"
    for base in PLAIN:
        if issubclass(kind, base):
            return f"only exact types come back as they were; convert it with {base.__name__}(), or {register}"
    return _hint_for_the_rest(kind) or f"pass plain values instead, or {register}"


def _hint_for_the_rest(kind: type) -> str:
    if issubclass(kind, BaseException):
        return "pass str(error), or raise it"
    if issubclass(kind, os.PathLike):
        return "convert it with str()"
    if issubclass(kind, Iterator):
        return "convert it with list()"
    return ""
