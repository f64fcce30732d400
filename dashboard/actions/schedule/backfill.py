"""Start what one schedule would have started in a time that is past."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

import durable
from durable.errors import DurableError, InvalidOption
from durable.filters.reading import read_time
from durable.models import Workflow

from ...wording import plural
from ..action import Effect, Reasoned, view_of
from .base import ScheduleAction

CHUNK = 500
SAMPLE = 5
HOW = 'a time such as "2026-11-20 14:32", or how long ago, such as "24h" or "7d"'


class MomentField(forms.CharField):
    """A time as text; its clean value is exact, so that "24h" means the same in the preview and when it is done."""

    def clean(self, value: Any) -> datetime:
        text = super().clean(value)
        try:
            return timezone.now() if text.lower() == "now" else read_time("time", text)
        except InvalidOption:
            raise ValidationError(f"Write {HOW}.") from None


class Times(forms.Form):
    """From when to when."""

    start = MomentField(max_length=60, label="From")
    end = MomentField(max_length=60, label="To, exclusive")


class BackfillForm(Reasoned):
    start = MomentField(max_length=60, widget=forms.HiddenInput)
    end = MomentField(max_length=60, widget=forms.HiddenInput)


class Backfill(ScheduleAction):
    """Start a workflow for every tick of a past time: first it says which, then it does."""

    verb = "backfill"
    word, icon = "Start them", "resume"
    stay = "Start nothing"
    form_class = BackfillForm
    template = "durable/backfill.html"

    @property
    def question(self) -> str:
        return f"Backfill schedule {self.target}"

    @property
    def zone(self) -> str:
        """The zone in which times are read that name none."""
        return timezone.get_current_timezone_name()

    @cached_property
    def times(self) -> Times:
        """What the address asks for, not bound when it asks for nothing."""
        asked = "start" in self.request.GET or "end" in self.request.GET
        data, usual = self.request.GET if asked else None, {"start": "24h", "end": "now"}
        return Times(data, label_suffix="", initial=usual, auto_id="from_to_%s")

    @property
    def checked(self) -> Times:
        """The same with what the preview found wrong with it."""
        _ = self.preview
        return self.times

    @property
    def initial(self) -> dict[str, Any]:
        if not self.times.is_bound or not self.times.is_valid():
            return {}
        return {name: moment.isoformat() for name, moment in self.times.cleaned_data.items()}

    @cached_property
    def preview(self) -> list[str]:
        """The ids of what would be started, in order."""
        if not self.times.is_bound or not self.times.is_valid():
            return []
        chosen = self.times.cleaned_data
        try:
            return [
                handle.workflow_id
                for handle in durable.backfill_schedule(self.target, chosen["start"], chosen["end"], dry_run=True)
            ]
        except DurableError as error:
            option = getattr(error, "option", None)
            self.times.add_error(option if option in self.times.fields else None, ValidationError(str(error)))
            return []

    @property
    def is_asked(self) -> bool:
        """Whether there is a preview to confirm."""
        return self.request.method == "POST" or bool(self.times.is_bound and self.preview)

    @property
    def is_empty(self) -> bool:
        return self.times.is_bound and not self.preview and not self.times.errors

    @cached_property
    def there(self) -> int:
        """How many of them exist already."""
        rows = Workflow.objects.using(self.alias)
        ids = self.preview
        chunks = (ids[place : place + CHUNK] for place in range(0, len(ids), CHUNK))
        return sum(rows.filter(pk__in=chunk).count() for chunk in chunks)

    @property
    def sample(self) -> list[str]:
        """Some of the ids: the first, and the last."""
        ids = self.preview
        return ids if len(ids) <= 2 * SAMPLE else [*ids[:SAMPLE], "", *ids[-SAMPLE:]]

    @property
    def effects(self) -> list[Effect]:
        if self.request.method == "POST":
            return []
        new = len(self.preview) - self.there
        made = [Effect("plus", f"{plural(new, 'workflow')} of {self.clock.row.workflow} will be started.")]
        if self.there:
            words = plural(self.there, "tick was fired or backfilled before, and keeps",
                           "ticks were fired or backfilled before, and keep")  # fmt: skip
            made.append(Effect("info", f"{words} what it started then."))
        return [*made, *self.gap]

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        start, end = given["start"], given["end"]
        handles = durable.backfill_schedule(self.target, start, end)
        detail |= {"start": start.isoformat(), "end": end.isoformat(), "ticks": len(handles)}
        detail["changed"] = bool(handles)
        if not handles:
            return "There is no tick in that time, so nothing was started."
        return f"Backfilled {plural(len(handles), 'tick')}; those that were there keep what they had."


backfill = view_of(Backfill)
