"""Every name that DBOS programs use is there."""

from __future__ import annotations

import inspect

import pytest

from durable.compat import dbos
from durable.compat.dbos import DBOS, DBOSClient

EXPORTS = [
    "DBOS", "DBOSClient", "DBOSConfig", "DBOSConfiguredInstance", "DBOSContextEnsure", "DBOSContextSetAuth",
    "Debouncer", "DebouncerClient", "DuplicationPolicy", "EnqueueOptions", "PortableWorkflowError", "Queue",
    "ScheduleInput", "ClientScheduleInput", "SendMessage", "Serializer", "SetEnqueueOptions",
    "SetWorkflowAttributes", "SetWorkflowID", "SetWorkflowTimeout", "StepInfo", "StepOptions", "VersionInfo",
    "WorkflowHandle", "WorkflowHandleAsync", "WorkflowIDReusePolicy", "WorkflowSchedule",
    "WorkflowSerializationFormat", "WorkflowStatus", "WorkflowStatusString", "error",
]  # fmt: skip
PAIRS = [
    "start_workflow", "enqueue_workflow", "enqueue_workflow_with_options", "retrieve_workflow",
    "get_workflow_status", "get_result", "wait_first", "send", "send_bulk", "recv", "set_event", "get_event",
    "get_all_events", "sleep", "write_stream", "close_stream", "read_stream", "list_workflows",
    "list_queued_workflows", "list_workflow_steps", "cancel_workflow", "cancel_workflows", "resume_workflow",
    "resume_workflows", "delete_workflow", "delete_workflows", "fork_workflow", "restart_workflow",
    "rewind_workflow", "set_workflow_delay", "update_workflow_attributes", "patch", "deprecate_patch",
    "run_step", "register_queue", "retrieve_queue", "list_queues", "delete_queue", "create_schedule",
    "apply_schedules", "list_schedules", "get_schedule", "delete_schedule", "pause_schedule", "resume_schedule",
    "backfill_schedule", "trigger_schedule", "list_application_versions", "get_latest_application_version",
    "set_latest_application_version",
]  # fmt: skip
OF_CLIENTS = set(PAIRS) - {
    "start_workflow", "enqueue_workflow", "enqueue_workflow_with_options", "get_result", "recv", "set_event", "sleep",
    "write_stream", "close_stream", "patch", "deprecate_patch", "run_step",
} | {"enqueue"}  # fmt: skip
ALONE = [
    "workflow", "step", "transaction", "scheduled", "dbos_class", "required_roles", "default_required_roles",
    "launch", "destroy", "reset_system_database", "listen_queues", "logger",
]  # fmt: skip
CONTEXT = [
    "workflow_id", "step_id", "step_status", "application_version", "executor_id", "authenticated_user",
    "authenticated_roles", "assumed_role", "span", "tracer",
]  # fmt: skip


def test_every_name_can_be_imported():
    for name in EXPORTS:
        assert name in dbos.__all__
        assert getattr(dbos, name) is not None


@pytest.mark.parametrize("name", PAIRS)
def test_every_verb_is_a_pair(name):
    assert callable(getattr(DBOS, name)) and callable(getattr(DBOS, f"{name}_async"))
    assert getattr(DBOS, name).__doc__
    assert getattr(DBOS, f"{name}_async").__name__ == f"{name}_async"


@pytest.mark.parametrize("name", sorted(OF_CLIENTS))
def test_every_verb_of_a_client_is_a_pair(name):
    assert callable(getattr(DBOSClient, name)) and callable(getattr(DBOSClient, f"{name}_async"))


@pytest.mark.parametrize("name", ALONE)
def test_the_other_names_are_there(name):
    assert getattr(DBOS, name) is not None


@pytest.mark.parametrize("name", CONTEXT)
def test_the_context_is_read_from_the_class_and_from_its_instance(dbos, name):
    instance = DBOS()
    assert getattr(DBOS, name) == getattr(instance, name) or name in ("span", "tracer")


SIGNATURES = {
    "set_event": "key value", "get_event": "workflow_id key timeout_seconds=60", "get_all_events": "workflow_id",
    "send": "destination_id message topic=None", "recv": "topic=None timeout_seconds=60", "sleep": "seconds",
    "write_stream": "key value", "close_stream": "key", "read_stream": "workflow_id key",
    "step": "retries_allowed=False interval_seconds=1.0 max_attempts=3 backoff_rate=2.0",
    "cancel_workflow": "workflow_id", "resume_workflow": "workflow_id", "list_workflow_steps": "workflow_id",
    "fork_workflow": "workflow_id start_step=1 application_version=None",
    "workflow": "max_recovery_attempts=100", "transaction": "isolation_level='SERIALIZABLE'", "scheduled": "cron",
    "destroy": "destroy_registry=False workflow_completion_timeout_sec=0",
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_verb_has_the_arguments_and_defaults_of_the_documents(name):
    parameters = inspect.signature(getattr(DBOS, name)).parameters
    for word in SIGNATURES[name].split():
        argument, _, default = word.partition("=")
        wanted = inspect.Parameter.empty if not default else eval(default)
        assert parameters[argument].default == wanted


def test_debouncers_have_the_arguments_of_the_documents():
    create = inspect.signature(dbos.Debouncer.create).parameters
    assert list(create) == list(inspect.signature(dbos.Debouncer.create_async).parameters)
    assert list(create)[:3] == ["workflow", "debounce_timeout_sec", "queue"]
    debounce = inspect.signature(dbos.Debouncer.debounce).parameters
    assert list(debounce) == list(inspect.signature(dbos.Debouncer.debounce_async).parameters)
    assert list(debounce) == ["self", "debounce_key", "debounce_period_sec", "args", "kwargs"]


def test_decorated_functions_are_functions(database):
    @DBOS.workflow()
    async def coroutine_workflow(a: int, b: str = "x") -> int:
        """Its words."""
        return a

    @DBOS.step()
    def plain_step(a: int) -> int:
        return a

    assert inspect.isfunction(coroutine_workflow) and inspect.iscoroutinefunction(coroutine_workflow)
    assert inspect.isfunction(plain_step) and not inspect.iscoroutinefunction(plain_step)
    assert list(inspect.signature(coroutine_workflow).parameters) == ["a", "b"]
    assert coroutine_workflow.__doc__ == "Its words."
    assert plain_step(3) == 3
