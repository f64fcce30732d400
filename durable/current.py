"""Where the calling code stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import roles
from .conf import conf
from .context import scope
from .executor import living
from .registry import registry


@dataclass(frozen=True)
class StepStatus:
    """The attempt of a step that runs now. `current_attempt` counts from 1."""

    step_id: int
    current_attempt: int
    max_attempts: int


def workflow_id() -> str | None:
    """The id of the workflow that the calling code belongs to, or None outside one."""
    place = scope.get()
    return place.workflow_id if place is not None else None


def step_id() -> int | None:
    """The slot of the step that is running, or None outside a step."""
    status = step_status()
    return status.step_id if status else None


def step_status() -> StepStatus | None:
    """The slot and attempt of the step that is running, or None outside a step."""
    place = scope.get()
    if place is None or place.place not in ("step", "transaction"):
        return None
    frame = place.frame
    return StepStatus(frame.seq, frame.attempt, frame.max_attempts)


def application_version() -> str:
    """The version of the code in this process: the setting `APPLICATION_VERSION`, or a hash of all workflows."""
    return conf().APPLICATION_VERSION or registry.version()


def executor_id() -> str | None:
    """The id of the executor that runs the calling code, or of this process's own; None when it has none."""
    place = scope.get()
    if place is not None:
        return place.executor_id
    own = living.any_of_this_process()
    return own.id if own is not None else None


def authenticated_user() -> str | None:
    """On whose behalf the calling workflow runs, or the enclosing `SetAuthentication` says; None when nobody said."""
    return roles.who()[0]


def authenticated_roles() -> list[str] | None:
    """The roles that this user may take on; None when nobody said."""
    return roles.who()[1]


def assumed_role() -> str | None:
    """The role that the calling workflow took on because `required_roles` asked for it."""
    run = _run()
    if run is None:
        return None
    return run.claimed.assumed_role or roles.assumed_role(run.definition.fn, run.claimed.authenticated_roles)


def _run() -> Any | None:
    place = scope.get()
    if place is None:
        return None
    return place if place.place == "workflow" else place.run
