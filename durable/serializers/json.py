"""Typed JSON: plain JSON for what JSON has, tagged objects for the rest. Readable by any language."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import SerializationError
from .base import Serializer
from .hints import hint_for
from .registry import registered
from .tags import LEAVES, Unfit, is_text, read_tagged

MAX_DEPTH = 100
PLAIN = frozenset({type(None), bool, int, float, str})
KEYS = frozenset({str})


class JSONSerializer(Serializer):
    """The default: None, bool, int, finite float, str, list and dict as they are, the other types by their tags.

    Types are exact, so that a value comes back from the journal as what the first run saw. Containers nest at most
    100 deep. `SerializationError` names the type, its path such as `$.args[0].customer`, and what to do.
    """

    name = "json"

    def serialize(self, value: Any) -> str:
        if _is_plain(value, MAX_DEPTH):
            try:
                text = dump(value)
            except (ValueError, RecursionError):
                pass  # a number or a depth that the encoder below writes, or refuses by its path
            else:
                if is_text(text):
                    return text
        try:
            return dump(Encoder().encode(value))
        except RecursionError:
            raise SerializationError(type=type(value).__name__, path="$", hint="it is nested too deeply") from None

    def deserialize(self, text: str) -> Any:
        try:
            # An escaped dollar sign never comes from here, but must not slip past the table either.
            return (_TYPED if '"$"' in text or "\\u0024" in text else _BARE).decode(text)
        except SerializationError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise SerializationError(f"Stored text is no JSON of Durable: {reason}") from error


class Encoder:
    """Turns one value into plain JSON data. It knows its path, to name the place of what it must refuse."""

    def __init__(self, path: str = "$"):
        self.path = [path]
        self.open: set[int] = set()

    def encode(self, value: Any) -> Any:
        kind = type(value)
        leaf = LEAVES.get(kind)
        try:
            return leaf(value) if leaf else self._nest(kind, value)
        except Unfit as unfit:
            hint = str(unfit)
        self._refuse(kind, hint)

    def _nest(self, kind: type, value: Any) -> Any:
        write = NESTS.get(kind)
        if write is None and kind not in registered:
            raise Unfit(hint_for(value))
        if id(value) in self.open:
            raise Unfit("it contains itself; store ids in place of the objects")
        if len(self.open) >= MAX_DEPTH:
            raise Unfit(f"it is nested more than {MAX_DEPTH} deep; flatten it")
        self.open.add(id(value))
        written = write(self, value) if write else self._registered(kind, value)
        self.open.discard(id(value))  # no finally: a refusal ends this encoder
        return written

    def _at(self, part: str, value: Any) -> Any:
        self.path.append(part)
        encoded = self.encode(value)
        self.path.pop()
        return encoded

    def _items(self, values: Any) -> list[Any]:
        return [self._at(f"[{place}]", value) for place, value in enumerate(values)]

    def _dict(self, values: dict[Any, Any]) -> dict[str, Any]:
        if KEYS.issuperset(map(type, values)) and "$" not in values and all(map(is_text, values)):
            return {key: self._at(_part(key), value) for key, value in values.items()}
        pairs = [[self._at(".keys()", key), self._at(_part(key), value)] for key, value in values.items()]
        return {"$": "dict", "v": pairs}

    def _sorted(self, values: Any) -> list[Any]:
        """A set in the order of its items' texts, so that equal sets have equal texts in every process."""
        return sorted((self._at(".item", value) for value in values), key=dump)

    def _registered(self, kind: type, value: Any) -> dict[str, Any]:
        tag, encode = registered[kind]
        try:
            plain = encode(value)
        except Unfit:
            raise
        except Exception as error:
            raise Unfit(f"its registered encoder raised {type(error).__name__}: {error}") from error
        return {"$": tag, "v": self.encode(plain)}

    def _refuse(self, kind: type, hint: str) -> NoReturn:
        raise SerializationError(type=kind.__qualname__, path="".join(self.path), hint=hint)


NESTS: dict[type, Callable[[Encoder, Any], Any]] = {
    list: Encoder._items,
    dict: Encoder._dict,
    tuple: lambda encoder, value: {"$": "tuple", "v": encoder._items(value)},
    set: lambda encoder, value: {"$": "set", "v": encoder._sorted(value)},
    frozenset: lambda encoder, value: {"$": "frozenset", "v": encoder._sorted(value)},
}


def _is_plain(value: Any, depth: int) -> bool:
    """Whether `value` may go straight to the C encoder: exact JSON types only, at most `depth` containers deep."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind is dict:
        if "$" in value or not KEYS.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list:
        return False
    if depth and PLAIN.issuperset(map(type, value)):
        return True
    return depth > 1 and all(_is_plain(item, depth - 1) for item in value)


def _part(key: Any) -> str:
    return f".{key}" if type(key) is str and key.isidentifier() else f"[{key!r}]"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
_BARE = json.JSONDecoder(parse_constant=_no_constant)
_TYPED = json.JSONDecoder(parse_constant=_no_constant, object_hook=read_tagged)
