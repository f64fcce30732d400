"""What a workflow has published."""

from rest_framework import serializers

from .fields import Moment, Payload, Stored


class EventSerializer(serializers.Serializer):
    """One value of a key. The one with the highest seq is in force."""

    key = serializers.CharField()
    seq = serializers.IntegerField(help_text="The slot that set it.")
    created_at = Moment()
    payload = Payload()
    value = Stored()
