"""Resume one workflow."""

from __future__ import annotations

from typing import Any

from django import forms

import durable
from durable.models import INTERNAL_QUEUE, Step
from durable.states import Status

from ...lanes import next_slot
from ...story import WHOLE, Story
from ..action import Effect, Reasoned, view_of
from .base import WorkflowAction, is_stopped


class ResumeForm(Reasoned):
    queue = forms.ChoiceField(
        required=False,
        label="Queue",
        help_text="In a queue it waits for its turn and keeps the limits; without, it goes past them.",
    )


class Resume(WorkflowAction):
    """Let it go on after its last recorded step, or say why it cannot."""

    route = verb = "resume"
    word, icon = "Resume", "resume"
    form_class = ResumeForm

    @staticmethod
    def why_not(own: Any) -> str:
        if own.status == Status.ENQUEUED and own.queue == INTERNAL_QUEUE:
            return "It waits for an executor with room: no queue and no delay holds it back."
        if is_stopped(own) or own.status in (Status.ENQUEUED, Status.DELAYED):
            return ""
        if own.status == Status.ERROR:
            return "Its error is recorded: a resume would only raise it again. Fork or rewind it to before that step."
        if own.status == Status.SUCCESS:
            return "It has ended with its result: there is nothing to resume."
        return "It has not ended: there is nothing to resume."

    @classmethod
    def word_for(cls, own: Any) -> str:
        return "Start now" if own.status in (Status.ENQUEUED, Status.DELAYED) else cls.word

    @classmethod
    def says(cls, story: Story) -> str:
        own = story.workflow
        if not is_stopped(own):
            ends = "ends the delay; it goes" if own.status == Status.DELAYED else "takes it out of its queue; it goes"
            return f"Start now {ends} past the limits."
        seq = next_slot(slot.seq for slot in story.slots)
        kept = f"; {numbered(seq - 1)} recorded" if seq > 1 else ""
        where = f"at step {seq:,}" if story.is_whole else "after the last recorded step"
        gap = story.coverage.gap(own.queue, own.name, own.version)
        return f"Resume goes on {where}{kept}{f', but {gap}' if gap else ''}."

    @property
    def effects(self) -> list[Effect]:
        if not is_stopped(self.own):
            words = "It starts as soon as an executor has room, before its time and past the limits of its queue."
            return [Effect("resume", words), *self.gap]
        return [
            *self.kept, Effect("time", "Its timeout counts from the beginning again, its crashes from none."), *self.gap
        ]  # fmt: skip

    @property
    def kept(self) -> list[Effect]:
        rows = Step.objects.using(self.alias).filter(workflow=self.target).order_by("seq").values_list("seq", flat=True)
        recorded = list(rows[: WHOLE + 1])
        if len(recorded) > WHOLE:
            return [Effect("success", "What is recorded stays and does not run again; it goes on behind it.")]
        seq = next_slot(recorded)
        go_on = Effect("resume", f"It goes on at step {seq:,}.")
        stays = f"{numbered(seq - 1)} recorded and will not run again."
        return [Effect("success", stays[0].upper() + stays[1:]), go_on] if seq > 1 else [go_on]

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        form.fields["queue"].choices = self.queues
        return form

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        queue = given["queue"] or None
        if queue:
            detail["queue"] = queue
        handle = durable.resume_workflow(self.target, queue=queue)
        # What an executor took in the meantime is left as it is.
        detail["changed"] = handle.get_status().status == Status.ENQUEUED
        if not detail["changed"]:
            return "It runs or has succeeded by now, so there was nothing to resume."
        if queue:
            return f"Resumed. It waits in {queue} and goes on after its last recorded step."
        return "Resumed. It goes on after its last recorded step as soon as an executor takes it."


def numbered(last: int) -> str:
    return "step 1 stays" if last == 1 else f"steps 1 {'and' if last == 2 else 'to'} {last:,} stay"


resume = view_of(Resume)
