"""Cancel one workflow, with its children if wanted."""

from __future__ import annotations

from typing import Any

import durable

from ...story import Story
from ...wording import plural
from ..action import Effect, view_of
from .family import FamilyAction


class Cancel(FamilyAction):
    """Cancel it and say so in the audit log, or say that it had ended already."""

    route = verb = "cancel"
    word, icon, css = "Cancel", "cancelled", "d-btn-bad"
    stay = "Let it go on"
    children_label = "Cancel its children too"

    @staticmethod
    def why_not(own: Any) -> str:
        return "It has ended: there is nothing to cancel." if own.is_finished else ""

    @classmethod
    def says(cls, story: Story) -> str:
        own = story.workflow
        if own.executor:
            return "Cancel takes effect at its next operation; what is recorded stays."
        if own.started_at is None:
            return "Cancel ends it before it starts."
        return "Cancel ends it now; what is recorded stays."

    @property
    def effects(self) -> list[Effect]:
        own, made = self.own, []
        if own.executor:
            made.append(Effect("running", "It stops at its next operation. The step that runs now is not interrupted, "
                               "but its result is not recorded any more.", "running"))  # fmt: skip
        elif own.started_at is None:
            made.append(Effect("cancelled", "It never starts, and leaves its queue.", "cancelled"))
        else:
            made.append(Effect("cancelled", "It ends at once, and waits for nothing any more.", "cancelled"))
        if own.started_at is not None:
            made.append(Effect("success", "What it has recorded stays: a resume goes on from there."))
        if live := self.children.live().count():
            words = plural(live, "child has not ended, and goes on", "children have not ended, and go on")
            made.append(Effect("child", f"{words} unless you say otherwise below."))
        made.append(Effect("warn", "Whoever waits for its result is told that it was cancelled.", "backoff"))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        with_children = given.get("children", False)
        if with_children:
            detail["children"] = True
        detail["changed"] = bool(durable.cancel_workflow(self.target, cancel_children=with_children))
        if not detail["changed"]:
            return "It had ended already, so there was nothing to cancel."
        return "Cancelled. What it recorded stays; resume lets it go on."


cancel = view_of(Cancel)
