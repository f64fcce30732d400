"""Processes that run workflows."""

from rest_framework import serializers

from .fields import Json, Moment


class ExecutorSerializer(serializers.Serializer):
    """One start of one process."""

    id = serializers.CharField()
    label = serializers.CharField()
    hostname = serializers.CharField()
    pid = serializers.IntegerField()
    version = serializers.CharField(allow_null=True)
    living = serializers.BooleanField(help_text="Whether its lease runs, by the database's clock.")
    claims = serializers.BooleanField(help_text="False for a process that only runs its own direct calls.")
    draining = serializers.BooleanField()
    concurrency = serializers.IntegerField()
    running = serializers.IntegerField()
    queues = Json(help_text="The queues it serves; null means all.")
    definitions = Json(help_text="Name to version of each workflow function that it can run.")
    activity = Json(help_text="What has run for over a second, as of the heartbeat.")
    started_at = Moment()
    heartbeat_at = Moment()
    lease_until = Moment()
    stopped_at = Moment(allow_null=True)
