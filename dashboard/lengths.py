"""How long a workflow took, as a bar: its length is the logarithm of the total, from 10 ms to 30 days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from durable.models import Workflow
from durable.states import Status

LEAST, MOST = 0.01, 30 * 86400.0
ROOM = 97.0
"""Percent for the longest, so that its cap still shows."""


@dataclass(frozen=True, slots=True)
class Length:
    """The parts of the bar in percent. Within the logarithmic total, queue and run are split evenly by time."""

    seconds: float
    queue: float
    run: float
    kind: str
    hue: str
    since: datetime

    @property
    def end(self) -> float:
        return round(self.queue + self.run, 2)

    @property
    def dots(self) -> float:
        """Where the dotted line of a parked workflow begins, after a stub of what ran."""
        return round(min(self.queue + 4, self.end), 2)

    @property
    def dots_end(self) -> float:
        return max(self.end, self.dots)


def length_of(workflow: Workflow, now: datetime) -> Length:
    """From acceptance to the end, or to now. `kind` is "queue", "live", "parked" or "done"."""
    end = workflow.completed_at or now
    total = max((end - workflow.created_at).total_seconds(), 0.0)
    started = workflow.started_at
    waited = min(max(((started or end) - workflow.created_at).total_seconds(), 0.0), total)
    scale = math.log10(min(max(total, LEAST), MOST) / LEAST) / math.log10(MOST / LEAST)
    width = max(scale * ROOM, 0.5)
    queue = width * (waited / total if total else 0.0)
    phase = workflow.phase
    if workflow.is_finished:
        kind = "done"
    elif started is None or workflow.status in (Status.ENQUEUED, Status.DELAYED):
        kind, queue = "queue", width
    else:
        kind = "live" if phase.key == "running" else "parked"
    return Length(total, round(queue, 2), round(width - queue, 2), kind, phase.hue, workflow.created_at)
