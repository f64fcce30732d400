"""The one seam for chance: the clock, random numbers, ids and resting.

Nothing else in the executor asks the machine for any of them, so a test can run many executors in virtual time from
one seed. The database's clock still decides what is due; `now()` only measures, and is that clock on SQLite, where
one machine has one.
"""

from __future__ import annotations

import random
import threading
import time


class Chance:
    """The machine's own clock and entropy."""

    def now(self) -> float:
        """Seconds since the epoch, UTC, in whole microseconds, as a datetime holds them."""
        return round(time.time(), 6)

    def monotonic(self) -> float:
        """Seconds that never go back, for measuring spans and deadlines within this process."""
        return time.monotonic()

    def random(self) -> float:
        """A number in [0, 1)."""
        return random.random()

    def new_id(self) -> str:
        """A time-ordered id: a version 7 UUID (RFC 9562), so that new rows land at the end of an index."""
        millis = int(self.now() * 1000)
        bits = (millis << 80) | (0x7 << 76) | (random.getrandbits(12) << 64) | (0b10 << 62) | random.getrandbits(62)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def rest(self, alarm: threading.Event, seconds: float) -> bool:
        """Wait until `alarm` is set or `seconds` have passed; say whether it was set."""
        return alarm.wait(seconds)


chance = Chance()
