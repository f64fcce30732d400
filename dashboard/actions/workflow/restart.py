"""Run one workflow again from its beginning, under a new id."""

from __future__ import annotations

from typing import Any

import durable

from ...story import Story
from ..action import Effect, Reasoned, view_of
from .base import page_of
from .fork import ForkForm
from .from_step import FromStep


class Restart(FromStep):
    """Start a new workflow with the input of this one."""

    route = verb = "restart"
    word, icon = "Restart", "backoff"
    form_class = ForkForm
    stay = "Start nothing"
    template = "durable/action.html"

    @classmethod
    def says(cls, story: Story) -> str:
        return "Restart starts a new one with the same input."

    @property
    def question(self) -> str:
        return f"Restart {self.own.name} from its beginning?"

    @property
    def initial(self) -> dict[str, Any]:
        return {"start_step": 1}

    @property
    def effects(self) -> list[Effect]:
        made = [
            Effect("plus", "A new workflow with the same input begins at step 1, under an id of its own."),
            Effect("backoff", "Every step runs, also those that this one has done in the world.", "backoff"),
        ]
        if not self.own.is_finished:
            made.append(Effect("warn", "This one has not ended and goes on: both will run.", "backoff"))
        else:
            made.append(Effect("info", "This one stays as it is, with its result."))
        return [*made, *self.gap]

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        del form.fields["start_step"]
        form.fields["workflow_id"].label = "Id of the new one"
        return form

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        terms = self.terms(given)
        if given["workflow_id"]:
            terms["workflow_id"] = given["workflow_id"]
        self.made = durable.restart_workflow(self.target, **terms).workflow_id
        detail["fork"] = self.made
        return "Restarted. This is the new one."

    def after(self) -> str:
        return page_of(self.made)


restart = view_of(Restart)
