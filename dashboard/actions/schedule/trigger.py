"""Start now what one schedule starts."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

import durable

from ..action import Effect, view_of
from .base import ScheduleAction


class Trigger(ScheduleAction):
    """Start its workflow now, as if it ticked."""

    verb = "trigger"
    word, icon = "Trigger now", "resume"
    stay = "Start nothing"

    @property
    def question(self) -> str:
        return f"Trigger schedule {self.target} now?"

    @property
    def effects(self) -> list[Effect]:
        row = self.clock.row
        where = f"in queue {row.queue}" if row.queue else "without a queue"
        paused = " It stays paused." if row.paused else ""
        return [
            Effect("plus", f"One workflow of {row.workflow} is started {where}, with this moment as its tick."),
            Effect("time", f"Its ticks stay as they are.{paused}"),
            *self.gap,
        ]

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        detail["workflow"] = self.made = durable.trigger_schedule(self.target).workflow_id
        return f"Triggered. This is what schedule {self.target} started."

    def after(self) -> str:
        return reverse("durable_dashboard:workflow", args=[self.made])


trigger = view_of(Trigger)
