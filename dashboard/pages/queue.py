"""One queue: what holds it, who serves it, who runs and who waits."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from durable.models import Queue, Workflow
from durable.states import Status

from ..access import allowed, may
from ..census import Census, Coverage
from ..console import console_of
from ..lines import Line
from ..partitions import MOST, Partition, partitions_of
from ..waiting import Answer, in_line, set_aside, why
from ..wording import plural, rough

SHOWN = 20
MOST_SLOTS = 40
"""Beyond this many, slots are drawn as one gauge."""


@may("view")
@require_safe
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """The page; to htmx only its part that changes."""
    shown = QueuePage(request, name)
    if not shown.exists:
        raise Http404(f"There is no queue {name}.")
    template = "durable/includes/queue_now.html" if console_of(request).is_part else "durable/queue.html"
    return render(request, template, {"page": shown, "line": shown.line, "live": "5s"})


class QueuePage:
    """What the page of one queue asks of the database."""

    def __init__(self, request: HttpRequest, name: str):
        self.request, self.name = request, name
        self.console = console_of(request)
        self.alias = self.console.alias
        self.workflows = Workflow.objects.using(self.alias).filter(queue=name)

    @cached_property
    def line(self) -> Line:
        row = Queue.objects.using(self.alias).filter(pk=self.name).first()
        return Line(self.name, row, Census(self.workflows), Coverage(self.console.serving))

    @property
    def exists(self) -> bool:
        return self.line.is_declared or bool(self.line.census.groups) or self.workflows.exists()

    @property
    def sentence(self) -> str:
        """What the queue does and why."""
        line, row = self.line, self.line.row
        if not line.waiting:
            return "It is paused, and nothing waits." if row.paused else "Nothing waits."
        cause = {
            "Paused": "because the queue is paused",
            "Unserved": f"and no living executor {'has its code' if line.servers else 'serves it'}",
            "At its limit": f"because all {plural(row.concurrency or 0, 'slot')} are in use",
            "At rate limit": f"because {plural(row.rate_limit or 0, 'start')} were made in the window",
        }.get(line.state.word, "")
        if not cause and self.partitions and all(each.holds for each in self.partitions[0] if each.waiting):
            cause = "because every partition of them is at a limit"
        waited = f"; the oldest for {rough(self.console.as_of - line.since)}" if line.since else ""
        verb = "waits" if line.waiting == 1 else "wait"
        return f"{line.waiting_figure} {verb}{' ' if cause else ''}{cause}{waited}."

    @property
    def slots(self) -> list[bool]:
        limit = self.line.row.concurrency or 0
        return [slot < self.line.taken for slot in range(limit)] if limit <= MOST_SLOTS else []

    @cached_property
    def held(self) -> dict[str, int]:
        """How many workflows of the queue each executor runs."""
        running = self.workflows.filter(run_after__isnull=False, status=Status.PENDING, executor__isnull=False)
        return dict(running.order_by().values_list("executor").annotate(Count("pk")))

    @property
    def workers(self) -> list[dict[str, Any]]:
        """Who serves the queue, with how much of it each runs."""
        limit = self.line.row.worker_concurrency
        counts = [(executor, self.held.get(executor.pk, 0)) for executor in self.line.servers]
        return [{"executor": e, "count": count, "slots": slots_of(count, limit)} for e, count in counts]

    @property
    def starts(self) -> list[float]:
        """The starts of the window as places from left (its beginning) to right (now), in percent."""
        period = self.line.row.rate_period or 1
        return [round(max(1 - age / period, 0) * 99, 2) for age in self.line.recent_starts]

    @cached_property
    def running(self) -> list[dict[str, Any]]:
        """Those that run, the longest first."""
        held = self.workflows.listed().filter(run_after__isnull=False, status=Status.PENDING, executor__isnull=False)
        labels = {e.pk: e.label for e in self.console.living}
        steps = {
            entry.get("workflow"): entry for e in self.console.living for entry in e.activity if isinstance(entry, dict)
        }
        return [
            {"workflow": w, "executor": labels.get(w.executor), "step": steps.get(w.pk)}
            for w in held.order_by(F("started_at").asc(nulls_last=True), "pk")[:SHOWN]
        ]

    @cached_property
    def waiting(self) -> list[Workflow]:
        """Those that wait, the next first; those that nobody can run come last."""
        ready = list(in_line(self.alias, self.name)[:SHOWN])
        return ready + list(set_aside(self.alias, self.name)[: SHOWN - len(ready)])

    @cached_property
    def partitions(self) -> tuple[list[Partition], bool] | None:
        """How its partitions stand, None for a queue without."""
        return partitions_of(self.line.row, self.workflows) if self.line.row.partitioned else None

    @property
    def partitions_shown(self) -> list[Partition]:
        return self.partitions[0][:MOST] if self.partitions else []

    @property
    def may_act(self) -> bool:
        """Whether this person may pause it and change its limits."""
        return self.line.is_declared and allowed(self.request, "operate_queue")

    @cached_property
    def asked(self) -> str:
        return self.request.GET.get("why", "").strip().replace("\0", "")

    @cached_property
    def answer(self) -> Answer | None:
        """Why the asked workflow waits, or the first in line."""
        if self.asked:
            places = (in_line(self.alias, self.name), set_aside(self.alias, self.name))
            chosen = next((found for place in places if (found := place.filter(pk=self.asked).first())), None)
        else:
            chosen = self.waiting[0] if self.waiting else None
        return why(chosen, self.line, self.held, self.alias) if chosen else None

    @property
    def poll(self) -> str:
        return f"{self.request.path}?{urlencode({'why': self.asked, 'seen': 'unseen'})}"


def slots_of(count: int, limit: int | None) -> list[bool]:
    return [slot < count for slot in range(limit)] if limit and limit <= MOST_SLOTS else []
