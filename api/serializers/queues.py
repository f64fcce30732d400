"""Queues: their limits, and what is in them."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from durable.models import Queue
from durable.states import LIVE

from ..links import link
from .fields import Json, Moment

COUNTS = {str(status): {"type": "integer"} for status in sorted(LIVE)}


class QueueSerializer(serializers.Serializer):
    """A queue, with its limits in force; null means no limit."""

    name = serializers.CharField()
    url = serializers.SerializerMethodField()
    paused = serializers.BooleanField()
    concurrency = serializers.IntegerField(allow_null=True, help_text="At most this many in all.")
    worker_concurrency = serializers.IntegerField(allow_null=True, help_text="At most this many in one executor.")
    rate_limit = serializers.IntegerField(allow_null=True, help_text="At most this many starts within rate_period.")
    rate_period = serializers.FloatField(allow_null=True, help_text="Seconds.")
    max_tasks_per_iteration = serializers.IntegerField(allow_null=True)
    priority_enabled = serializers.BooleanField()
    partitioned = serializers.BooleanField()
    declared = Json(help_text="What the code says.")
    override = Json(help_text="What an operator set instead.")
    created_at = Moment()
    updated_at = Moment()

    @extend_schema_field(OpenApiTypes.STR)
    def get_url(self, queue: Queue) -> str:
        return link(self.context["request"], "queue", id=queue.name)


class QueueDetailSerializer(QueueSerializer):
    """A queue, and how many workflows in it have not ended."""

    live = serializers.SerializerMethodField(help_text="How many of its workflows have each status.")

    @extend_schema_field({"type": "object", "properties": COUNTS, "required": list(COUNTS)})
    def get_live(self, queue: Queue) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0) | self.context["counts"]
