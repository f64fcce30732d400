"""An executor's right to act, as far as this process can know."""

from __future__ import annotations

from ..chance import Chance, chance
from ..errors import LeaseLost


class Lease:
    """A local deadline: after it, this process writes nothing, because others may have taken its workflows.

    Measured with a clock that never goes back, from before the renewal was sent. It only saves work: what keeps a
    zombie's writes out is the epoch.
    """

    def __init__(self, seconds: float, clock: Chance = chance):
        self.seconds = seconds
        self.clock = clock
        self.is_lost = False
        self.offset = 0.0
        """Seconds by which the database's clock is ahead of this machine's."""
        self._until = clock.monotonic() + seconds

    def renewed(self, sent_at: float) -> None:
        """A renewal that was sent at `sent_at` (monotonic) has been stored."""
        self._until = sent_at + self.seconds * 0.9

    def lose(self) -> None:
        """Somebody has declared this executor dead."""
        self.is_lost = True

    @property
    def holds(self) -> bool:
        return not self.is_lost and self.clock.monotonic() < self._until

    def check(self) -> None:
        """Raises `LeaseLost` when this process may not write any more."""
        if not self.holds:
            raise LeaseLost(seconds=self.seconds)

    def now(self) -> float:
        """The database's clock, estimated: seconds since the epoch."""
        return self.clock.now() + self.offset
