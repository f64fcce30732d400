"""How many run at once, of what and where: counted in this process, at every instant."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Meter:
    """Counts who is inside. `most[what]` is the largest number of `what` that there ever was at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self.now: Counter[Any] = Counter()
        self.most: Counter[Any] = Counter()
        self.order: list[Any] = []

    @contextmanager
    def inside(self, *whats: Any, note: Any = None) -> Iterator[None]:
        """Count one more of each of `whats` while the block runs; `note` is kept in the order of arrival."""
        with self.lock:
            self.order.append(note)
            for what in whats:
                self.now[what] += 1
                self.most[what] = max(self.most[what], self.now[what])
        try:
            yield
        finally:
            with self.lock:
                self.now.subtract(whats)

    def hold(self, seconds: float, *whats: Any, note: Any = None) -> None:
        with self.inside(*whats, note=note):
            time.sleep(seconds)  # the work that it stands for
