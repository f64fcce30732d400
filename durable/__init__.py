"""Durable workflows for Django.

Names are resolved on first use, so that this package can be imported before Django's app registry is ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "definition": "workflow",
    "steps": "step transaction run_step",
    "queue": "Queue",
    "classes": "workflow_class ConfiguredInstance",
    "roles": "required_roles default_required_roles",
    "debouncing": "Debouncer debounce_by_name adebounce_by_name",
    "concurrency": "reserve_step await_tasks",
    "streams": """write_stream awrite_stream close_stream aclose_stream read_stream aread_stream
        read_stream_entries aread_stream_entries""",
    "versions": """patch apatch deprecate_patch adeprecate_patch list_versions alist_versions latest_version
        alatest_version set_latest_version aset_latest_version move_to_version amove_to_version""",
    "queues": """register_queue aregister_queue retrieve_queue aretrieve_queue list_queues alist_queues
        delete_queue adelete_queue set_queue_limits aset_queue_limits clear_queue_limits aclear_queue_limits
        pause_queue apause_queue resume_queue aresume_queue""",
    "retry": "Retry",
    "handles": "WorkflowHandle",
    "pending": "SetWorkflowID SetWorkflowTimeout SetEnqueueOptions SetWorkflowAttributes SetAuthentication",
    "current": """workflow_id step_id step_status application_version executor_id authenticated_user
        authenticated_roles assumed_role""",
    "serializers": "register",
    "verbs": """sleep asleep send asend send_bulk asend_bulk recv arecv set_event aset_event get_event aget_event
        get_all_events aget_all_events idempotency_key""",
    "starting": """start_workflow astart_workflow enqueue_by_name start_by_name retrieve_workflow aretrieve_workflow
        wait_first await_first gather agather""",
    "forking": """fork_workflow afork_workflow restart_workflow arestart_workflow
        rewind_workflow arewind_workflow""",
    "deleting": "delete_workflow adelete_workflow delete_workflows adelete_workflows",
    "portability": "export_workflow aexport_workflow import_workflow aimport_workflow",
    "retention": "prune aprune cancel_older_than acancel_older_than",
    "schedules": """scheduled create_schedule acreate_schedule apply_schedules aapply_schedules
        list_schedules alist_schedules get_schedule aget_schedule delete_schedule adelete_schedule
        pause_schedule apause_schedule resume_schedule aresume_schedule trigger_schedule atrigger_schedule
        override_schedule aoverride_schedule clear_schedule_override aclear_schedule_override
        backfill_schedule abackfill_schedule next_ticks anext_ticks""",
    "listing": """list_workflows alist_workflows list_queued_workflows alist_queued_workflows
        list_workflow_steps alist_workflow_steps get_workflow aget_workflow""",
    "client": "Client",
    "steering": """cancel_workflow acancel_workflow cancel_workflows acancel_workflows resume_workflow aresume_workflow
        resume_workflows aresume_workflows set_workflow_delay aset_workflow_delay update_workflow_attributes
        aupdate_workflow_attributes""",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
