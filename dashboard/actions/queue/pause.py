"""Pause one queue, and serve it again."""

from __future__ import annotations

from typing import Any

import durable

from ...wording import plural
from ..action import Effect, view_of
from .base import QueueAction


class Pause(QueueAction):
    """Let nothing more start from it."""

    verb = "pause"
    word, icon = "Pause", "pause"
    stay = "Leave it open"

    @property
    def question(self) -> str:
        return f"Pause queue {self.target}?"

    @property
    def off(self) -> str:
        return "It is paused already." if self.line.row.paused else ""

    @property
    def effects(self) -> list[Effect]:
        line = self.line
        held = plural(line.waiting, "workflow waits", "workflows wait") if line.waiting else "nothing waits"
        return [
            Effect("pause", f"Nothing more starts from it, at once and on all executors; {held} now.", "backoff"),
            Effect("running", f"What runs goes on: {plural(line.running, 'workflow')}."),
            Effect("info", "What is enqueued meanwhile is stored, and waits until the queue goes on."),
        ]

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.pause_queue(self.target)
        return "Paused. Nothing more starts from it until it goes on."


class Resume(QueueAction):
    """Serve it again."""

    verb = "resume"
    word, icon = "Resume", "resume"
    stay = "Leave it paused"

    @property
    def question(self) -> str:
        return f"Let queue {self.target} go on?"

    @property
    def off(self) -> str:
        return "" if self.line.row.paused else "It is not paused."

    @property
    def effects(self) -> list[Effect]:
        line = self.line
        limits = f", within its limits: {line.limits_said}" if line.limits_said else "; it has no limits"
        waits = plural(line.waiting, "workflow that waits", "workflows that wait")
        return [Effect("resume", f"Executors start the {waits} as they have room{limits}.")]

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.resume_queue(self.target)
        return "It goes on."


pause = view_of(Pause)
resume = view_of(Resume)
