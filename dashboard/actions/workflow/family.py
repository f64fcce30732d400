"""Actions on a workflow that may take its children along."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from ..action import Reasoned
from .base import WorkflowAction


class FamilyForm(Reasoned):
    children = forms.BooleanField(required=False, help_text="With theirs, down to the last.")


class FamilyAction(WorkflowAction):
    """Asks whether the children are meant too, where there are any."""

    form_class = FamilyForm
    children_label: ClassVar[str]

    def make_form(self, data: Any = None) -> Reasoned:
        form = super().make_form(data)
        form.fields["children"].label = self.children_label
        if not self.children.exists():
            del form.fields["children"]
        return form
