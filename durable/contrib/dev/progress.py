"""What happens, as lines in the terminal; a flood becomes one line a second."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.management.color import Style

from durable import signals
from durable.states import Status

LINES_A_SECOND = 8
"""More than this in one second is counted and told together, until a second is quiet again."""


class Progress:
    """Prints a line for each thing that matters. `out` takes one line, `style` colours it."""

    def __init__(self, out: Callable[[str], Any], style: Style):
        self.out = out
        self.style = style
        self.lock = threading.Lock()
        self.second = 0
        self.lines = 0
        self.is_flood = False
        self.unsaid: Counter[str] = Counter()

    def listen(self) -> None:
        """Hear the signals of this process's executor."""
        signals.workflow_started.connect(self.started)
        signals.workflow_parked.connect(self.parked)
        signals.workflow_finished.connect(self.finished)
        signals.workflow_released.connect(self.released)
        signals.workflow_lost.connect(self.lost)
        signals.step_failed.connect(self.attempt_failed)

    def started(self, workflow_id: str, name: str, executor: Any = None, **_: Any) -> None:
        run = executor.running.get(workflow_id) if executor else None
        self.tell("started" if run is None or run.epoch <= 1 else "goes on", name, workflow_id)

    def parked(self, workflow_id: str, name: str, reason: str | None = None, **_: Any) -> None:
        self.tell("parked", name, workflow_id, reason or "")

    def finished(self, workflow_id: str, name: str, status: str = "", **_: Any) -> None:
        if status == Status.SUCCESS:
            self.tell("finished", name, workflow_id, colour=self.style.SUCCESS)
        else:
            self.tell("failed", name, workflow_id, status, self.style.ERROR)

    def released(self, workflow_id: str, name: str, **_: Any) -> None:
        self.tell("released", name, workflow_id, "another executor goes on with it")

    def lost(self, workflow_id: str, name: str, dead: bool = False, **_: Any) -> None:
        if dead:
            self.tell("set aside", name, workflow_id, "its executor died too often", self.style.ERROR)
        else:
            self.tell("recovered", name, workflow_id, "its executor died", self.style.WARNING)

    def attempt_failed(self, workflow_id: str, name: str, attempt: int = 1, error: Any = "", **_: Any) -> None:
        self.tell("retrying", name, workflow_id, f"attempt {attempt} failed: {error}", self.style.WARNING)

    def tell(
        self, what: str, name: str, workflow_id: str, more: str = "", colour: Callable[[str], str] | None = None
    ) -> None:
        with self.lock:
            self.turn()
            self.lines += 1
            if self.is_flood or self.lines > LINES_A_SECOND:
                self.unsaid[what] += 1
                return
            verb = (colour or str)(f"{what:9}")
            self.out(f"{clock()}  {verb} {name}  {self.style.HTTP_INFO(workflow_id)}  {more}".rstrip())

    def flush(self) -> None:
        """Tell what a past second held back. Call it about once a second."""
        with self.lock:
            self.turn()

    def turn(self) -> None:
        """Begin a new second when the clock says so."""
        if (now := int(time.monotonic())) == self.second:
            return
        if self.unsaid:
            told = ", ".join(f"{count} {what}" for what, count in self.unsaid.items())
            self.out(f"{clock()}  {self.style.HTTP_INFO(told)}")
            self.unsaid.clear()
        self.is_flood = self.lines > LINES_A_SECOND
        self.second, self.lines = now, 0


def clock() -> str:
    return time.strftime("%H:%M:%S")
