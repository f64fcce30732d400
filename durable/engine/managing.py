"""Steering other workflows from inside one: done once, recorded, and not done again by a replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .commands import Manage
from .drive import Operation


def manage(scope: Any, name: str, act: Callable[[], Any]) -> Operation:
    """Do `act` and record what it gave, or the error that it raised."""
    slot = scope.open(name, "manage")
    if slot.recorded:
        return slot.replay()
    try:
        value = yield Manage(act, slot.seq, name)
        record = slot.success(value)  # may be too large to be stored
    except Exception as error:
        yield slot.failure(error)
        raise
    yield record
    return value
