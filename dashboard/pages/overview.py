"""What needs a person, and how the work flows."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from durable.models import INTERNAL_QUEUE, Workflow
from durable.states import Status

from ..access import allowed, may
from ..attention import Attention
from ..causes import Causes
from ..census import PARKED, WAITING, Census, Coverage
from ..console import console_of
from ..crew import LOST, Member, crew_of
from ..lines import Line, lines_of
from ..paging import CAP, capped_count, figure

RECENT = 8
HOUR = timedelta(hours=1)


@may("view")
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only its part that changes."""
    view = Overview(request)
    if view.console.is_part and request.GET.get("part") == "unused":
        return news(view.is_unused)
    template = "durable/includes/overview_now.html" if view.console.is_part else "durable/overview.html"
    return render(request, template, {"view": view, "live": "5s"})


def news(is_unused: bool) -> HttpResponse:
    """For the page of an unused database: 204 while it stays so, then the whole page anew."""
    return HttpResponse(status=204, headers={} if is_unused else {"HX-Refresh": "true"})


class Overview:
    """What the first page asks of the database."""

    def __init__(self, request: HttpRequest):
        self.request = request
        self.console = console_of(request)
        self.workflows = Workflow.objects.using(self.console.alias)

    @cached_property
    def is_unused(self) -> bool:
        return not self.workflows.exists()

    @cached_property
    def census(self) -> Census:
        return Census(self.workflows.all())

    @cached_property
    def lines(self) -> list[Line]:
        return lines_of(self.console.alias, self.census, Coverage(self.console.serving))

    @cached_property
    def crew(self) -> list[Member]:
        return crew_of(self.console.alias)

    @property
    def crew_shown(self) -> list[Member]:
        """The living, and those lost within an hour."""
        return [
            m
            for m in self.crew
            if m.is_alive or (m.state is LOST and self.console.as_of - m.executor.lease_until < HOUR)
        ]

    @property
    def lost(self) -> int:
        return sum(member.state is LOST for member in self.crew_shown)

    @cached_property
    def attention(self) -> Attention:
        return Attention(self.console, self.census, self.lines, self.crew)

    @cached_property
    def accepted(self) -> str:
        """How many were accepted in the last hour."""
        return figure(capped_count(self.workflows.filter(created_at__gte=self.console.as_of - HOUR)))

    @property
    def running(self) -> str:
        return self.census.figure("running")

    @property
    def room(self) -> int:
        return sum(executor.concurrency for executor in self.console.serving)

    @property
    def waiting(self) -> str:
        return self.census.figure(*WAITING)

    @property
    def parked(self) -> str:
        return self.census.figure(*PARKED)

    @property
    def delayed(self) -> str:
        return self.census.figure("delayed")

    @property
    def failed(self) -> str:
        count = self.attention.failed
        return f"{count:,}+" if count >= CAP else f"{count:,}"

    @property
    def kinds(self) -> int:
        return len(self.attention.failure_groups)

    @property
    def oldest_since(self) -> datetime | None:
        oldest = self.attention.oldest
        return oldest[0] if oldest else None

    @property
    def oldest_queue(self) -> str:
        oldest = self.attention.oldest
        return "" if oldest is None or oldest[1] == INTERNAL_QUEUE else oldest[1]

    @cached_property
    def failures(self) -> list[dict]:
        """The newest failures, with what each died of."""
        ended = (Status.ERROR, Status.DEAD)
        newest = list(self.workflows.listed().filter(failure__in=ended)[:RECENT])
        causes = Causes(self.console.alias, self.console.living, self.console.serving, ())
        causes.look_up(newest, allowed(self.request, "view_payload"))
        return [{"workflow": workflow, "cause": causes.of(workflow)} for workflow in newest]

    @property
    def lines_shown(self) -> list[Line]:
        """The fullest queues, and how many there are besides."""
        return self.lines[:8]

    @property
    def poll(self) -> str:
        return self.request.path
