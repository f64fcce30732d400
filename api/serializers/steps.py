"""What a workflow has recorded."""

from rest_framework import serializers

from durable.models import Kind

from .fields import Moment, Payload, Stored


class StepSerializer(serializers.Serializer):
    """One recorded operation. It never changes."""

    seq = serializers.IntegerField(help_text="Its slot.")
    name = serializers.CharField()
    kind = serializers.ChoiceField([str(kind) for kind in Kind])
    child = serializers.CharField(allow_null=True, help_text="Id of the workflow that a child or result speaks of.")
    epoch = serializers.IntegerField()
    attempts = serializers.IntegerField()
    started_at = Moment()
    completed_at = Moment()
    payload = Payload()
    output = Stored()
    error = Stored()
