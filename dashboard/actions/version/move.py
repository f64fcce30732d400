"""Let executors of another version go on with work that waits for one that nobody runs."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.urls import reverse

import durable
from durable.models import Workflow

from ...fleet import Fleet, idle_of
from ...wording import plural
from ..action import Action, Effect, Reasoned, view_of

MOST = 10_000
"""Workflows that one action moves; the rest is moved by the next."""
CHUNK = 500
SAMPLE = 10


class MoveForm(Reasoned):
    version = forms.ChoiceField(label="To version")
    source = forms.CharField(required=False, max_length=1024, strip=False, widget=forms.HiddenInput)


class Move(Action):
    """Move the idle work of one function, which the address names with its version, to another version."""

    right: ClassVar[str] = "operate_version"
    kind: ClassVar[str] = "version"
    verb = "move"
    word, icon = "Move them", "right"
    form_class = MoveForm
    template = "durable/move.html"

    @property
    def source(self) -> str:
        """The version that it is moved away from, "" for none."""
        given = self.request.POST if self.request.method == "POST" else self.request.GET
        return given.get("source", "").replace("\0", "")

    @property
    def question(self) -> str:
        return f"Move work of {self.target} to another version?"

    @property
    def crumb(self) -> str:
        return "Versions"

    @property
    def back(self) -> str:
        return reverse("durable_dashboard:versions")

    @property
    def initial(self) -> dict[str, Any]:
        return {"source": self.source, "version": self.choices[0][0] if self.choices else ""}

    @cached_property
    def ids(self) -> list[str]:
        """What would be moved, the oldest first; one more than `MOST` where there is more."""
        return list(idle_of(self.alias, self.target, self.source).values_list("pk", flat=True)[: MOST + 1])

    @property
    def sample(self) -> list[Workflow]:
        return list(idle_of(self.alias, self.target, self.source)[:SAMPLE])

    @cached_property
    def choices(self) -> list[tuple[str, str]]:
        """The versions in which living executors run the function."""
        served = Fleet(self.alias, self.console.serving).served[self.target] - {self.source}
        return [(version, version) for version in sorted(served)]

    @property
    def off(self) -> str:
        if not self.choices:
            return f"No living executor runs {self.target} in another version. Start one first; then it can be moved."
        return "" if self.ids else "Nothing of it waits any more."

    @property
    def effects(self) -> list[Effect]:
        count = min(len(self.ids), MOST)
        more = "; as many again can be moved after it" if len(self.ids) > MOST else ""
        source = f"version {self.source}" if self.source else "no version"
        return [
            Effect("right", f"{plural(count, 'workflow')} of {source} that no executor holds{more}. "
                   "What is parked moves too, and goes on with the other code when it wakes."),
            Effect("info", "Recorded steps stay and are not run again."),
            Effect("warn", "Where the other code does something else than what was recorded, the workflow ends with "
                   "NonDeterminism; it can be moved back and resumed.", "backoff"),
        ]  # fmt: skip

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        form.fields["version"].choices = self.choices
        return form

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        ids, version = self.ids[:MOST], given["version"]
        chunks = (ids[place : place + CHUNK] for place in range(0, len(ids), CHUNK))
        moved = sum(durable.move_to_version(chunk, version) for chunk in chunks)
        detail |= {"from": self.source, "to": version, "moved": moved}
        detail["changed"] = moved > 0
        rest = " There is more: move again." if len(self.ids) > MOST else ""
        return f"Moved {plural(moved, 'workflow')} to version {version}.{rest}"


move = view_of(Move)
