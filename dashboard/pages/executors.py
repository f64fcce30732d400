"""The processes that run workflows."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ..access import may
from ..console import console_of
from ..crew import DRAINING, LOST, crew_of
from ..wording import plural


@may("view")
@require_safe
def executors(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only its part that changes."""
    crew = crew_of(console_of(request).alias)
    living = [member for member in crew if member.is_alive]
    taking = [m for m in living if m.executor.claims and m.state is not DRAINING]
    context = {
        "crew": crew,
        "busy": [member for member in living if member.activity],
        "headline": headline(len(living), len(taking), sum(m.state is LOST for m in crew)),
        "running": sum(member.executor.running for member in living),
        "room": sum(member.executor.concurrency for member in taking),
        "live": "2s",
    }
    template = "durable/includes/crew.html" if console_of(request).is_part else "durable/executors.html"
    return render(request, template, context)


def headline(living: int, taking: int, lost: int) -> str:
    if not living:
        return "No executor is alive."
    said = f"{plural(living, 'executor')} {'is' if living == 1 else 'are'} alive"
    if taking < living:
        said += f", {taking} of them take{'s' if taking == 1 else ''} new work"
    return f"{said}; {lost} {'was' if lost == 1 else 'were'} lost." if lost else f"{said}."
