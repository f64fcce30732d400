"""What makes everything come right in the end, whatever was lost: level-triggered, on every executor, all the time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..models import INTERNAL_QUEUE
from ..registry import registry
from .service import Service

UNSERVED_EVERY_SECONDS = 5.0
MORE_AFTER_SECONDS = 0.2
"""When a version's work is taken over, until what was taken has been claimed and the next is at the head."""
SOON_SECONDS = 0.02
"""After the end of a lease, until the clocks of all agree that it has ended."""
HEADS = 200
"""How far into each queue unserved work is looked for: only what stands at its head is in the way."""


class Sweeper(Service):
    """Recovers what the dead held, wakes whom a lost wake-up left asleep, lets go of what nobody runs.

    Sweeps every third of a lease. Each duty is bounded: a large backlog takes several ticks, and no tick is long.
    """

    name = "sweeper"

    def __init__(self, executor: Any):
        super().__init__(executor.clock)
        self.executor = executor
        self.backend = executor.backend
        self.session = executor.backend.own()
        self._after = ("", "", "", "")
        self._suspects: dict[str, int] = {}
        self._next_sweep = self._next_unserved = self._hurries_until = 0.0

    def close(self) -> None:
        self.session.close()

    def tick(self) -> float:
        if not self.executor.lease.holds:
            return self.executor.settings.POLL_SECONDS
        now = self.clock.monotonic()
        sweeps, sorts = now >= self._next_sweep, now >= self._next_unserved
        if sweeps or sorts:
            # One question that an idle database answers from the ends of three indexes spares it six others.
            [(held, waiting, in_line, lease_ends)] = self.backend.run(
                self.session, self.backend.sql.rounds, me=self.executor.id
            )
            if sweeps:
                self.sweep(held, waiting, lease_ends)
            if sorts:
                self.sort(in_line)
        return max(0.0, min(self._next_sweep, self._next_unserved) - self.clock.monotonic())

    def sweep(self, held: bool, waiting: bool, lease_ends: float | None) -> None:
        """Recover, wake, let go, of what there is; again when the next lease of another executor may have ended."""
        again = self.executor.settings.LEASE_SECONDS / 3
        if lease_ends is not None:
            again = min(again, max(SOON_SECONDS, lease_ends - self.executor.lease.now() + SOON_SECONDS))
        self._next_sweep = self.clock.monotonic() + again
        if held:
            if self.recover():
                self._next_sweep = 0.0
            self.let_go_of_strays()
        if waiting:
            self.wake_the_missed()

    def sort(self, in_line: bool) -> None:
        """See to what stands in line and nobody can run."""
        now = self.clock.monotonic()
        if in_line and self.set_aside():
            self._hurries_until = now + UNSERVED_EVERY_SECONDS
        soon = now < self._hurries_until or not self.executor.claimer.limits  # the queues are not known yet
        self._next_unserved = now + (MORE_AFTER_SECONDS if soon else UNSERVED_EVERY_SECONDS)

    def wake(self) -> None:
        """Sweep now."""
        self._next_sweep = 0.0
        super().wake()

    def recover(self) -> bool:
        """Take workflows from owners that are not among the living; say whether there may be more."""
        orphans = self.backend.recover(self.session)
        self.executor.has_recovered(orphans)
        return len(orphans) == 1000

    def wake_the_missed(self) -> None:
        self._after, woken = self.backend.sweep_waits(self.session, self._after)
        self.executor.tell({queue for _, queue in woken})

    def let_go_of_strays(self) -> None:
        """A claim whose answer was lost leaves rows that say we own them; release what we twice saw and do not run."""
        mine = dict(self.backend.run(self.session, self.backend.sql.mine, me=self.executor.id))
        strays = {w: e for w, e in mine.items() if w not in self.executor.running}
        for workflow, epoch in strays.items():
            if self._suspects.get(workflow) == epoch:
                self.executor.release_stray(workflow, epoch)
        self._suspects = strays

    def set_aside(self) -> bool:
        """Work that no living executor can run leaves the ready line, so that claims do not walk it, and is shown.

        Work of a version that none of them has is taken over first, where that is the policy: its journal, and the
        check of every operation against it, guard what it does. Says whether there was any, so that there may be more.
        """
        adopts = self.executor.settings.VERSIONS == "adopt"
        served, queues = self.executor.served_by_the_living(self.session)
        latest = None if adopts else self.executor.latest_version(self.session)
        places = {
            "queues": json.dumps([{"name": queue, "n": HEADS} for queue in {*queues, INTERNAL_QUEUE}]),
            "room": HEADS * (len(queues) + 1),
            "any": latest is None or latest in {version for _, version in served},
        }
        taken = []
        if adopts:
            mine = pairs(registry.versions().items())
            taken = self.backend.run(self.session, self.backend.sql.adopt, mine=mine, served=pairs(served), **places)
            served = {(name, None) for name, _ in served}  # whoever knows the name takes the rest over
        self.backend.run(self.session, self.backend.sql.set_aside, served=pairs(served), **places)
        if any(limits.partitioned for limits in list(self.executor.claimer.limits.values())):
            # what was enqueued in a transaction that began before its queue was partitioned
            self.backend.run(self.session, self.backend.sql.name_partitions, **places)
        if taken:
            self.executor.claimer.everything_changed()
        return bool(taken)

    def welcome(self) -> None:
        """An executor that has just started knows functions that others did not: their work may go on."""
        reasons = [f"executor:{name}" for name in registry.names()]
        self.backend.run(self.session, self.backend.sql.welcome, reasons=self.backend.pack(reasons))


def pairs(served: Iterable[tuple[str, str | None]]) -> str:
    """Names and versions as a statement takes them; None is any version."""
    return json.dumps([{"n": name, "v": version} for name, version in served])
