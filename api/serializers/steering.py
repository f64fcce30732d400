"""What may be said to steer a workflow."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from .fields import MAX_TEXT, Flag, Json, Said, Seconds, Text, Whole

MAX_STEP = 2**31 - 1


class CancelSerializer(Said):
    children = Flag(default=False, help_text="Also all that it started, at any depth.")


class ResumeSerializer(Said):
    queue = Text(required=False, max_length=MAX_TEXT, help_text="Where it waits its turn; none starts it at once.")


class RewindSerializer(Said):
    start_step = Whole(default=1, min_value=1, max_value=MAX_STEP, help_text="The first step that runs again.")
    version = Text(required=False, max_length=MAX_TEXT, help_text="Which version of the code may run it.")
    queue = Text(required=False, max_length=MAX_TEXT, help_text="Where it waits its turn; none starts it at once.")
    partition_key = Text(required=False, max_length=MAX_TEXT, help_text="Needs a queue.")


class RestartSerializer(Said):
    workflow_id = Text(required=False, max_length=MAX_TEXT, help_text="The new id.")
    version = Text(required=False, max_length=MAX_TEXT, help_text="Which version of the code may run it.")
    queue = Text(required=False, max_length=MAX_TEXT, help_text="Where it waits its turn; none starts it at once.")
    partition_key = Text(required=False, max_length=MAX_TEXT, help_text="Needs a queue.")
    timeout = Seconds(required=False, min_value=0, help_text="Seconds from start to completion.")


class Outputs(serializers.DictField):
    """Values by the number of their step."""

    child = Json()

    def to_internal_value(self, data: Any) -> dict[int, Any]:
        values = super().to_internal_value(data)
        if wrong := [seq for seq in values if not (seq.isascii() and seq.isdecimal() and len(seq) < 11)]:
            raise serializers.ValidationError(f"{wrong[0]!r} is no number of a step.")
        return {int(seq): value for seq, value in values.items()}


class ForkSerializer(RestartSerializer):
    start_step = Whole(
        default=1, min_value=1, max_value=MAX_STEP, help_text="The first step that runs again; those before are kept."
    )
    outputs = Outputs(
        required=False, help_text="Plain JSON in place of what kept steps recorded, by the number of the step."
    )
    replacement_children = serializers.DictField(
        child=Text(max_length=MAX_TEXT),
        required=False,
        help_text="Ids of children that kept steps started, to ids of those that take their place.",
    )
