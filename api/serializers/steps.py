"""What a workflow has recorded."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from durable.models import Kind, Step

from .fields import Moment, Payload, Stored


class StepAttemptSerializer(serializers.Serializer):
    """One failed try of a step."""

    seq = serializers.IntegerField(help_text="The step's slot.")
    n = serializers.IntegerField(help_text="Counted from 1.")
    name = serializers.CharField()
    started_at = Moment()
    ended_at = Moment()
    payload = Payload()
    error = Stored()


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
    failed_attempts = serializers.SerializerMethodField(help_text="Its tries that failed, in order.")

    @extend_schema_field(StepAttemptSerializer(many=True))
    def get_failed_attempts(self, step: Step) -> Any:
        failed = self.context["failed"].get(step.seq, [])
        return StepAttemptSerializer(failed, many=True, context=self.context).data
