"""Schedules: what they start, and when."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

import durable
from durable.errors import InvalidOption
from durable.models import CatchUp, Schedule

from .fields import MAX_TEXT, Address, Flag, Json, Moment, Payload, Said, Stored, Text

CATCH_UP = [str(choice) for choice in CatchUp]


class NextTick(Moment):
    """When a schedule ticks next."""

    def __init__(self, **options: Any):
        super().__init__(source="*", read_only=True, allow_null=True, **options)

    def to_representation(self, value: Schedule) -> str | None:
        if value.paused:
            return None
        try:
            ticks = durable.next_ticks(value, 1)
        except InvalidOption:  # terms that another release accepted
            return None
        return super().to_representation(ticks[0]) if ticks else None


class ScheduleSerializer(serializers.Serializer):
    """A schedule, with its terms in force."""

    name = serializers.CharField()
    url = Address(route="schedule", help_text="Its address, in which any name is safely written.")
    workflow = serializers.CharField(help_text="Name of the workflow function that it starts.")
    cron = serializers.CharField(help_text="Five fields, or six with seconds first.")
    timezone = serializers.CharField()
    catch_up = serializers.ChoiceField(CATCH_UP, help_text="What becomes of ticks that nobody could fire.")
    queue = serializers.CharField(allow_null=True)
    paused = serializers.BooleanField()
    last_at = Moment(help_text="The tick up to which all is decided.")
    next_at = NextTick(help_text="Its next tick; null while it is paused, or if none comes.")
    declared = Json(help_text="What the code says, or what it was created with.")
    override = Json(help_text="What an operator set instead.")
    created_at = Moment()
    updated_at = Moment()
    payload = Payload()
    context = Stored(help_text="What the workflow is given with the tick.")


class NewScheduleSerializer(Said):
    """A schedule to create."""

    name = Text(max_length=200)
    workflow = Text(max_length=MAX_TEXT, help_text="Name of the workflow function, which takes a tick and the context.")
    cron = Text(max_length=MAX_TEXT, help_text="Five fields, or six with seconds first.")
    timezone = Text(required=False, max_length=MAX_TEXT, help_text="IANA name; default UTC.")
    catch_up = serializers.ChoiceField(CATCH_UP, required=False, help_text="Default newest.")
    queue = Text(required=False, allow_null=True, max_length=MAX_TEXT)
    context = Json(required=False, help_text="Any JSON, given to the workflow with the tick.")


class TermsSerializer(Said):
    """Terms to put in force; what is left out stays as it is."""

    workflow = Text(required=False, max_length=MAX_TEXT)
    cron = Text(required=False, max_length=MAX_TEXT)
    timezone = Text(required=False, max_length=MAX_TEXT)
    catch_up = serializers.ChoiceField(CATCH_UP, required=False)
    queue = Text(required=False, allow_null=True, max_length=MAX_TEXT)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data:
            raise serializers.ValidationError(f"Give one or more of {', '.join(self.fields)}.")
        return data


class TicksSerializer(serializers.Serializer):
    """When a schedule ticks next, were it not paused."""

    ticks = serializers.ListField(child=serializers.DateTimeField())


class BackfillSerializer(Said):
    """From when to when."""

    start = Moment(help_text="Inclusive; a time without a zone is UTC.")
    end = Moment(help_text="Exclusive.")
    dry_run = Flag(default=False, help_text="Say what would be started, and start nothing.")


class BackfillReportSerializer(serializers.Serializer):
    """What a backfill started, or would."""

    dry_run = serializers.BooleanField()
    count = serializers.IntegerField(help_text="How many ticks there are.")
    new = serializers.IntegerField(help_text="For how many of them no workflow was there before.")
    ids = serializers.ListField(child=serializers.CharField(), help_text="Workflows of the first 100.")
