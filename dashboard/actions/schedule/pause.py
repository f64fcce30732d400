"""Pause one schedule, and let it tick again."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html

import durable

from ...clockwork import Clock
from ...templatetags.durable_console import moment
from ..action import Effect, view_of
from .base import ScheduleAction


class Pause(ScheduleAction):
    """Start nothing more by it."""

    verb = "pause"
    word, icon = "Pause", "pause"
    stay = "Let it tick"

    @property
    def question(self) -> str:
        return f"Pause schedule {self.target}?"

    def why_not(self, clock: Clock) -> str:
        return "It is paused already." if clock.row.paused else ""

    @property
    def effects(self) -> list[Effect]:
        made = [Effect("info", "What it has started goes on. Ticks of the pause are not made up for; "
                       "a backfill can start them later.")]  # fmt: skip
        if self.clock.next:
            made.insert(0, Effect("pause", format_html("Its next tick, {}, starts nothing.", moment(self.clock.next)),
                                  "backoff"))  # fmt: skip
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.pause_schedule(self.target)
        return "Paused. It starts nothing until it goes on."


class Resume(ScheduleAction):
    """Let it tick again, from now on."""

    verb = "resume"
    word, icon = "Resume", "resume"
    stay = "Leave it paused"

    @property
    def question(self) -> str:
        return f"Let schedule {self.target} tick again?"

    def why_not(self, clock: Clock) -> str:
        return "" if clock.row.paused else "It is not paused."

    @property
    def effects(self) -> list[Effect]:
        made = [Effect("info", "Ticks of the pause are not made up for; a backfill can start them.")]
        if self.clock.next:
            made.insert(0, Effect("time", format_html("It ticks next at {}.", moment(self.clock.next))))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.resume_schedule(self.target)
        return "It ticks again."


pause = view_of(Pause)
resume = view_of(Resume)
