"""What a person can do with a workflow now, with what it will do, or why it cannot be done."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from durable.states import Status

from .lanes import next_slot
from .story import Story


@dataclass(frozen=True, slots=True)
class Deed:
    """A button: where it posts, how it looks, and either its effect or the reason why it is off."""

    word: str
    icon: str
    css: str
    action: str
    is_open: bool
    says: str


def deeds_of(story: Story) -> list[Deed]:
    """Resume and cancel, in this order."""
    return [_resume(story), _cancel(story)]


def _resume(story: Story) -> Deed:
    own = story.workflow
    action = reverse("durable_dashboard:resume", args=[own.pk])
    if own.status == Status.DELAYED:
        return Deed("Start now", "resume", "", action, True, "Start now ends the delay; it goes past its queue.")
    if can_resume(own):
        seq = next_slot(slot.seq for slot in story.slots)
        kept = f"; {numbered(seq - 1)} recorded" if seq > 1 else ""
        where = f"at step {seq:,}" if story.is_whole else "after the last recorded step"
        gap = story.coverage.gap(own.queue, own.name)
        return Deed("Resume", "resume", "d-btn-main", action, True,
                    f"Resume goes on {where}{kept}{f', but {gap}' if gap else ''}.")  # fmt: skip
    return Deed("Resume", "resume", "", action, False, _no_resume(own.status))


def can_resume(own: object) -> bool:
    """Whether the engine would take a resume: ended early, or stopped because its code did not fit its journal."""
    status, error = own.status, own.error_type  # type: ignore[attr-defined]
    return status in (Status.CANCELLED, Status.DEAD) or (status == Status.ERROR and error == "NonDeterminism")


def numbered(last: int) -> str:
    return "step 1 stays" if last == 1 else f"steps 1 {'and' if last == 2 else 'to'} {last:,} stay"


def _no_resume(status: str) -> str:
    if status == Status.ERROR:
        return "Its error is recorded: a resume would only raise it again."
    if status == Status.SUCCESS:
        return "It has ended with its result: there is nothing to resume."
    return "It has not ended: there is nothing to resume."


def _cancel(story: Story) -> Deed:
    own = story.workflow
    action = reverse("durable_dashboard:cancel", args=[own.pk])
    if own.is_finished:
        return Deed("Cancel", "cancelled", "", action, False, "It has ended: there is nothing to cancel.")
    if own.executor:
        says = "Cancel takes effect at its next operation; what is recorded stays."
    elif own.started_at is None:
        says = "Cancel ends it before it starts."
    else:
        says = "Cancel ends it now; what is recorded stays."
    return Deed("Cancel", "cancelled", "d-btn-bad", action, True, says)
