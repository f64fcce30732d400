"""Stored text as plain JSON. Tags stay as they are: nothing here makes an object of anybody's class."""

from __future__ import annotations

import json
import math
from typing import Any

from .media import no_constant

MAX_DEPTH = 200
"""Twice what the serializer writes; what is deeper was not written by it and could exhaust the stack when rendered."""


def plain(text: str | None) -> Any:
    """`text` parsed as JSON, or `{"undecodable": true, "text": text}` when it is none; None and "" are null.

    Integers of any size stay exact.
    """
    if not text:
        return None
    try:
        value = json.loads(text, parse_constant=no_constant, parse_float=_finite)
        if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
            raise ValueError("too deep")
    except (ValueError, RecursionError):
        return {"undecodable": True, "text": text}
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large")
    return number


def _is_deep(value: Any) -> bool:
    layer = [value]
    for _ in range(MAX_DEPTH + 1):
        layer = [inner for outer in layer if isinstance(outer, (list, dict)) for inner in _inside(outer)]
        if not layer:
            return False
    return True


def _inside(outer: Any) -> Any:
    return outer.values() if isinstance(outer, dict) else outer
