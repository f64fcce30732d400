"""Word that something of a workflow has changed, as it happens: what it is, the page asks for in its own way.

So rights, cuts and templates stay in one place, and a page whose connection breaks simply asks on a clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from durable.errors import WorkflowNotFound
from durable.executor.hub import hub
from durable.executor.outside import until_changed
from durable.models import StreamEntry, Workflow

from ..access import may
from ..console import console_of
from ..story import token

LOOK_SECONDS, LOOK_PARKED_SECONDS = 1.0, 5.0
"""How long at most until it looks again, while an executor holds the workflow and else; a notification is sooner."""
SIGN_SECONDS = 15.0
"""How often it shows that it lives, so that nobody between cuts a quiet connection."""
LONGEST_SECONDS = 600.0
"""After this long the browser connects anew, so that a right that was taken away ends here too."""
LOOKOUT = ThreadPoolExecutor(1, "console-news")
"""Looks for all who listen: a thousand open pages are one connection to the database."""


@may("view")
@require_safe
def news(request: HttpRequest, pk: str) -> HttpResponse:
    """An event stream while the workflow lives; 204, which tells a browser not to come back, where none can be held."""
    alias, key = console_of(request).alias, request.GET.get("stream")
    found = look(pk, key, alias)
    if found is None:
        raise WorkflowNotFound(workflow_id=pk)
    if not isinstance(request, ASGIRequest) or found.is_over:
        return HttpResponse(status=204)
    hang_up()
    response = StreamingHttpResponse(bulletin(pk, key, alias), content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response  # type: ignore[return-value]  # what the decorators add is the same for both


def news_address(request: HttpRequest, pk: str, stream: str | None = None) -> str:
    """Where a page of this workflow hears news, "" where the server cannot hold a connection open."""
    if not isinstance(request, ASGIRequest):
        return ""
    query = "" if stream is None else "?" + urlencode({"stream": stream})
    return reverse("durable_dashboard:news", args=[pk]) + query


@dataclass(frozen=True, slots=True)
class Sight:
    """How a workflow stands: `said` changes with it, and with the stream that was looked at."""

    said: str
    is_held: bool
    is_over: bool


def look(pk: str, stream: str | None, alias: str) -> Sight | None:
    """How the workflow (and one stream of it) stands; None when it is gone."""
    try:
        said, row = token(pk, alias)
    except Workflow.DoesNotExist:
        return None
    except DatabaseError:
        forget(alias)
        raise
    if stream is not None:
        entries = StreamEntry.objects.using(alias).filter(workflow=pk, key=stream).order_by("-offset")
        said = f"{said}.{entries.values_list('offset', flat=True).first()}"
    return Sight(said, row.executor is not None, row.is_finished)


def forget(alias: str) -> None:
    """Give up this thread's connection; the next look makes one anew."""
    connections[alias].close()
    del connections[alias]


def hang_up() -> None:
    """Give back the connections of the request, which lives on for minutes and does not need them."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


async def bulletin(pk: str, stream: str | None, alias: str) -> AsyncIterator[str]:
    """The events: `changed` at each change, `over` at the end; comments in between."""
    loop, seen = asyncio.get_running_loop(), None
    spoke = began = time.monotonic()
    try:
        yield "retry: 2000\n\n"
        while time.monotonic() - began < LONGEST_SECONDS:
            since = hub().mark()
            found = await loop.run_in_executor(LOOKOUT, look, pk, stream, alias)
            if found is None or found.is_over:
                yield "event: over\ndata:\n\n"
                return
            if found.said != seen:
                seen, spoke = found.said, time.monotonic()
                yield "event: changed\ndata:\n\n"
            elif time.monotonic() - spoke > SIGN_SECONDS:
                spoke = time.monotonic()
                yield ": still here\n\n"
            rest = LOOK_SECONDS if found.is_held else LOOK_PARKED_SECONDS
            await until_changed([f"{kind}:{pk}" for kind in "wvc"], since, rest)
    finally:
        LOOKOUT.submit(forget, alias)
