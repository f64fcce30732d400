"""The arithmetic of a queue's limits, on what was counted under its row's lock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """A queue's row, locked. `now` is the database's clock, seconds since the epoch."""

    concurrency: int | None
    rate_limit: int | None
    rate_period: float
    starts: Any
    now: float
    partitioned: bool
    partition_concurrency: int | None
    partition_worker_concurrency: int | None
    partition_rate_limit: int | None
    partition_rate_period: float
    partition_starts: Any
    is_paused: bool

    def room_in_partition(self, held: int, mine: int, started: int, room: int) -> int:
        """How many more of a partition may start: `held` in all, `mine` in this executor, `started` in the period."""
        for limit, used in (
            (self.partition_concurrency, held),
            (self.partition_worker_concurrency, mine),
            (self.partition_rate_limit, started),
        ):
            if limit is not None:
                room = min(room, limit - used)
        return room

    def partition_recent(self) -> dict[str, list[float]]:
        """The starts within the period by partition; what is older is forgotten."""
        if self.partition_rate_limit is None:
            return {}
        since = self.now - self.partition_rate_period
        known = {key: recently(starts, since) for key, starts in read(self.partition_starts, {}).items()}
        return {key: starts for key, starts in known.items() if starts}


def recently(starts: Any, since: float) -> list[float]:
    return [start for start in read(starts, []) if start > since]


def share(wanted: dict[str, int], room: int) -> dict[str, int]:
    """`room` dealt out one by one, in turn, to those who want some; nobody gets more than it wants."""
    shares = dict.fromkeys(wanted, 0)
    hungry = [key for key, n in wanted.items() if n > 0]
    while room > 0 and hungry:
        for key in hungry[:room]:
            shares[key] += 1
        room -= min(room, len(hungry))
        hungry = [key for key in hungry if shares[key] < wanted[key]]
    return {key: n for key, n in shares.items() if n}


def read(stored: Any, default: Any) -> Any:
    """A JSON column, which SQLite gives back as text."""
    if stored is None:
        return default
    return json.loads(stored) if isinstance(stored, str) else stored
