"""A background loop as an object: `tick()` does what is due and says how long to rest."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from django.db.utils import DatabaseError, InterfaceError

from ..chance import Chance, chance

log = logging.getLogger("durable.executor")

LONGEST_PAUSE_SECONDS = 5.0


class Service(ABC):
    """Runs `tick` in a thread of its own. A failing tick is logged and tried again, a little later each time."""

    name = "service"

    def __init__(self, clock: Chance = chance):
        self.clock = clock
        self.alarm = threading.Event()
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0

    @abstractmethod
    def tick(self) -> float:
        """Do what is due; seconds to rest until the next time."""

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"durable-{self.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Cut the rest short."""
        self.alarm.set()

    def stop(self) -> None:
        self.stopping.set()
        self.alarm.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self.stopping.is_set():
            self.clock.rest(self.alarm, self.step())
            self.alarm.clear()
        self.close()

    def step(self) -> float:
        """One tick that never raises."""
        try:
            rest = self.tick()
        except (DatabaseError, InterfaceError) as error:
            self._failures += 1
            rest = min(LONGEST_PAUSE_SECONDS, 0.1 * 2**self._failures)
            log.warning("%s: database trouble, trying again in %.1f s: %s", self.name, rest, str(error).strip())
            self.close()
        except Exception:
            self._failures += 1
            rest = min(LONGEST_PAUSE_SECONDS, 0.1 * 2**self._failures)
            log.exception("%s failed, trying again in %.1f s", self.name, rest)
        else:
            self._failures = 0
        return rest * (0.95 + 0.1 * self.clock.random())

    @abstractmethod
    def close(self) -> None:
        """Give back connections; the next tick opens new ones."""
