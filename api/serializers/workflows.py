"""Workflows, and what may be said to start one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from durable.models import Workflow
from durable.options import ID_POLICIES, MAX_PRIORITY
from durable.states import PHASES, Status

from .fields import MAX_TEXT, Address, Flag, Json, Moment, Payload, Said, Seconds, Stored, Text, Whole


class WorkflowSerializer(serializers.Serializer):
    """One execution of a workflow function, without its payload."""

    id = serializers.CharField()
    url = Address(route="workflow", help_text="Its address, in which any id is safely written.")
    name = serializers.CharField(help_text="Name of the definition.")
    class_name = serializers.CharField(allow_null=True)
    config_name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField([str(status) for status in Status])
    phase = serializers.SerializerMethodField(help_text="The status with its cause, such as sleeping or backoff.")
    queue = serializers.CharField(source="queue_name", allow_null=True, help_text="Null for a start without a queue.")
    partition_key = serializers.CharField(allow_null=True)
    priority = serializers.IntegerField()
    dedup_id = serializers.CharField(allow_null=True)
    debounce_key = serializers.CharField(allow_null=True, help_text="While another call can still put it off.")
    debounce_deadline = Moment(allow_null=True, help_text="When it starts however often it is put off.")
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
    was_forked_from = serializers.BooleanField(help_text="Whether another one was forked from it.")
    schedule = serializers.CharField(allow_null=True, help_text="Name of the schedule that started it.")
    authenticated_user = serializers.CharField(allow_null=True)
    assumed_role = serializers.CharField(allow_null=True)
    authenticated_roles = Json()
    attributes = Json()
    error_type = serializers.CharField(allow_null=True)

    @extend_schema_field({"type": "string", "enum": list(PHASES)})
    def get_phase(self, workflow: Workflow) -> str:
        return workflow.phase.key


class WorkflowDetailSerializer(WorkflowSerializer):
    """One execution of a workflow function, with its payload for those who may see it."""

    epoch = serializers.IntegerField(help_text="Rises at every change of owner.")
    generation = serializers.IntegerField(help_text="Rises at every rewind.")
    max_recovery_attempts = serializers.IntegerField(allow_null=True, help_text="Null for any number.")
    serialization = serializers.CharField(help_text="Name of the serializer that wrote the payload.")
    traceparent = serializers.CharField(allow_null=True)
    payload = Payload()
    input = Stored(help_text="Its arguments, as args and kwargs.")
    output = Stored()
    error = Stored()
    steps = Address(route="steps")
    step_attempts = Address(route="step-attempts")
    attempts = Address(route="attempts")
    events = Address(route="events")
    messages = Address(route="messages")
    streams = Address(route="streams")


class ReceiptSerializer(serializers.Serializer):
    """What an action left behind."""

    id = serializers.CharField()
    url = serializers.CharField()
    status = serializers.ChoiceField([str(status) for status in Status])
    changed = serializers.BooleanField(help_text="False when there was nothing to do.")


# As a pattern: two fields with the same choices would make the names of their types in the schema ambiguous.
@extend_schema_field({"type": "string", "pattern": f"^({'|'.join(ID_POLICIES)})$"})
class Policy(serializers.ChoiceField):
    """What becomes of a start whose id is taken."""

    def __init__(self, **options: Any):
        super().__init__(ID_POLICIES, **options)


class StartSerializer(Said):
    """Which workflow to start, with what, and how."""

    name = Text(help_text="Name of a registered workflow function.")
    args = serializers.ListField(child=Json(), default=list)
    kwargs = serializers.DictField(child=Json(), default=dict)
    workflow_id = Text(required=False, max_length=MAX_TEXT, help_text="Free text; starting an id again attaches to it.")
    id_policy = Policy(required=False, help_text="Whether an id that is in use attaches (the default) or is refused.")
    queue = Text(required=False, max_length=MAX_TEXT)
    priority = Whole(required=False, min_value=1, max_value=MAX_PRIORITY, help_text="1 goes first. Needs a queue.")
    dedup_id = Text(required=False, max_length=MAX_TEXT, help_text="One live workflow for each queue. Needs a queue.")
    dedup_policy = Policy(required=False, help_text="Whether one that is live attaches or is refused (the default).")
    partition_key = Text(required=False, max_length=MAX_TEXT, help_text="Needs a queue.")
    delay = Seconds(required=False, min_value=0, help_text="Seconds before it joins its queue. Needs a queue.")
    timeout = Seconds(required=False, min_value=0, help_text="Seconds from start to completion.")
    version = Text(required=False, max_length=MAX_TEXT, help_text="Which version of the code may run it.")
    attributes = serializers.DictField(child=Json(), required=False, help_text="To search by.")
    authenticated_user = Text(required=False, max_length=MAX_TEXT, help_text="As whom it runs.")
    authenticated_roles = serializers.ListField(
        child=Text(max_length=MAX_TEXT), required=False, help_text="The roles that it may take on."
    )


class ChangeSerializer(Said):
    """What to change of a workflow."""

    attributes = serializers.DictField(
        child=Json(), required=False, help_text="To search by; these replace all others."
    )
    merge = Flag(default=False, help_text="Add the attributes to those that are there.")
    delay = Seconds(required=False, min_value=0, help_text="Seconds from now until it joins its queue.")
    delay_until = Moment(required=False, help_text="When it joins its queue.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data.keys() & {"attributes", "delay", "delay_until"}:
            raise serializers.ValidationError("Give attributes, delay or delay_until.")
        if {"delay", "delay_until"} <= data.keys():
            raise serializers.ValidationError({"delay_until": ["Give this or delay, one of them."]})
        return data
