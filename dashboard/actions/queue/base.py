"""What the actions on one queue share."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from django.urls import reverse

from durable.errors import QueueNotFound
from durable.models import Queue, Workflow

from ...census import Census, Coverage
from ...lines import Line
from ..action import Action


class QueueAction(Action):
    """An action on the queue of the address."""

    right: ClassVar[str] = "operate_queue"
    kind: ClassVar[str] = "queue"

    @cached_property
    def line(self) -> Line:
        row = Queue.objects.using(self.alias).filter(pk=self.target).first()
        if row is None:
            raise QueueNotFound(f"There is no queue {self.target} that an executor has declared.")
        workflows = Workflow.objects.using(self.alias).filter(queue=self.target)
        return Line(self.target, row, Census(workflows), Coverage(self.console.serving))

    @property
    def crumb(self) -> str:
        return f"Queue {self.target}"

    @property
    def back(self) -> str:
        return reverse("durable_dashboard:queue", args=[self.target])
