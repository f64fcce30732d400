"""Claims on a limited queue: who may start now, counted under the lock of the queue's row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .limits import Limits, recently, share
from .session import Rows, Session

PAGE = 20
"""How many partitions of a queue are looked at first; then twice as many, and so on."""
PAGES = 7
"""How often in one claim, so that it is short: the next claim goes on where this one ended."""


@dataclass
class Line:
    """What an executor remembers of a limited queue between its claims.

    `mine`: how many of each partition run here. `after`: the partition that was served last; those behind it are next.
    `again_at`: when a rate limit lets more start, seconds since the epoch.
    """

    queue: str
    mine: Mapping[str | None, int] = field(default_factory=dict)
    after: str | None = None
    again_at: float | None = None


class Claim:
    """One claim on a limited queue, in a transaction that holds the queue's row while it counts and takes.

    The count runs in a statement of its own: one that waited for the lock would count with the snapshot from before
    (measured: 25 at a limit of 10). `key_at`: where in a row the partition stands.
    """

    def __init__(self, backend: Any, session: Session, line: Line, base: dict[str, Any], key_at: int):
        self.backend, self.sql, self.session = backend, backend.sql, session
        self.line, self.base, self.key_at = line, base, key_at
        self.mine = Counter(line.mine)

    def take(self, room: int) -> Rows:
        """Take what holds a place and may go on, then as many more as the limits allow, at most `room` in all."""
        sql, session, line = self.sql, self.session, self.line
        locked, places = session.together([(sql.queue_lock, self.base), (sql.partition_places, self.base)])
        if not locked:
            return []
        line.again_at = None
        self.limits = limits = Limits(*locked[0])
        self.held: dict[str | None, int] = dict(places)
        rows = self._places(room)
        if limits.is_paused:
            return rows
        room -= len(rows)
        if limits.concurrency is not None:
            room = min(room, limits.concurrency - sum(self.held.values()))
        if room <= 0:
            return rows
        recent: list[float] = []
        if limits.rate_limit is not None:
            recent = recently(limits.starts, limits.now - limits.rate_period)
            room = min(room, limits.rate_limit - len(recent))
        fresh = self._of_partitions(room) if limits.partitioned else self._first(room)
        if limits.rate_limit is not None:
            recent += self._started(len(fresh))
            if fresh:
                session.run(sql.queue_starts, {"queue": line.queue, "starts": json.dumps(recent)})
            self._again(recent, limits.rate_limit, limits.rate_period)
        return rows + fresh

    def _places(self, room: int) -> Rows:
        """Those that hold a place already: they were parked, released or recovered."""
        most = self.limits.partition_worker_concurrency if self.limits.partitioned else None
        if most is None:
            rows = self.session.run(self.sql.claim_places, {**self.base, "room": room})
        else:
            chosen: list[str] = []
            mine = self.mine.copy()
            for workflow, key in self.session.run(self.sql.ready_places, self.base):
                if mine[key] < most and len(chosen) < room:
                    mine[key] += 1
                    chosen.append(workflow)
            ids = {"ids": self.backend.pack(chosen)}
            rows = self.session.run(self.sql.claim_chosen, {**self.base, **ids}) if chosen else []
        self.mine.update(row[self.key_at] for row in rows)
        return rows

    def _first(self, room: int) -> Rows:
        return self.session.run(self.sql.claim_line.format(room=int(room)), self.base) if room > 0 else []

    # --- partitions

    def _of_partitions(self, room: int) -> Rows:
        """Take what is first in each partition, one from each in turn."""
        limits, started = self.limits, self.limits.partition_recent()
        fresh: Rows = []
        for keys in self._pages(max(PAGE, 2 * room)):
            if room <= len(fresh):
                break
            turn = {}
            for key in keys:
                recent = started.get(key, [])
                n = limits.room_in_partition(self.held.get(key, 0), self.mine[key], len(recent), room)
                if n > 0:
                    turn[key] = n
                elif limits.partition_rate_limit is not None:
                    self._again(recent, limits.partition_rate_limit, limits.partition_rate_period)
            fresh += self._in_turn(turn, room - len(fresh), keys)
        if limits.partition_rate_limit is not None and fresh:
            for row, moment in zip(fresh, self._started(len(fresh)), strict=True):
                started.setdefault(row[self.key_at], []).append(moment)
            for recent in started.values():
                self._again(recent, limits.partition_rate_limit, limits.partition_rate_period)
            text = json.dumps(started)
            self.session.run(self.sql.partition_starts, {"queue": self.line.queue, "starts": text})
        return fresh

    def _in_turn(self, turn: dict[str, int], room: int, keys: list[str]) -> Rows:
        """Take up to `turn[key]` of each, dealing `room` one by one; what one cannot use goes to the others."""
        taken: Rows = []
        while shares := share(turn, room - len(taken)):
            rows = [row for each in self.session.together([self._of(*one) for one in shares.items()]) for row in each]
            took = Counter(row[self.key_at] for row in rows)
            taken += rows
            others = {key: n for key, n in turn.items() if key not in shares}
            turn = others | {key: turn[key] - n for key, n in shares.items() if took[key] == n < turn[key]}
            served = set(took)
            self.line.after = next((key for key in reversed(keys) if key in served), self.line.after)
        return taken

    def _of(self, partition: str, n: int) -> tuple[str, dict[str, Any]]:
        return self.sql.claim_partition.format(room=int(n)), {**self.base, "partition": partition}

    def _pages(self, size: int) -> Iterator[list[str]]:
        """The partitions that have rows in line: those after the one that was served last, then from the beginning."""
        first = after = self.line.after
        has_wrapped = first is None
        for _ in range(PAGES):
            statement = self.sql.first_partitions if after is None else self.sql.partitions_after
            keys = [row[0] for row in self.session.run(statement, {**self.base, "after": after, "most": size})]
            is_last, size = len(keys) < size, 2 * size
            if has_wrapped and first is not None:
                is_last = is_last or keys[-1] >= first
                keys = [key for key in keys if key <= first]
            if keys:
                yield keys
            if is_last and has_wrapped:
                return
            has_wrapped, after = has_wrapped or is_last, None if is_last else keys[-1]
        self.line.after = after

    # --- rates

    def _started(self, n: int) -> list[float]:
        """When `n` that were just taken started: not before the clock said so to them."""
        return [self.session.run(self.sql.moment, self.base)[0][0]] * n if n else []

    def _again(self, starts: list[float], limit: int, period: float) -> None:
        """Remember when the first of the starts that fill a rate limit is over."""
        if len(starts) >= limit:
            moment = sorted(starts)[len(starts) - limit] + period
            self.line.again_at = min(moment, self.line.again_at or moment)
