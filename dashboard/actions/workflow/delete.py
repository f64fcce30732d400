"""Delete one workflow, with its children if wanted."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

import durable

from ...story import Story
from ...wording import plural
from ..action import Effect, view_of
from .family import FamilyAction


class Delete(FamilyAction):
    """Remove it with all that it recorded."""

    route = verb = "delete"
    word, icon, css = "Delete", "close", "d-btn-bad"
    stay = "Keep it"
    children_label = "Delete its children too"

    @classmethod
    def says(cls, story: Story) -> str:
        return "Delete removes it with all that it recorded."

    @property
    def effects(self) -> list[Effect]:
        made = [Effect("warn", "Its row, steps, attempts, events, messages and streams are removed. "
                       "They cannot be brought back; the audit stays.", "failed")]  # fmt: skip
        if not self.own.is_finished:
            made.append(Effect("running", "It has not ended: what runs of it stops and records no more.", "failed"))
        if count := self.children.count():
            words = plural(count, "child of it stays", "children of it stay")
            made.append(Effect("child", f"{words} unless you say otherwise below."))
        if self.own.parent:
            made.append(Effect("child", "Its parent finds it gone when it asks for the result."))
        made.append(Effect("info", "Its id is free again: a start with it would run everything anew."))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        detail |= {"name": self.own.name, "status": self.own.status}
        with_children = given.get("children", False)
        if with_children:
            detail["children"] = True
        detail["changed"] = durable.delete_workflow(self.target, delete_children=with_children)
        return f"Deleted {self.own.name} {self.target}." if detail["changed"] else "It was gone already."

    def after(self) -> str:
        return reverse("durable_dashboard:workflows")


delete = view_of(Delete)
