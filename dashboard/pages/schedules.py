"""All schedules."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ..access import may
from ..clockwork import PAUSED, Clock, clocks_of
from ..console import console_of
from ..wording import plural


@may("view")
@require_safe
def schedules(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only its part that changes."""
    console = console_of(request)
    clocks = clocks_of(console.alias, console.as_of)
    context = {"clocks": clocks, "headline": headline(clocks), "live": "5s"}
    template = "durable/includes/clocks.html" if console.is_part else "durable/schedules.html"
    return render(request, template, context)


def headline(clocks: list[Clock]) -> str:
    if not clocks:
        return "Nothing is started by the clock yet."
    paused = sum(clock.state is PAUSED for clock in clocks)
    also = f", {paused} of them paused" if paused else ""
    return f"{plural(len(clocks), 'schedule')}{also}."
