"""Through text and back, and whether what came back is what went in."""

from __future__ import annotations

import json
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from durable.serializers import get

JSON = get("json")


def round_trip(value: Any) -> Any:
    """`value` from its text, which every JSON parser and every text column takes."""
    text = JSON.serialize(value)
    assert "\x00" not in text
    text.encode()
    json.loads(text)
    return JSON.deserialize(text)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down; 1 == True == 1.0 is not enough."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, (datetime, time)):
        return repr(one) == repr(other)
    return repr(one) == repr(other) if isinstance(one, (float, Decimal)) else one == other
