"""Where the calling code stands."""

from __future__ import annotations

from dataclasses import dataclass

from .context import scope


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
