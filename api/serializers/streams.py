"""Streams of a workflow."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from durable.models import StreamEntry

from ..links import link
from .fields import Moment, Payload, Stored


class StreamSerializer(serializers.Serializer):
    """A stream of a workflow, by its first entry."""

    key = serializers.CharField()
    entries = serializers.SerializerMethodField(help_text="How many values it holds.")
    closed = serializers.BooleanField(help_text="Whether the workflow closed it. The workflow's end closes it too.")
    first_at = Moment(source="created_at", help_text="When its first value was written.")
    last_at = Moment(help_text="When it was last written to.")
    url = serializers.SerializerMethodField(help_text="Address of its values.")
    live = serializers.SerializerMethodField(help_text="Address at which they come as they are written.")

    @extend_schema_field(OpenApiTypes.INT)
    def get_entries(self, entry: StreamEntry) -> int:
        return entry.last_offset + (0 if entry.closed else 1)

    @extend_schema_field(OpenApiTypes.STR)
    def get_url(self, entry: StreamEntry) -> str:
        return link(self.context["request"], "stream", id=entry.workflow_id, key=entry.key)

    @extend_schema_field(OpenApiTypes.STR)
    def get_live(self, entry: StreamEntry) -> str:
        return link(self.context["request"], "live-stream", id=entry.workflow_id, key=entry.key)


class StreamEntrySerializer(serializers.Serializer):
    """One value of a stream."""

    offset = serializers.IntegerField(help_text="Its place, counted from 0.")
    seq = serializers.IntegerField(help_text="The slot that wrote it.")
    created_at = Moment()
    payload = Payload()
    value = Stored()


class StreamPartSerializer(serializers.Serializer):
    """Values of a stream from an offset on."""

    results = StreamEntrySerializer(many=True)
    offset = serializers.IntegerField(help_text="Where the next page begins.")
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, or null when it would be empty.")
    closed = serializers.BooleanField(
        help_text="Whether nothing more can come: it is closed, or its workflow has ended. If not, ask again later."
    )
