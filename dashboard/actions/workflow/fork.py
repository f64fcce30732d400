"""Fork one workflow from a step, with edited outputs of the steps before it if wanted."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms

import durable

from ...asked import SLOT
from ...jsontree import clean
from ...story import Story
from ...typed import JsonField
from ...wording import plural
from ..action import Effect, Reasoned, view_of
from .base import page_of
from .from_step import AgainForm, FromStep

MOST_EDITS = 20
FIELD = re.compile(r"output_([0-9]{1,9})")


class ForkForm(AgainForm):
    workflow_id = forms.CharField(
        required=False,
        max_length=1024,
        label="Id of the fork",
        help_text="Empty for a new one.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("start_step", "workflow_id")


class Fork(FromStep):
    """Run a copy of it from a step on, under a new id."""

    route = verb = "fork"
    word, icon = "Fork", "fork"
    form_class = ForkForm
    stay = "Fork nothing"

    @classmethod
    def says(cls, story: Story) -> str:
        return "Fork runs a copy of it from a step that you choose."

    @property
    def question(self) -> str:
        return f"Fork {self.own.name} from step {self.cut.start:,}"

    @property
    def effects(self) -> list[Effect]:
        made = [*self.kept, Effect("fork", "This one stays as it is, with its result and its children. "
                                   "Children that kept steps started are shared with the fork.")]  # fmt: skip
        if count := self.cut.messages + self.cut.unread:
            words = plural(count, "message waits unread in its mailbox", "messages wait unread in its mailbox")
            made.append(Effect("message", f"{words}: what the kept steps have not received."))
        if self.own.timeout is not None:
            made.append(Effect("time", "The fork has no timeout."))
        return [*made, *self.gap]

    # --- outputs to edit

    @property
    def can_edit(self) -> bool:
        """Outputs that are no JSON stay as they are."""
        return self.own.serialization == "json" and self.may_see

    @cached_property
    def edited(self) -> dict[int, tuple[str, str]]:
        """Name and output of the steps whose output is to be given anew, by number."""
        asked = [found[1] for name in self.request.POST if (found := FIELD.fullmatch(name))]
        asked = asked or self.request.GET.get("edit", "").split(",")
        numbers = [int(number) for number in asked if SLOT.fullmatch(number)]
        return self.cut.outputs(numbers[:MOST_EDITS]) if numbers and self.can_edit else {}

    def edit_link(self, seq: int) -> str:
        """This page with a field for the output of one more step."""
        chosen = sorted({*self.edited, seq})
        pairs = [*self.asked_pairs, ("step", str(self.cut.start)), ("edit", ",".join(map(str, chosen)))]
        return f"?{urlencode(pairs, safe=',')}#id_output_{seq}"

    @property
    def edit_links(self) -> dict[int, str]:
        pieces = self.cut.before if self.can_edit else []
        return {piece.seq: self.edit_link(piece.seq) for piece in pieces if piece.can_be_edited}

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        for seq, (name, text) in self.edited.items():
            label = f"Output of step {seq}, {clean(name)}"
            help_text = "The step counts as done with this. Leave it as it is to keep what was recorded."
            form.fields[f"output_{seq}"] = JsonField(label=label, initial=text, help_text=help_text)
        form.order_fields(["start_step", *(f"output_{seq}" for seq in self.edited)])
        return form

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        terms = self.terms(given)
        if given["workflow_id"]:
            terms["workflow_id"] = given["workflow_id"]
        posted = self.request.POST
        changed = [seq for seq, (_, text) in self.edited.items() if posted.get(f"output_{seq}", text).strip() != text]
        if changed:
            terms["outputs"] = {seq: given[f"output_{seq}"] for seq in changed}
            detail["outputs"] = changed
        self.made = durable.fork_workflow(self.target, given["start_step"], **terms).workflow_id
        detail |= {"start_step": given["start_step"], "fork": self.made}
        return f"Forked from step {given['start_step']:,}. This is the fork."

    def after(self) -> str:
        return page_of(self.made)


fork = view_of(Fork)
