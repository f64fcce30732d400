"""The list of workflows: search, statuses, pages, and rows that stay live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2s
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from durable.errors import InvalidOption
from durable.filters import WorkflowFilter
from durable.models import INTERNAL_QUEUE, Queue, Workflow
from durable.states import PHASES

from ..access import allowed, may
from ..causes import Causes
from ..census import by_phase, chosen_workflows
from ..chips import Chip, chips_of, remedies
from ..console import Console, console_of
from ..lengths import Length, length_of
from ..paging import Page, capped_count, figure

ALWAYS = ("queued", "delayed", "running", "sleeping", "message", "event", "child", "backoff",
          "success", "failed", "cancelled", "dead")  # fmt: skip
VIEWS = (
    ("Dead letters", WorkflowFilter(phase=("dead",))),
    ("Failures", WorkflowFilter(phase=("failed", "dead"))),
    ("Waits for code", WorkflowFilter(phase=("unserved",))),
    ("Forks", WorkflowFilter(is_fork=True)),
    ("In a queue", WorkflowFilter(queues_only=True)),
)
"""What people look for often, by name."""
PERIODS = (("", "any time"), ("15m", "last 15 m"), ("1h", "last hour"), ("24h", "last 24 h"), ("7d", "last 7 d"))


@may("view")
@require_safe
def workflows(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only its rows (or 204 when they are as `seen`), or its side."""
    try:
        listing = Listing(request)
        if listing.console.is_part:
            return fragment(request, listing)
        if address := listing.better_address():
            return redirect(address)
        return render(request, "durable/workflows.html", {"listing": listing, "live": listing.every})
    except InvalidOption as wrong:
        context = {"wrong": wrong, "text": request.GET.get("q", "")}
        return render(request, "durable/workflows_invalid.html", context, status=400)


def fragment(request: HttpRequest, listing: Listing) -> HttpResponse:
    if request.GET.get("part") == "side":
        return render(request, "durable/includes/workflow_side.html", {"listing": listing})
    if request.GET.get("seen") == listing.token:
        return HttpResponse(status=204)
    return render(request, "durable/includes/workflow_rows.html", {"listing": listing})


@dataclass(frozen=True)
class Row:
    """A workflow as the list shows it."""

    workflow: Workflow
    cause: SafeString | str
    length: Length


