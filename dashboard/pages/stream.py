"""One stream of a workflow: its end while it grows, or any part of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from durable.errors import WorkflowNotFound
from durable.models import Workflow

from ..access import allowed, may
from ..asked import SLOT
from ..console import console_of
from ..streams import SIZE, Entry, Stream
from .news import news_address

EVERY = "1s"


@may("view")
@require_safe
def stream(request: HttpRequest, pk: str, key: str) -> HttpResponse:
    """The page; to htmx what follows the offset `after`, or 204 when nothing does."""
    page = StreamPage(request, pk, key)
    if page.console.is_part:
        return page.tail()
    if not page.stream.exists and not page.stream.is_open:
        raise Http404(f"Workflow {pk} has written no stream {key}.")
    return render(request, "durable/stream.html", {"page": page, "live": page.live})


class StreamPage:
    """What the page of one stream shows: `from` is the first offset, none is the end; `follow` adds what comes."""

    def __init__(self, request: HttpRequest, pk: str, key: str):
        self.request, self.key = request, key
        self.console = console_of(request)
        self.with_payload = allowed(request, "view_payload")
        row = Workflow.objects.using(self.console.alias).listed().filter(pk=pk).first()
        if row is None:
            raise WorkflowNotFound(workflow_id=pk)
        self.workflow = row
        self.stream = Stream(self.console.alias, row, key, self.with_payload)
        self.first = number(request.GET.get("from"))

    @property
    def is_at_end(self) -> bool:
        return self.first is None

    @property
    def follows(self) -> bool:
        """Whether what is written from now on is added."""
        return self.is_at_end and self.request.GET.get("follow") != "0" and self.stream.is_open

    @property
    def live(self) -> str:
        return self.every if self.follows else ""

    @cached_property
    def entries(self) -> list[Entry]:
        if self.first is not None:
            return self.stream.from_offset(self.first)
        return self.stream.newest()

    @property
    def after(self) -> int:
        """The highest offset that is shown."""
        return self.entries[-1].offset if self.entries else self.start - 1

    @property
    def start(self) -> int:
        return self.first or 0

    def tail(self) -> HttpResponse:
        """What came after an offset. Without news 204, so that the page asks again."""
        after = number(self.request.GET.get("after"))
        self.first = 0 if after is None else after + 1
        is_open = self.stream.is_open  # first: of a stream that is over by now, all values are there to be read
        if is_open and not self.entries:
            return HttpResponse(status=204)
        self.is_cut = len(self.entries) == SIZE
        return render(self.request, "durable/stream/entries.html", {"page": self, "is_part": True})

    every = EVERY
    is_cut = False
    """Whether there is perhaps more than one answer holds: the rest is asked for at once."""

    @property
    def goes_on(self) -> bool:
        """Whether the page has to ask again."""
        return self.is_cut or self.stream.is_open

    @property
    def poll(self) -> str:
        return "?" + urlencode({"after": self.after})

    @property
    def news(self) -> str:
        return news_address(self.request, self.workflow.pk, self.key)

    @property
    def back(self) -> str:
        return reverse("durable_dashboard:workflow", args=[self.workflow.pk]) + "?tab=streams"

    @property
    def before(self) -> str:
        """The address of the page before, "" at the beginning."""
        first = self.entries[0].offset if self.entries else self.stream.count
        return link(max(first - SIZE, 0)) if first > 0 else ""

    @property
    def behind(self) -> str:
        """The address of the page behind, "" at the end."""
        if self.is_at_end or not self.stream.last or self.after >= self.stream.last.offset:
            return ""
        return link(self.after + 1)


def link(offset: int) -> str:
    return "?" + urlencode({"from": offset})


def number(text: str | None) -> int | None:
    """An offset of an address; what is none is taken as not given."""
    return int(text) if text and SLOT.fullmatch(text) else None


def slot_address(workflow: Any, slot: int) -> str:
    return reverse("durable_dashboard:workflow", args=[workflow.pk]) + f"?step={slot}"
