"""Workflows, and what may be said to start one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from durable.models import Workflow
from durable.options import MAX_PRIORITY
from durable.states import PHASES, Status

from ..links import link
from .fields import Json, Moment, Payload, Seconds, Stored, Text, Whole


class WorkflowSerializer(serializers.Serializer):
    """One execution of a workflow function, without its payload."""

    id = serializers.CharField()
    url = serializers.SerializerMethodField(help_text="Its address, in which any id is safely written.")
    name = serializers.CharField(help_text="Name of the definition.")
    class_name = serializers.CharField(allow_null=True)
    config_name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField([str(status) for status in Status])
    phase = serializers.SerializerMethodField(help_text="The status with its cause, such as sleeping or backoff.")
    queue = serializers.CharField(source="queue_name", allow_null=True, help_text="Null for a start without a queue.")
    partition_key = serializers.CharField(allow_null=True)
    priority = serializers.IntegerField()
    dedup_id = serializers.CharField(allow_null=True)
    executor = serializers.CharField(allow_null=True, help_text="Id of the executor that holds it, or held it last.")
    waiting_for = serializers.CharField(allow_null=True)
    run_after = Moment(allow_null=True, help_text="Ready or running since.")
    wake_at = Moment(allow_null=True, help_text="Parked or delayed until.")
    version = serializers.CharField(allow_null=True)
    application = serializers.CharField(allow_null=True)
    created_at = Moment()
    started_at = Moment(allow_null=True)
    completed_at = Moment(allow_null=True)
    updated_at = Moment()
    timeout = serializers.FloatField(allow_null=True, help_text="Seconds from start to completion.")
    deadline = Moment(allow_null=True)
    recovery_attempts = serializers.IntegerField(help_text="Crashes of an executor that held it.")
    parent = serializers.CharField(allow_null=True)
    forked_from = serializers.CharField(allow_null=True)
    authenticated_user = serializers.CharField(allow_null=True)
    assumed_role = serializers.CharField(allow_null=True)
    authenticated_roles = Json()
    attributes = Json()
    error_type = serializers.CharField(allow_null=True)

    @extend_schema_field(OpenApiTypes.STR)
    def get_url(self, workflow: Workflow) -> str:
        return link(self.context["request"], "workflow", id=workflow.id)

    @extend_schema_field({"type": "string", "enum": list(PHASES)})
    def get_phase(self, workflow: Workflow) -> str:
        return workflow.phase.key


class WorkflowDetailSerializer(WorkflowSerializer):
    """One execution of a workflow function, with its payload for those who may see it."""

    epoch = serializers.IntegerField(help_text="Rises at every change of owner.")
    serialization = serializers.CharField(help_text="Name of the serializer that wrote the payload.")
    traceparent = serializers.CharField(allow_null=True)
    payload = Payload()
    input = Stored(help_text="Its arguments, as args and kwargs.")
    output = Stored()
    error = Stored()
    steps = serializers.SerializerMethodField(help_text="Address of its steps.")
    events = serializers.SerializerMethodField(help_text="Address of its events.")

    @extend_schema_field(OpenApiTypes.STR)
    def get_steps(self, workflow: Workflow) -> str:
        return link(self.context["request"], "steps", id=workflow.id)

    @extend_schema_field(OpenApiTypes.STR)
    def get_events(self, workflow: Workflow) -> str:
        return link(self.context["request"], "events", id=workflow.id)


class ReceiptSerializer(serializers.Serializer):
    """What an action left behind."""

    id = serializers.CharField()
    url = serializers.CharField()
    status = serializers.ChoiceField([str(status) for status in Status])
    changed = serializers.BooleanField(help_text="False when there was nothing to do.")


class StartSerializer(serializers.Serializer):
    """Which workflow to start, with what, and how."""

    name = Text(help_text="Name of a registered workflow function.")
    args = serializers.ListField(child=Json(), default=list)
    kwargs = serializers.DictField(child=Json(), default=dict)
    workflow_id = Text(required=False, max_length=1024, help_text="Free text; starting an id again attaches to it.")
    queue = Text(required=False, max_length=1024)
    priority = Whole(required=False, min_value=1, max_value=MAX_PRIORITY, help_text="1 goes first. Needs a queue.")
    dedup_id = Text(required=False, max_length=1024, help_text="One live workflow for each queue. Needs a queue.")
    partition_key = Text(required=False, max_length=1024, help_text="Needs a queue.")
    delay = Seconds(required=False, min_value=0, help_text="Seconds before it joins its queue. Needs a queue.")
    timeout = Seconds(required=False, min_value=0, help_text="Seconds from start to completion.")
    attributes = serializers.DictField(child=Json(), required=False, help_text="To search by.")

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields)
            raise serializers.ValidationError({name: [f"Unknown. Known are {known}."] for name in unknown})
        return super().to_internal_value(data)
