"""One schedule: when it ticks, what it has started, and in whose words."""

from __future__ import annotations

from functools import cached_property

from django.db.models.functions import Length, Substr
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from durable.filters import WorkflowFilter
from durable.models import INTERNAL_QUEUE, AuditEntry, Schedule, Workflow
from durable.models.workflow import WorkflowQuerySet

from ..access import allowed, may
from ..causes import Causes
from ..census import Coverage
from ..clockwork import Clock, Tick, clocks_of
from ..console import console_of
from ..jsontree import SHOWN, Payload, payload
from ..lengths import Length as Bar
from ..lengths import length_of
from ..paging import capped_count, figure

TICKS = 10
RUNS = 20
DEEDS = 10


@may("view")
@require_safe
def schedule(request: HttpRequest, name: str) -> HttpResponse:
    """The page; to htmx only its part that changes."""
    page = SchedulePage(request, name)
    template = "durable/includes/clock.html" if console_of(request).is_part else "durable/schedule.html"
    return render(request, template, {"page": page, "clock": page.clock, "live": "5s"})


class SchedulePage:
    """What the page of one schedule asks of the database."""

    def __init__(self, request: HttpRequest, name: str):
        self.request, self.name = request, name
        self.console = console_of(request)
        self.alias = self.console.alias
        found = clocks_of(self.alias, self.console.as_of, name)
        if not found:
            raise Http404(f"There is no schedule {name}.")
        self.clock: Clock = found[0]

    @property
    def may_act(self) -> bool:
        return allowed(self.request, "operate_schedule")

    @property
    def ticks(self) -> list[Tick]:
        return self.clock.ticks(TICKS)

    @cached_property
    def gap(self) -> str:
        """Why nobody would take what it starts, "" when someone does."""
        queue = self.clock.row.queue or INTERNAL_QUEUE
        return Coverage(self.console.serving).gap(queue, self.clock.row.workflow)

    @property
    def workflows(self) -> WorkflowQuerySet:
        return Workflow.objects.using(self.alias).filter(schedule=self.name)

    @cached_property
    def runs(self) -> list[tuple[Workflow, str, object, Bar]]:
        """The newest workflows that it started: each with its tick, as its id says it, its cause and its length."""
        rows = list(self.workflows.listed()[:RUNS])
        causes = Causes(self.alias, self.console.living, self.console.serving, ())
        causes.look_up(rows, allowed(self.request, "view_payload"))
        own = f"sched-{self.name}-"
        return [(row, row.pk.removeprefix(own), causes.of(row), length_of(row, self.console.as_of)) for row in rows]

    @cached_property
    def total(self) -> str:
        return figure(capped_count(self.workflows))

    @property
    def all_runs(self) -> str:
        return f"{reverse('durable_dashboard:workflows')}?{WorkflowFilter(schedule=self.name).to_query()}"

    @property
    def context(self) -> Payload | None:
        """What it passes with the tick, for those who may see it."""
        if self.clock.row.context is None or not allowed(self.request, "view_payload"):
            return None
        rows = Schedule.objects.using(self.alias).filter(pk=self.name)
        size, text = rows.values_list(Length("context"), Substr("context", 1, SHOWN)).get()
        return payload("Context", text, size)

    @property
    def deeds(self) -> list[AuditEntry]:
        """What people did with it."""
        entries = AuditEntry.objects.using(self.alias).filter(kind="schedule", target=self.name)
        return list(entries.order_by("-id")[:DEEDS])

    @property
    def poll(self) -> str:
        return f"{self.request.path}?seen=unseen"
