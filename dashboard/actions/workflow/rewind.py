"""Take one workflow back to a step, under its own id."""

from __future__ import annotations

from typing import Any

import durable

from ...story import Story
from ...wording import plural
from ..action import Effect, view_of
from .base import has_not_ended
from .from_step import FromStep


class Rewind(FromStep):
    """Forget what it recorded from a step on, and run it again from there."""

    route = verb = "rewind"
    word, icon, css = "Rewind", "older", "d-btn-bad"

    @staticmethod
    def why_not(own: Any) -> str:
        return has_not_ended(own, "rewind it")

    @classmethod
    def says(cls, story: Story) -> str:
        return "Rewind runs it again from a step that you choose, under its own id."

    @property
    def question(self) -> str:
        return f"Rewind {self.own.name} to step {self.cut.start:,}?"

    @property
    def effects(self) -> list[Effect]:
        cut, made = self.cut, self.kept
        made.append(Effect("warn", "What those steps and the end recorded is deleted. It cannot be brought back; "
                           "a fork would keep it.", "failed"))  # fmt: skip
        if cut.children:
            words = plural(cut.children, "child that was started there is", "children that were started there are")
            made.append(Effect("child", f"{words} deleted, and what was started from there in turn.", "failed"))
        if cut.published:
            words = plural(cut.published, "value of an event or a stream is", "values of events and streams are")
            made.append(Effect("event", f"{words} taken back."))
        if cut.messages:
            words = plural(cut.messages, "message is given back", "messages are given back")
            made.append(Effect("message", f"{words}, to be received again."))
        if self.own.deadline is not None or self.own.timeout is not None:
            made.append(Effect("time", "Its deadline is gone."))
        return [*made, *self.gap]

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.rewind_workflow(self.target, given["start_step"], **self.terms(given))
        detail["start_step"] = given["start_step"]
        return f"Rewound. It runs again from step {given['start_step']:,} as soon as an executor takes it."


rewind = view_of(Rewind)
