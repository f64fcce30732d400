"""Delete one schedule."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

import durable

from ..action import Effect, view_of
from .base import ScheduleAction


class Delete(ScheduleAction):
    """Remove it; what it started stays."""

    verb = "delete"
    word, icon, css = "Delete", "close", "d-btn-bad"
    stay = "Keep it"

    @property
    def question(self) -> str:
        return f"Delete schedule {self.target}?"

    @property
    def effects(self) -> list[Effect]:
        made = [
            Effect("warn", "It ticks no more. Its name, terms and overrides are removed.", "failed"),
            Effect("info", "What it has started stays, and goes on."),
        ]
        if self.clock.is_declared:
            words = "Code declares it: it comes back when an executor starts. Pause it to keep it quiet."
            made.append(Effect("backoff", words, "backoff"))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        detail["changed"] = durable.delete_schedule(self.target)
        return f"Deleted schedule {self.target}." if detail["changed"] else "It was gone already."

    def after(self) -> str:
        return reverse("durable_dashboard:schedules")


delete = view_of(Delete)