class Listing:
    """What one address of the list shows. Everything is asked of the database when a template first wants it."""

    def __init__(self, request: HttpRequest):
        self.request = request
        self.console: Console = console_of(request)
        self.filter = WorkflowFilter.from_query(request.GET)
        self.found = chosen_workflows(self.filter, self.console.alias)

    @cached_property
    def page(self) -> Page:
        return Page(self.found.listed(), self.request.GET)

    @cached_property
    def causes(self) -> Causes:
        queues = Queue.objects.using(self.console.alias).only("name", "paused")
        return Causes(self.console.alias, self.console.living, self.console.serving, queues)

    @cached_property
    def rows(self) -> list[Row]:
        self.causes.look_up(self.page.rows, allowed(self.request, "view_payload"))
        return [Row(w, self.causes.of(w), length_of(w, self.console.as_of)) for w in self.page.rows]

    @cached_property
    def token(self) -> str:
        """Changes when the rows do: what a poll costs is one page of the index, the executors and the queues."""
        said = [
            (w.pk, w.status, w.epoch, w.executor, w.waiting_for, w.wake_at, "" if w.is_finished else self.causes.of(w))
            for w in self.page.rows
        ]
        return blake2s(repr((said, self.page.older, self.page.newer)).encode(), digest_size=9).hexdigest()

    @property
    def every(self) -> str:
        """How often the rows ask for news: not at all where nothing can change."""
        unfinished = any(not workflow.is_finished for workflow in self.page.rows)
        return "2s" if self.page.is_first or unfinished else ""

    @property
    def has_attributes(self) -> bool:
        """Whether the column of attributes has anything to show."""
        return any(workflow.attributes for workflow in self.page.rows)

    @cached_property
    def total(self) -> str:
        return figure(capped_count(self.found))

    @cached_property
    def is_unused(self) -> bool:
        """Whether no workflow was ever accepted here."""
        return not self.page.rows and not Workflow.objects.using(self.console.alias).exists()

    @property
    def known_names(self) -> list[str]:
        return sorted(self.causes.coverage.names)

    @property
    def definitions(self) -> str:
        """The first names that living executors can run, and how many more."""
        names = self.known_names
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    @property
    def known_queues(self) -> list[str]:
        names = {*Queue.objects.using(self.console.alias).values_list("name", flat=True), *self.filter.queue}
        return sorted(names - {INTERNAL_QUEUE})

    @property
    def periods(self) -> tuple[tuple[str, str], ...]:
        return PERIODS

    @property
    def period(self) -> str:
        """How the chosen start was written, "24h" or an exact time."""
        return dict(self.filter.pairs()).get("created_after", "")

    @property
    def before(self) -> str:
        return dict(self.filter.pairs()).get("created_before", "")

    @property
    def is_narrowed(self) -> bool:
        """Whether the form of the side is in use."""
        return bool(self.filter.name or self.filter.queue or self.filter.created_after or self.filter.created_before)

    @property
    def name(self) -> str:
        """The name that the form of the side edits; several are only chips."""
        return self.filter.name if isinstance(self.filter.name, str) else ""

    @property
    def id_prefix(self) -> str:
        return self.filter.id_prefix if isinstance(self.filter.id_prefix, str) else ""

    @property
    def views(self) -> list[tuple[str, str, bool]]:
        """Ready searches: what they find, the address, whether this is the one."""
        return [(word, "?" + chosen.to_query(), chosen == self.filter) for word, chosen in VIEWS]

    @property
    def is_of_the_dead(self) -> bool:
        """Whether only dead letters are shown, which want a word of explanation."""
        return self.filter.phase == ("dead",) and not self.filter.status

    @cached_property
    def facets(self) -> list[dict[str, Any]]:
        """The statuses, with how many of the other parts of the filter match in each."""
        others = replace(self.filter, status=(), phase=())
        counts = by_phase(chosen_workflows(others, self.console.alias))
        single = self.filter.phase[0] if len(self.filter.phase) == 1 and not self.filter.status else None
        return [
            {"phase": PHASES[key], "count": counts[key], "address": self.address(status=(), phase=(key,)),
             "is_chosen": key == single}
            for key in PHASES
            if key in ALWAYS or counts[key] != "0" or key == single
        ]  # fmt: skip

    @property
    def all_address(self) -> str:
        return self.address(status=(), phase=())

    @cached_property
    def chips(self) -> list[Chip]:
        return chips_of(self.filter)

    @property
    def remedies(self) -> Iterable[dict[str, Any]]:
        """Wider searches that find something, for a page that found nothing."""
        return remedies(self.filter, self.console.alias)

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The filter as hidden fields of the search form."""
        return list(self.filter.pairs())

    @property
    def hidden_of_side(self) -> list[tuple[str, str]]:
        """The parts of the filter that the form of the side does not edit."""
        edited = {"queue": (), "created_after": None, "created_before": None}
        edited |= {name: None for name in ("name", "id_prefix") if isinstance(getattr(self.filter, name), str)}
        return list(self.filter.pairs(**edited))

    @property
    def hidden_but_before(self) -> list[tuple[str, str]]:
        return list(self.filter.pairs(created_before=None))

    def address(self, **changes: Any) -> str:
        return "?" + self.filter.to_query(**changes)

    @property
    def older(self) -> str:
        return self.beside("older", self.page.older)

    @property
    def newer(self) -> str:
        return self.beside("newer", self.page.newer)

    def beside(self, direction: str, cursor: str) -> str:
        return "?" + urlencode([*self.filter.pairs(), (direction, cursor)]) if cursor else ""

    @property
    def poll(self) -> str:
        """The address of the rows as they are now, which answers 204 while they stay so."""
        cursor = [(name, self.request.GET[name]) for name in ("older", "newer") if name in self.request.GET]
        return "?" + urlencode([*self.filter.pairs(), *cursor, ("seen", self.token)])

    @property
    def poll_side(self) -> str:
        return "?" + urlencode([*self.filter.pairs(), ("part", "side")])

    def better_address(self) -> str:
        """Where the words of `q` lead: to the workflow of that very id, or to the filter that they spell."""
        if not self.request.GET.get("q"):
            return ""
        if self.filter == WorkflowFilter(id_prefix=self.filter.id_prefix):
            alike = list(self.found.order_by("pk").values_list("pk", flat=True)[:2])
            if alike == [self.filter.id_prefix]:
                return redirect("durable_dashboard:workflow", alike[0]).url
        return f"{self.request.path}?{self.filter.to_query()}"
