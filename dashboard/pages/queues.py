"""All queues."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from durable.models import Workflow

from ..access import may
from ..census import Census, Coverage
from ..console import console_of
from ..lines import FLOWS, lines_of
from ..wording import plural


@may("view")
@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only its table."""
    console = console_of(request)
    lines = lines_of(console.alias, Census(Workflow.objects.using(console.alias)), Coverage(console.serving))
    context = {"lines": lines, "headline": headline(lines), "live": "5s"}
    return render(
        request, "durable/includes/lines.html" if console_of(request).is_part else "durable/queues.html", context
    )


def headline(lines: list) -> str:
    held = [line for line in lines if line.state is not FLOWS]
    if not lines:
        return "There is no queue yet."
    if not held:
        return f"Nothing waits in {plural(len(lines), 'queue')}."
    waiting = sum(line.waiting for line in lines)
    hold = f"{len(held)} of {plural(len(lines), 'queue')} {'holds' if len(held) == 1 else 'hold'} something back"
    return f"{waiting:,} {'waits' if waiting == 1 else 'wait'}; {hold}."
