"""What a fork and a rewind have in common: they begin at a step, and say which are kept and which run again."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms

from durable.models import Queue, Step
from durable.states import Status

from ...asked import SLOT, Asked
from ...cut import Cut
from ...wording import plural
from ..action import Effect, Reasoned
from .base import WorkflowAction

SAME = "the version it has"


class AgainForm(Reasoned):
    """How it runs again."""

    start_step = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=999_999_999)
    version = forms.ChoiceField(
        required=False, label="Version", help_text="Its journal guards the change: an operation that differs stops it."
    )
    queue = forms.ChoiceField(required=False, label="Queue")
    partition_key = forms.CharField(
        required=False, max_length=1024, label="Partition", help_text="Only for a queue with partitions."
    )


class FromStep(WorkflowAction):
    """An action that runs a workflow again from the step that the address names as `step`, from 1 if it names none."""

    template = "durable/from_step.html"
    form_class = AgainForm

    @cached_property
    def cut(self) -> Cut:
        asked = self.request.POST.get("start_step") or self.request.GET.get("step", "")
        outer = asked.partition(".")[0]
        return Cut(self.alias, self.own, max(int(outer), 1) if SLOT.fullmatch(outer) else self.likely)

    @property
    def likely(self) -> int:
        """The step that somebody most likely means who names none: the one whose failure ended it, else the first."""
        if self.own.status != Status.ERROR:
            return 1
        failed = Step.objects.using(self.alias).filter(workflow=self.target, error__isnull=False)
        return failed.order_by("-seq").values_list("seq", flat=True).first() or 1

    @property
    def initial(self) -> dict[str, Any]:
        return {"start_step": self.cut.start}

    @property
    def versions(self) -> list[tuple[str, str]]:
        """What it may run on: its own version, or one that a living executor has for it."""
        served = {executor.definitions.get(self.own.name) for executor in self.console.serving}
        others = sorted(served - {None, self.own.version})
        own = f"{SAME}, {self.own.version}" if self.own.version else SAME
        return [("", own), *((version, f"{version}, which runs now") for version in others)]

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        form.fields["version"].choices = self.versions
        form.fields["queue"].choices = self.queues
        if not Queue.objects.using(self.alias).filter(partitioned=True).exists():
            del form.fields["partition_key"]
        return form

    @property
    def kept(self) -> list[Effect]:
        """What stays recorded and what runs again, in words."""
        cut = self.cut
        made = []
        if cut.kept:
            words = plural(cut.kept, "recorded step is kept", "recorded steps are kept")
            made.append(Effect("success", f"{words}: what is before step {cut.start:,} will not run again.", "success"))
        else:
            made.append(Effect("info", "Nothing is kept: it begins at its first step, with the same input."))
        if cut.again:
            words = plural(cut.again, "recorded step runs again", "recorded steps run again")
            words += f", from step {cut.start:,} on: what was done there in the world is done once more."
            made.append(Effect("backoff", words, "backoff"))
        else:
            made.append(Effect("info", "No recorded step runs again: it goes on behind the last one."))
        return made

    def terms(self, given: dict[str, Any]) -> dict[str, Any]:
        """What the form says, as the verb takes it, without what is empty."""
        return {name: given[name] for name in ("version", "queue", "partition_key") if given.get(name)}

    @property
    def asked_pairs(self) -> list[tuple[str, str]]:
        """What the choice of another step keeps of the address."""
        return [pair for pair in Asked.from_query(self.request.GET).pairs() if pair[0] != "step"]

    @property
    def can_edit(self) -> bool:
        """Whether outputs of kept steps may be given anew."""
        return False

    @property
    def edited(self) -> dict[int, tuple[str, str]]:
        return {}
