"""Runs of a workflow that did not simply succeed."""

from rest_framework import serializers

from durable.models import Attempt

from .fields import Moment


class AttemptSerializer(serializers.Serializer):
    """One ownership of a workflow that ended before the workflow did, or with its failure."""

    epoch = serializers.IntegerField(help_text="The epoch that ended.")
    executor = serializers.CharField(allow_null=True)
    started_at = Moment(allow_null=True)
    ended_at = Moment()
    outcome = serializers.ChoiceField([str(outcome) for outcome in Attempt.Outcome])
    detail = serializers.CharField()
