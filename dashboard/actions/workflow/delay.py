"""Move the time at which one workflow joins its queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.html import format_html

import durable
from durable.errors import InvalidOption
from durable.filters.reading import RELATIVE, UNITS, read_time
from durable.models import INTERNAL_QUEUE
from durable.states import Status

from ...story import Story
from ...templatetags.durable_console import moment
from ...wording import point
from ..action import Effect, Reasoned, view_of
from .base import WorkflowAction

HOW = 'a length from now such as "15m", "2h" or "3d", or a time such as "2026-11-20 14:32"'


class LaterField(forms.CharField):
    """A time to come: "15m" from now, or "2026-11-20 14:32" in the zone of the console."""

    def clean(self, value: Any) -> datetime:
        text = super().clean(value)
        try:
            if ahead := RELATIVE.fullmatch(text):
                return timezone.now() + timedelta(**{UNITS[ahead[2].lower()]: int(ahead[1])})
            return read_time("delay", text)
        except (InvalidOption, OverflowError):
            raise ValidationError(f"Write {HOW}.") from None


class DelayForm(Reasoned):
    until = LaterField(
        max_length=60,
        label="Starts",
        help_text=f"{HOW[0].upper()}{HOW[1:]}.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class Delay(WorkflowAction):
    """Let it wait for a time before it joins its queue."""

    route = verb = "delay"
    word, icon = "Change delay", "delayed"
    form_class = DelayForm

    @staticmethod
    def why_not(own: Any) -> str:
        if own.is_finished:
            return "It has ended."
        if own.status not in (Status.DELAYED, Status.ENQUEUED):
            return "It has started: only what waits for its start can be delayed."
        return "It is debounced: the next call of its debouncer moves it." if own.debounce_key else ""

    @classmethod
    def says(cls, story: Story) -> str:
        return "Change delay moves the time of its start."

    @property
    def question(self) -> str:
        return f"When shall {self.own.name} start?"

    @property
    def label(self) -> str:
        return "Set the time"

    @property
    def effects(self) -> list[Effect]:
        own, made = self.own, []
        if own.status == Status.DELAYED and own.wake_at:
            made.append(Effect("delayed", format_html("Now it starts at {}.", moment(own.wake_at)), "delayed"))
        else:
            made.append(Effect("queued", "It is in its queue now, and leaves it until then.", "queued"))
        where = "an executor with room takes it" if own.queue == INTERNAL_QUEUE else f"it joins {own.queue} at the end"
        made.append(Effect("info", f"When the time comes, {where}."))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.set_workflow_delay(self.target, until=given["until"])
        detail["until"] = given["until"].isoformat()
        return f"It starts at {point(given['until'])}."


delay = view_of(Delay)
