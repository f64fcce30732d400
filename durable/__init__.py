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
    "retry": "Retry",
    "handles": "WorkflowHandle",
    "pending": "SetWorkflowID",
    "current": "workflow_id step_id step_status",
    "serializers": "register",
    "verbs": """sleep asleep send asend send_bulk asend_bulk recv arecv set_event aset_event get_event aget_event
        get_all_events aget_all_events idempotency_key""",
    "client": """start_workflow astart_workflow enqueue_by_name start_by_name retrieve_workflow aretrieve_workflow
        wait_first await_first gather agather cancel_workflow acancel_workflow resume_workflow aresume_workflow""",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
