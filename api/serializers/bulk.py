"""Acting on many workflows at once."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ..pagination import MAX_LIMIT
from .fields import MAX_TEXT, Flag, Json, Said, Text, Whole
from .steering import MAX_STEP

ACTIONS = ("cancel", "resume", "restart", "rewind", "delete")
OPTIONS = {
    "children": ("cancel", "delete"),
    "queue": ("resume", "restart", "rewind"),
    "version": ("restart", "rewind"),
    "start_step": ("rewind",),
}
"""Which options mean something to which actions."""


class ChosenSerializer(Said):
    """Which workflows are meant: those with these ids, or those that a filter finds."""

    ids = serializers.ListField(
        child=Text(max_length=MAX_TEXT),
        required=False,
        allow_empty=False,
        max_length=MAX_LIMIT,
        help_text="All must exist.",
    )
    filter = serializers.DictField(
        child=Json(),
        required=False,
        allow_empty=False,
        help_text="The parameters of the list of workflows, each with one value or a list of them.",
    )
    dry_run = Flag(default=False, help_text="Say which workflows are meant, and change nothing.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in data) == ("filter" in data):
            raise serializers.ValidationError("Give ids or a filter, one of them.")
        if len(set(data.get("ids", ()))) < len(data.get("ids", ())):
            raise serializers.ValidationError({"ids": ["One of them is given twice."]})
        return data


class BulkSerializer(ChosenSerializer):
    """What to do with which workflows."""

    action = serializers.ChoiceField(ACTIONS)
    children = Flag(required=False, help_text="cancel, delete: also all that they started, at any depth.")
    queue = Text(required=False, max_length=MAX_TEXT, help_text="resume, restart, rewind: where they wait their turn.")
    version = Text(required=False, max_length=MAX_TEXT, help_text="restart, rewind: which version may run them.")
    start_step = Whole(required=False, min_value=1, max_value=MAX_STEP, help_text="rewind: the first that runs again.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        super().validate(data)
        for option in OPTIONS.keys() & data.keys():
            if data["action"] not in OPTIONS[option]:
                raise serializers.ValidationError({option: [f"It means nothing to {data['action']}."]})
        return data


class BulkResultSerializer(serializers.Serializer):
    """What became of one workflow."""

    id = serializers.CharField()
    workflow = serializers.CharField(help_text="The id under which it goes on: a new one after a restart.")
    changed = serializers.BooleanField(help_text="False when there was nothing to do, or it could not be done.")
    problem = serializers.CharField(allow_null=True, help_text="Why it could not be done.")


class BulkReportSerializer(serializers.Serializer):
    """What became of a page of workflows, newest first."""

    dry_run = serializers.BooleanField()
    count = serializers.IntegerField(help_text="How many workflows were meant in all; counting stops at 10,000.")
    changed = serializers.IntegerField(help_text="How many of this page were changed.")
    results = BulkResultSerializer(many=True)
    cursor = serializers.CharField(allow_null=True, help_text="Where the next page begins, or null after the last one.")
