"""What the actions on one workflow share."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from django.urls import reverse

from durable.errors import WorkflowNotFound
from durable.models import INTERNAL_QUEUE, Queue, Workflow
from durable.models.workflow import WorkflowQuerySet
from durable.states import Status

from ...access import allowed
from ...asked import Asked
from ...census import Coverage
from ...story import Story
from ..action import Action, Effect


class WorkflowAction(Action):
    """An action on the workflow of the address. A subclass says in `why_not` when it makes no sense."""

    route: ClassVar[str]
    """The name of its address, and of what the audit says was done."""

    @cached_property
    def own(self) -> Workflow:
        row = Workflow.objects.using(self.alias).listed().filter(pk=self.target).first()
        if row is None:
            raise WorkflowNotFound(workflow_id=self.target)
        return row

    @staticmethod
    def why_not(own: Any) -> str:
        """Why it cannot be done with a workflow in this state, "" when it can."""
        return ""

    @classmethod
    def word_for(cls, own: Any) -> str:
        """What the button is called for a workflow in this state."""
        return cls.word

    @classmethod
    @abstractmethod
    def says(cls, story: Story) -> str:
        """What it would do, in a sentence for the page of the workflow."""

    @property
    def off(self) -> str:
        return self.why_not(self.own)

    @property
    def label(self) -> str:
        return self.word_for(self.own)

    @property
    def question(self) -> str:
        return f"{self.label} {self.own.name}?"

    @property
    def crumb(self) -> str:
        return self.own.name

    @property
    def back(self) -> str:
        """The page as it was shown."""
        return page_of(self.target, Asked.from_query(self.request.GET).link())

    @cached_property
    def may_see(self) -> bool:
        """Whether this person may see payloads."""
        return allowed(self.request, "view_payload")

    @cached_property
    def children(self) -> WorkflowQuerySet:
        return Workflow.objects.using(self.alias).filter(parent=self.target)

    @property
    def gap(self) -> list[Effect]:
        """A word when nobody would take it."""
        gap = Coverage(self.console.serving).gap(self.own.queue, self.own.name, self.own.version)
        return [Effect("warn", f"It will wait: {gap}.", "backoff")] if gap else []

    @property
    def queues(self) -> list[tuple[str, str]]:
        """The queues as choices; none is to start as soon as an executor has room."""
        names = Queue.objects.using(self.alias).exclude(pk=INTERNAL_QUEUE).values_list("pk", flat=True)
        return [("", "none: as soon as an executor has room"), *((name, name) for name in sorted(names))]


def page_of(pk: str, query: str = "?") -> str:
    return reverse("durable_dashboard:workflow", args=[pk]) + (query if query != "?" else "")


def has_not_ended(own: Any, what: str) -> str:
    """The reason why `what` must wait for the end, "" when it has ended."""
    return "" if own.is_finished else f"It has not ended: cancel it first, then {what}."


def is_stopped(own: Any) -> bool:
    """Whether the engine would take a resume: ended early, or stopped because its code did not fit its journal."""
    by_journal = own.status == Status.ERROR and own.error_type == "NonDeterminism"
    return by_journal or own.status in (Status.CANCELLED, Status.DEAD)
