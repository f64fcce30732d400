"""Takes work while there is room for it, and keeps the lease: one poll a second when nothing happens.

Notifications, completions and due timers cut the rest short. A queue is `hot` while it is believed to have ready work.
"""

from __future__ import annotations

from typing import Any

from ..backends.backend import Abilities
from ..backends.lines import Line
from ..models import INTERNAL_QUEUE
from .service import Service

BATCH = 100
SOON_SECONDS = 0.05
LONGEST_REST_SECONDS = 0.01
"""When it is nearly full, an executor rests after a claim for as long as that took, but no longer than this."""


class Claimer(Service):
    name = "claimer"

    def __init__(self, executor: Any):
        super().__init__(executor.clock)
        self.executor = executor
        self.backend = executor.backend
        self.session = executor.backend.own(claims=True)
        self.hot: set[str] = set()
        self.limits: dict[str, Any] = {}
        self.lines: dict[str, Line] = {}
        self.can = Abilities()
        self._told: set[str] = set()
        self._next_pulse = self._next_look = self._rests_until = 0.0
        self._wake_at: float | None = None
        self._deadline: float | None = None

    def close(self) -> None:
        self.session.close()

    def ready(self, queue: str) -> None:
        """Somebody says that `queue` has work."""
        self._told.add(queue)
        if queue in self.limits and queue not in self.hot:
            self.hot.add(queue)
            self.wake()

    def due(self, moment: float) -> None:
        """A timer was set (seconds since the epoch)."""
        if self._wake_at is None or moment < self._wake_at:
            self._wake_at = moment
            self.wake()

    def deadline(self, moment: float) -> None:
        """A workflow has a deadline (seconds since the epoch)."""
        if self._deadline is None or moment < self._deadline:
            self._deadline = moment
            self.wake()

    def everything_changed(self) -> None:
        self._next_look = 0.0
        self.wake()

    def tick(self) -> float:
        now, settings = self.clock.monotonic(), self.executor.settings
        every = settings.LEASE_SECONDS / 5
        looks = self._serves and now >= self._next_look
        early = min(settings.POLL_SECONDS, every / 2) if looks else 0.0  # one statement does both
        beats = now >= self._next_pulse - early
        if looks:
            self._next_look = now + settings.POLL_SECONDS
            self.look(beats=beats)
        elif beats:
            self.pulse()
        if beats:
            self._next_pulse = now + every
        if self._deadline is not None and self._deadline <= self.executor.lease.now():
            self.expire()
        if not self._serves:
            return max(0.01, min(self._next_pulse - self.clock.monotonic(), self._until(self._deadline)))
        while self._wake_at is not None and self._wake_at <= self.executor.lease.now():
            self.promote()
        for line in self.lines.values():
            if self._until(line.again_at) < 0:  # its rate limit allows more now
                line.again_at = None
                self.hot.add(line.queue)
        self.claim()
        due = [self._next_pulse, self._next_look]
        moments = [self._wake_at, self._deadline, *(line.again_at for line in self.lines.values())]
        return max(0.0, min(min(due) - self.clock.monotonic(), *(self._until(moment) for moment in moments)))

    def _until(self, moment: float | None) -> float:
        return float("inf") if moment is None else moment - self.executor.lease.now()

    @property
    def _serves(self) -> bool:
        return self.executor.lease.holds and not self.executor.is_draining and self.executor.claims

    def pulse(self) -> None:
        """Renew the lease and publish what runs; learn the database's clock."""
        sent = self.clock.monotonic(), self.clock.now()
        self._renewed(*sent, self.backend.pulse(self.session, **self._beat()))

    def look(self, *, beats: bool = False) -> None:
        """Read the queues' limits, find which have ready work, and when the next timer and deadline are due; `beats`:
        and be a pulse. What others say meanwhile stands."""
        self.can = self.executor.abilities(self.session)
        self.hot, self._wake_at, self._deadline = set(), None, None
        sent = self.clock.monotonic(), self.clock.now()
        seen = self.backend.poll(self.session, self.can, self._beat() if beats else None)
        if beats:
            self._renewed(*sent, seen.beat)
        before, self.limits = self.limits, self.executor.queue_limits(seen.queues)
        limited = {queue for queue, limits in self.limits.items() if limits.is_limited}
        if fresh := {queue for queue in limited if queue in before and not before[queue].is_limited}:
            running = [run.workflow_id for run in list(self.executor.running.values()) if run.claimed.queue in fresh]
            self.backend.admit_running(self.session, self.executor.id, running)
        self.lines = {queue: line for queue, line in self.lines.items() if queue in limited}
        self.hot |= {queue for queue in seen.ready if queue in self.limits}
        self._due(seen.wake_at, seen.deadline)

    def _due(self, wake_at: float | None, deadline: float | None) -> None:
        self._wake_at, self._deadline = earliest(self._wake_at, wake_at), earliest(self._deadline, deadline)

    def _look_ahead(self) -> None:
        self._wake_at = self._deadline = None
        self._due(*self.backend.next_due(self.session))

    def _beat(self) -> dict[str, Any]:
        executor = self.executor
        return {"me": executor.id, "lease": executor.settings.LEASE_SECONDS, "running": len(executor.running),
                "activity": executor.activity()}  # fmt: skip

    def _renewed(self, sent: float, sent_at: float, answer: tuple[bool, float] | None) -> None:
        executor = self.executor
        if answer is None:
            executor.begin_anew()
            return
        draining, now = answer
        executor.lease.renewed(sent)
        executor.lease.offset = now - (sent_at + self.clock.now()) / 2
        if draining and not executor.is_draining:
            executor.is_draining = True

    def promote(self) -> None:
        rows = self.backend.promote(self.session)
        self.hot |= {queue for _, queue in rows if queue in self.limits}
        self._look_ahead()
        self.executor.tell({queue for _, queue in rows})

    def expire(self) -> None:
        """Cancel what has run out of time, here or anywhere."""
        rows = self.backend.expire(self.session)
        self._look_ahead()
        self.executor.has_expired(rows, self.session)

    def claim(self) -> None:
        while self.executor.room > 0 and self.hot and not self.stopping.is_set():
            if (
                self.executor.room < self.executor.concurrency / 2
            ):  # one statement for several that end: not one for each
                self.clock.rest(self.stopping, self._rests_until - self.clock.monotonic())
            before, began = len(self.hot), self.clock.monotonic()
            with self.executor.taking:  # a start in this process takes of the same room
                taken = self._claim(min(self.executor.room, BATCH))
            ended = self.clock.monotonic()
            self._rests_until = ended + min(ended - began, LONGEST_REST_SECONDS)
            if taken == 0 and len(self.hot) == before:
                return

    def _claim(self, room: int) -> int:
        rooms = {queue: self._room_in(queue, room) for queue in self._in_turn()}
        rooms = {queue: n for queue, n in rooms.items() if n > 0}
        self.hot -= rooms.keys()  # before it is asked: who says from now on that there is work is heard
        limited = [queue for queue in rooms if self.limits[queue].is_limited]
        free = {queue: n for queue, n in rooms.items() if queue not in limited}
        total = 0
        if free:
            taken = self._take(self.backend.claim(self.session, self.executor.id, free, room, self.can))
            total = sum(taken.values())
            self._asked(taken, free if total < room else dict.fromkeys(free, 0))
        for queue in limited:
            n = min(rooms[queue], room - total)
            taken = {}
            if n > 0:
                line = self.lines.setdefault(queue, Line(queue))
                line.mine = self.executor.running_in_partitions(queue)
                taken = self._take(self.backend.claim_limited(self.session, self.executor.id, line, n, self.can))
                total += sum(taken.values())
            self._asked(taken, {queue: max(0, n)})
        return total

    def _asked(self, taken: dict[str, int], wanted: dict[str, int]) -> None:
        """A queue that gave all that was wanted may have more. One that somebody said had work, and that gave none, is
        looked at once more, soon: its row may have been locked for a moment, perhaps by who waits for it."""
        self.hot |= {queue for queue, n in wanted.items() if taken.get(queue, 0) >= n}
        for queue, n in wanted.items():
            if n > 0 and not taken.get(queue) and queue in self._told:
                self._told.discard(queue)
                self._next_look = min(self._next_look, self.clock.monotonic() + SOON_SECONDS)

    def _take(self, claimed: list[Any]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for each in claimed:
            counts[each.queue] = counts.get(each.queue, 0) + 1
        self.executor.run_claimed(claimed, self.session)
        return counts

    def _in_turn(self) -> list[str]:
        """Hot queues in an order that changes, so that a long one does not always come first."""
        queues = sorted(self.hot & set(self.limits))
        start = int(self.clock.random() * len(queues))
        return queues[start:] + queues[:start]

    def _room_in(self, queue: str, room: int) -> int:
        if queue == INTERNAL_QUEUE:
            return room
        limits = self.limits[queue]
        if limits.worker_concurrency is not None:
            room = min(room, limits.worker_concurrency - self.executor.running_in(queue))
        if limits.max_tasks_per_iteration is not None:
            room = min(room, limits.max_tasks_per_iteration)
        return room


def earliest(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)
