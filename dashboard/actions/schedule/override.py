"""Put other terms of one schedule in force, and return to those that were declared."""

from __future__ import annotations

from typing import Any

from django import forms

import durable
from durable.models import INTERNAL_QUEUE, CatchUp, Queue

from ...clockwork import CAUGHT_UP, Term, clocks_of
from ...wording import point
from ..action import Effect, Reasoned, view_of
from ..returning import ReturnToDeclared
from .base import ScheduleAction

TERMS = ("cron", "timezone", "catch_up", "queue")
"""What a person may put in force; what it starts is left to the code."""


class OverrideForm(Reasoned):
    cron = forms.CharField(max_length=200, label="Cron", widget=forms.TextInput({"autocomplete": "off"}))
    timezone = forms.CharField(max_length=200, label="Time zone", widget=forms.TextInput({"autocomplete": "off"}))
    catch_up = forms.ChoiceField(
        label="Ticks that nobody could fire", choices=[(each, f"{each}: {CAUGHT_UP[each]}") for each in CatchUp]
    )
    queue = forms.ChoiceField(required=False, label="Queue")


class Override(ScheduleAction):
    """Let it tick by other terms than the declared ones."""

    verb = "override"
    word, icon = "Put in force", "success"
    stay = "Change nothing"
    form_class = OverrideForm

    @property
    def question(self) -> str:
        return f"Terms of schedule {self.target}"

    @property
    def initial(self) -> dict[str, Any]:
        return {term: getattr(self.clock.row, term) for term in TERMS}

    @property
    def effects(self) -> list[Effect]:
        return [
            Effect("info", "What you change stays over deploys until it is cleared. "
                   "What equals the declared term is no override."),
            Effect("time", "When its times change, it ticks by them from now on and has missed none of them."),
        ]  # fmt: skip

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        names = Queue.objects.using(self.alias).exclude(pk=INTERNAL_QUEUE).values_list("pk", flat=True)
        known = sorted({*names, *([self.clock.row.queue] if self.clock.row.queue else [])})
        form.fields["queue"].choices = [("", "none"), *((name, name) for name in known)]
        for name, declared in self.declared.items():
            form.fields[name].help_text = f"Declared: {declared or 'none'}."
        return form

    @property
    def declared(self) -> dict[str, Any]:
        return {term: self.clock.row.declared.get(term) for term in TERMS}

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        row = self.clock.row
        wanted = {term: given[term] or None for term in TERMS}
        changed = {term: value for term, value in wanted.items() if value != getattr(row, term)}
        detail["changed"] = bool(changed)
        if not changed:
            return "Nothing was different, so nothing was changed."
        detail["terms"] = changed
        declared = [term for term, value in changed.items() if value == row.declared.get(term)]
        override = {term: value for term, value in changed.items() if term not in declared}
        if declared:
            durable.clear_schedule_override(self.target, *declared)
        if override:
            durable.override_schedule(self.target, **override)
        ahead = clocks_of(self.alias, self.console.as_of, self.target)[0].next
        return f"In force now. It ticks next at {point(ahead)}." if ahead else "In force now."


class ClearOverride(ReturnToDeclared, ScheduleAction):
    """Put back in force what was declared: for the term that the address names, or for all."""

    verb = "clear override"
    parameter = "term"

    @property
    def overridable(self) -> list[Term]:
        return self.clock.terms

    @property
    def question(self) -> str:
        return f"Return schedule {self.target} to its declared terms?"

    @property
    def effects(self) -> list[Effect]:
        return [
            Effect("backoff", f"{term.label}: {term.declared} as declared, in place of {term.value}.", "backoff")
            for term in self.cleared
        ]

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        keys = [term.key for term in self.cleared]
        durable.clear_schedule_override(self.target, *keys)
        detail["terms"] = keys
        return "What was declared is in force again."


override = view_of(Override)
clear_override = view_of(ClearOverride)
