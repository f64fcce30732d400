"""Messages to a workflow."""

from __future__ import annotations

from rest_framework import serializers

from .fields import MAX_TEXT, Json, Moment, Payload, Said, Stored, Text


class Topic(serializers.CharField):
    """A mailbox; the one without a topic is stored as no text."""

    def to_representation(self, value: str) -> str | None:
        return value or None


class MessageSerializer(serializers.Serializer):
    """A message in a workflow's mailbox."""

    id = serializers.IntegerField(help_text="Rises in the order of arrival.")
    topic = Topic(allow_null=True, help_text="Null for the mailbox without a topic.")
    key = serializers.CharField(help_text="Its idempotency key: a second one with the key is dropped.")
    sender = serializers.CharField(allow_null=True, help_text="Id of the workflow that sent it, if one did.")
    created_at = Moment()
    consumed_seq = serializers.IntegerField(
        allow_null=True, help_text="The slot that received it; null while it waits."
    )
    payload = Payload()
    message = Stored(source="body")


class SendSerializer(Said):
    """What to send, and to which mailbox."""

    message = Json(help_text="Any JSON.")
    topic = Text(required=False, allow_null=True, max_length=MAX_TEXT, help_text="None is the mailbox without a topic.")
