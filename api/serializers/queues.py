"""Queues: their limits, and what is in them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from durable.models import Queue
from durable.states import LIVE

from .fields import MAX_TEXT, Address, Flag, Json, Moment, Said, Seconds, Text, Whole

COUNTS = {str(status): {"type": "integer"} for status in sorted(LIVE)}
MOST = 2**31 - 1


class QueueSerializer(serializers.Serializer):
    """A queue, with its limits in force; null means no limit."""

    name = serializers.CharField()
    url = Address(route="queue", help_text="Its address, in which any name is safely written.")
    paused = serializers.BooleanField()
    concurrency = serializers.IntegerField(allow_null=True, help_text="At most this many in all.")
    worker_concurrency = serializers.IntegerField(allow_null=True, help_text="At most this many in one executor.")
    rate_limit = serializers.IntegerField(allow_null=True, help_text="At most this many starts within rate_period.")
    rate_period = serializers.FloatField(allow_null=True, help_text="Seconds.")
    max_tasks_per_iteration = serializers.IntegerField(allow_null=True, help_text="At most this many by one claim.")
    priority_enabled = serializers.BooleanField()
    partitioned = serializers.BooleanField()
    partition_concurrency = serializers.IntegerField(allow_null=True, help_text="At most this many of one partition.")
    partition_worker_concurrency = serializers.IntegerField(allow_null=True, help_text="The same, in one executor.")
    partition_rate_limit = serializers.IntegerField(allow_null=True, help_text="At most this many of one partition.")
    partition_rate_period = serializers.FloatField(allow_null=True, help_text="Seconds.")
    declared = Json(help_text="What the code says.")
    override = Json(help_text="What an operator set instead.")
    created_at = Moment()
    updated_at = Moment()


class QueueDetailSerializer(QueueSerializer):
    """A queue, and how many workflows in it have not ended."""

    live = serializers.SerializerMethodField(help_text="How many of its workflows have each status.")

    @extend_schema_field({"type": "object", "properties": COUNTS, "required": list(COUNTS)})
    def get_live(self, queue: Queue) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0) | self.context["counts"]


class LimiterSerializer(Said):
    """At most so many starts within any such period."""

    limit = Whole(min_value=1, max_value=MOST)
    period = Seconds(min_value=0, help_text="Seconds, more than 0.")


def limit(help_text: str) -> Whole:
    return Whole(required=False, allow_null=True, min_value=1, max_value=MOST, help_text=help_text)


class LimitsSerializer(Said):
    """Limits; null means none, and what is left out stays as it is."""

    concurrency = limit("At most this many in all.")
    worker_concurrency = limit("At most this many in one executor.")
    limiter = LimiterSerializer(required=False, allow_null=True)
    max_tasks_per_iteration = limit("At most this many by one claim.")
    partition_concurrency = limit("At most this many of one partition in all.")
    partition_worker_concurrency = limit("At most this many of one partition in one executor.")
    partition_limiter = LimiterSerializer(required=False, allow_null=True)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data:
            raise serializers.ValidationError(f"Give one or more of {', '.join(self.fields)}.")
        return data


class NewQueueSerializer(LimitsSerializer):
    """A queue to create."""

    name = Text(max_length=MAX_TEXT)
    partition_queue = Flag(default=False, help_text="What is said for the queue holds for each partition instead.")
    priority_enabled = Flag(default=True)
