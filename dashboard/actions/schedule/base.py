"""What the actions on one schedule share."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from django.http import Http404
from django.urls import reverse

from durable.models import INTERNAL_QUEUE

from ...census import Coverage
from ...clockwork import Clock, clocks_of
from ..action import Action, Effect


class ScheduleAction(Action):
    """An action on the schedule of the address."""

    right: ClassVar[str] = "operate_schedule"
    kind: ClassVar[str] = "schedule"

    @cached_property
    def clock(self) -> Clock:
        found = clocks_of(self.alias, self.console.as_of, self.target)
        if not found:
            raise Http404(f"There is no schedule {self.target}.")
        return found[0]

    @property
    def off(self) -> str:
        return self.why_not(self.clock)

    def why_not(self, clock: Clock) -> str:
        """Why it cannot be done now, "" when it can. Looking at the clock also says 404 when there is none."""
        return ""

    @property
    def gap(self) -> list[Effect]:
        """A word when nobody would take what it starts."""
        row = self.clock.row
        gap = Coverage(self.console.serving).gap(row.queue or INTERNAL_QUEUE, row.workflow)
        return [Effect("warn", f"It will wait: {gap}.", "backoff")] if gap else []

    @property
    def crumb(self) -> str:
        return f"Schedule {self.target}"

    @property
    def back(self) -> str:
        return reverse("durable_dashboard:schedule", args=[self.target])
