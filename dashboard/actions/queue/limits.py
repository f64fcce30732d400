"""Change the limits of one queue while it runs, and return to those that code declares."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

import durable

from ...lines import Limit, columns_of, said_of
from ..action import Effect, Reasoned, view_of
from ..returning import ReturnToDeclared
from .base import QueueAction


class LimitsForm(Reasoned):
    """A field for each limit; a rate has two. Empty is no limit."""

    def __init__(self, *args: Any, limits: list[Limit], **kwargs: Any):
        super().__init__(*args, **kwargs)
        reason = self.fields.pop("reason")
        for limit in limits:
            told = f"Declared {limit.declared or 'without limit'}; {limit.help}. Empty for no limit."
            self.fields[limit.key] = number(limit.label, told)
            if limit.key.endswith("limiter"):
                self.fields[f"{limit.key}_period"] = seconds("Length of that window, seconds")
        self.fields["reason"] = reason
        self.limits = limits

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for limit in self.limits:
            count, period = given.get(limit.key), given.get(f"{limit.key}_period")
            if limit.key.endswith("limiter") and limit.key in given and (count is None) != (period is None):
                missing = f"{limit.key}_period" if period is None else limit.key
                if missing not in self.errors:
                    self.add_error(missing, ValidationError("Give both, or neither for no limit."))
        return given

    def wanted(self) -> dict[str, Any]:
        """Each limit as `durable.set_queue_limits` takes it."""
        given = self.cleaned_data
        return {
            limit.key: given[limit.key] if not limit.key.endswith("limiter")
            else None if given[limit.key] is None
            else {"limit": given[limit.key], "period": given[f"{limit.key}_period"]}
            for limit in self.limits
        }  # fmt: skip


def number(label: str, told: str) -> forms.IntegerField:
    widget = forms.NumberInput({"inputmode": "numeric", "autocomplete": "off"})
    return forms.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, label=label, help_text=told, widget=widget
    )


def seconds(label: str) -> forms.FloatField:
    widget = forms.NumberInput({"inputmode": "decimal", "step": "any", "autocomplete": "off"})
    return forms.FloatField(required=False, min_value=0.001, max_value=10**9, label=label, widget=widget)


class Limits(QueueAction):
    """Put other limits in force than the declared ones, or take them back."""

    verb = "limits"
    word, icon = "Put in force", "success"
    stay = "Change nothing"

    @property
    def question(self) -> str:
        return f"Limits of queue {self.target}"

    @property
    def effects(self) -> list[Effect]:
        line = self.line
        made = [
            Effect("info", "What you change holds at once and for all executors, and stays over deploys until it is "
                   "cleared. What equals the declared limit is no override."),
            Effect("running", "A limit that is lowered stops nothing that runs: places come free as workflows end."),
        ]  # fmt: skip
        if line.waiting:
            held = f"{line.waiting_figure} {'waits' if line.waiting == 1 else 'wait'} now, {line.taken:,} hold a place."
            made.insert(0, Effect("queued", held, "queued"))
        return made

    @cached_property
    def in_force(self) -> dict[str, Any]:
        return self.line.row.limits()

    @property
    def initial(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for limit in self.line.limits:
            names = (limit.key, f"{limit.key}_period")
            found |= dict(zip(names, (whole(self.in_force[column]) for column in columns_of(limit.key)), strict=False))
        return found

    def make_form(self, data: Any = None) -> Reasoned:
        self.form = LimitsForm(data, initial=self.initial, limits=self.line.limits)
        return self.form

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        row = self.line.row
        changed: dict[str, Any] = {}
        for key, value in self.form.wanted().items():
            if columns(key, value) != {column: self.in_force[column] for column in columns_of(key)}:
                changed[key] = value
        declared = [key for key, value in changed.items() if is_declared(key, value, row.declared)]
        override = {key: value for key, value in changed.items() if key not in declared}
        detail["changed"] = bool(changed)
        if not changed:
            return "Nothing was different, so nothing was changed."
        detail["limits"] = {key: said_of(key, columns(key, value)) or "none" for key, value in changed.items()}
        if declared:
            durable.clear_queue_limits(self.target, *declared)
        if override:
            durable.set_queue_limits(self.target, **override)
        words = ", ".join(f"{limit.label.lower()} {detail['limits'][limit.key]}"
                          for limit in self.form.limits if limit.key in changed)  # fmt: skip
        return f"In force now: {words}."


def whole(value: Any) -> Any:
    """10.0 as 10, so that a form shows it as a person writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def columns(key: str, value: Any) -> dict[str, Any]:
    """A limit as the row stores it."""
    if not key.endswith("limiter"):
        return {key: value}
    parts = (None, None) if value is None else (value["limit"], value["period"])
    return dict(zip(columns_of(key), parts, strict=True))


def is_declared(key: str, value: Any, declared: dict[str, Any]) -> bool:
    return columns(key, value) == {column: declared.get(column) for column in columns_of(key)}


class ClearLimits(ReturnToDeclared, QueueAction):
    """Put back in force what code declares: for the limit that the address names, or for all."""

    verb = "clear limits"
    parameter = "limit"

    @property
    def overridable(self) -> list[Limit]:
        return self.line.limits

    @property
    def question(self) -> str:
        return f"Return queue {self.target} to its declared limits?"

    @property
    def effects(self) -> list[Effect]:
        return [
            Effect("backoff", f"{limit.label}: {limit.declared or 'no limit'} as declared, "
                   f"in place of {limit.value or 'no limit'}.", "backoff")
            for limit in self.cleared
        ]  # fmt: skip

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        keys = [limit.key for limit in self.cleared]
        durable.clear_queue_limits(self.target, *keys)
        detail["limits"] = keys
        return "What the code declares is in force again."


limits = view_of(Limits)
clear_limits = view_of(ClearLimits)
