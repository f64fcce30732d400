"""Durable sleep: the wake-up time is recorded first, so it never moves."""

from __future__ import annotations

from typing import Any

from .commands import Park
from .drive import Operation


def sleep(scope: Any, seconds: float) -> Operation:
    """Sleep until `seconds` after the first time this was reached, over any number of crashes and restarts."""
    slot = scope.open("sleep", "sleep")
    if slot.recorded:
        wake_at = slot.replay()
    else:
        wake_at = scope.now() + max(0.0, seconds)
        record = slot.success(wake_at)
        yield record._replace(rows=(record.rows[0]._replace(completed_at=wake_at),))  # its row spans the sleep
    while scope.now() < wake_at:
        yield Park("sleep", until=wake_at)
