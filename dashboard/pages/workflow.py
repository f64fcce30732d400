"""The page of one workflow: why it is as it is, what happened when, and what can be done."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import blake2s
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from durable.errors import WorkflowNotFound
from durable.models import Kind, Step, Workflow

from ..access import allowed, may, refuse
from ..asked import DOWNLOADS, KEY, TABS, Asked
from ..between import Entry, log
from ..console import console_of
from ..deeds import Deed, deeds_of
from ..facts import Fact, facts
from ..inspector import Inspected, inspect, payloads_of
from ..jsontree import Payload, payload
from ..lanes import Lane
from ..phrases import took
from ..sheet import Sheet
from ..story import Slot, Story, find, spell, tell, token
from ..streams import MOST, Stream, streams_of
from ..traces import Told, told
from ..why import failure_of, why
from .news import news_address

EVERY = "2s"
FRESH = {"running": 10, "queued": 10}
"""Seconds after which a page that shows passing time is drawn again though nothing was recorded."""
FRESH_ELSE = 60


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    word: str
    count: int | None
    href: str


@dataclass(frozen=True, slots=True)
class Published:
    """A value of an event, the address of its slot, and the values before it, newest first."""

    row: Any
    shown: Payload | None
    href: str
    older: list[Published] = field(default_factory=list)


@may("view")
@require_safe
def show(request: HttpRequest, pk: str) -> HttpResponse:
    """The page, or what of it htmx asks for: 204 when nothing has changed since the token in `since`."""
    if "download" in request.GET:
        return download(request, pk)
    is_part = "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers
    if is_part and (since := request.GET.get("since")) and since == fresh_token(request, pk):
        return HttpResponse(status=204)
    page = WorkflowPage(request, pk)
    return page.part() if is_part else page.whole()


def fresh_token(request: HttpRequest, pk: str) -> str:
    console = console_of(request)
    try:
        said, row = token(pk, console.alias)
    except Workflow.DoesNotExist:
        raise WorkflowNotFound(workflow_id=pk) from None
    if request.GET.get("tab") == "streams":
        said += written(streams_of(console.alias, row, False))
    return sealed(said, row, console.as_of.timestamp())


def written(streams: list[Stream]) -> str:
    """How long the streams are: a step may write to them without a slot of its own."""
    return "".join(f".{stream.count}" for stream in streams)


def sealed(said: str, row: Any, now: float) -> str:
    """The token as an address carries it; while time itself is drawn, it ages too."""
    beat = 0 if row.is_finished else int(now / FRESH.get(row.phase.key, FRESH_ELSE))
    return blake2s(f"{said}.{beat}".encode(), digest_size=9).hexdigest()


def download(request: HttpRequest, pk: str) -> HttpResponse:
    """One payload as it is stored, as a file that no browser will render."""
    if not allowed(request, "view_payload"):
        return refuse(request, "view_payload")
    name, step, alias = request.GET.get("download"), request.GET.get("step", "0"), console_of(request).alias
    if name not in DOWNLOADS or not KEY.fullmatch(step):
        raise Http404("There is no such payload.")
    outer, _, inner = step.partition(".")
    rows: Any = Workflow.objects.using(alias).filter(pk=pk)
    if step != "0" and name != "input":
        steps = Step.objects.using(alias)
        owner = steps.filter(workflow=pk, seq=int(outer)).values_list("child", flat=True).first() if inner else pk
        rows = steps.filter(workflow=owner, seq=int(inner or outer))
    text = rows.values_list(name, flat=True).first()
    if text is None:
        raise Http404("There is no such payload.")
    response = HttpResponse(text.encode("utf-8", "surrogatepass"), content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{step}.json"'
    return response


class WorkflowPage:
    """What the templates show. Everything beyond the row itself is read when it is first wanted."""

    def __init__(self, request: HttpRequest, pk: str):
        self.request = request
        self.console = console_of(request)
        self.asked = Asked.from_query(request.GET)
        self.with_payload = allowed(request, "view_payload")
        try:
            self.workflow = find(pk, self.console.alias, *([self.asked.whole] if self.asked.whole else []))
        except Workflow.DoesNotExist:
            raise WorkflowNotFound(workflow_id=pk) from None

    def whole(self) -> HttpResponse:
        return render(self.request, "durable/workflow.html", {"page": self, "live": self.every})

    def part(self) -> HttpResponse:
        return render(self.request, "durable/workflow/page.html", {"page": self, "is_part": True})

    @property
    def every(self) -> str:
        return "" if self.workflow.is_finished else EVERY

    @property
    def poll(self) -> str:
        """Where htmx asks for news."""
        said = spell(self.workflow) + (written(self.all_streams) if self.asked.tab == "streams" else "")
        seal = sealed(said, self.workflow, self.console.as_of.timestamp())
        return "?" + urlencode([*self.asked.pairs(), ("since", seal)], safe=",")

    @cached_property
    def story(self) -> Story:
        return tell(self.workflow, self.asked, self.console)

    @cached_property
    def sheet(self) -> Sheet:
        return Sheet(self.story, self.asked)

    @property
    def why(self) -> SafeString:
        return why(self.story, self.with_payload)

    @property
    def facts(self) -> list[Fact]:
        return facts(self.story, self.sheet.spent)

    @property
    def news(self) -> str:
        """Where the page hears that something has changed, "" where it must ask."""
        return "" if self.workflow.is_finished else news_address(self.request, self.workflow.pk)

    @cached_property
    def deeds(self) -> tuple[list[Deed], list[Deed]] | None:
        """What this person may do with it, the usual and the rest; None without the right."""
        return deeds_of(self.story, self.asked) if allowed(self.request, "operate") else None

    @property
    def tabs(self) -> list[Tab]:
        own = self.workflow
        counts = {
            "steps": own.steps_count, "events": own.events_count, "messages": own.messages_count,
            "streams": own.streams_count, "attempts": own.owners_count + own.tries_count, "audit": own.audit_count,
        }  # fmt: skip
        links = {name: self.asked.link(tab=name) for name in TABS}
        return [Tab(name, name.capitalize(), counts.get(name), links[name]) for name in TABS]

    @property
    def tab_template(self) -> str:
        return f"durable/workflow/{self.asked.tab}.html"

    @cached_property
    def inspected(self) -> Inspected | None:
        return inspect(self.story, self.asked, self.sheet.lanes, self.with_payload)

    @property
    def address_key(self) -> str:
        """Tells one address from another, so that a poll keeps what a person has unfolded."""
        return blake2s(self.asked.link().encode(), digest_size=6).hexdigest()

    @property
    def log(self) -> list[Entry]:
        return log(self.story)

    @property
    def events(self) -> list[Published]:
        """The newest value of each key with those before it, in the order in which the keys were first set."""
        own = [event for event in self.story.events if event.workflow_id == self.workflow.pk]
        made = [Published(event, self._shown("Value", event), self.asked.link(tab="timeline", step=str(event.seq)))
                for event in own]  # fmt: skip
        by_key: dict[str, list[Published]] = {}
        for one in made:
            by_key.setdefault(one.row.key, []).append(one)
        return [replace(values[-1], older=values[-2::-1]) for values in by_key.values()]

    @property
    def messages(self) -> list[tuple[Any, Payload | None, str, datetime | None]]:
        """Messages to it; each with its body, the address of the slot that received it, and when that was."""
        own = [message for message in self.story.messages if message.workflow_id == self.workflow.pk]
        made = []
        for message in own:
            slot = self.story.slot(str(message.consumed_seq)) if message.consumed_seq else None
            href = self.asked.link(tab="timeline", step=str(message.consumed_seq))
            made.append((message, self._shown("Body", message), href, slot.completed_at if slot else None))
        return made

    @cached_property
    def all_streams(self) -> list[Stream]:
        return streams_of(self.console.alias, self.workflow, self.with_payload)

    @property
    def streams(self) -> list[Stream]:
        return self.all_streams[:MOST]

    @property
    def has_more_streams(self) -> bool:
        return len(self.all_streams) > MOST

    def _shown(self, name: str, row: Any) -> Payload | None:
        return payload(name, row.text, row.size) if self.with_payload else None

    @property
    def failed_tries(self) -> list[tuple[Any, str, str, str]]:
        """Failed attempts with what they said, how long they took and where to look closer."""
        own = self.story.tries_of(self.workflow.pk)
        made = []
        for one in (one for seq in sorted(own) for one in own[seq]):
            seconds = took((one.ended_at - one.started_at).total_seconds())
            href = self.asked.link(tab="timeline", step=str(one.seq))
            made.append((one, failure_of(one.text, self.with_payload), seconds, href))
        return made

    @property
    def owners(self) -> list[tuple[Any, str]]:
        return [(owner, self.story.label(owner.executor)) for owner in self.story.owners]

    @property
    def slots(self) -> list[tuple[Slot, Lane, str, str]]:
        """The recorded slots of the window, each with the address that selects it and how long it took."""
        rows = self.sheet.slots
        return [(slot, lane, self.asked.link(step=lane.key), took(lane.seconds)) for slot, lane in rows]

    @property
    def payloads(self) -> list[Payload]:
        return payloads_of(self.workflow) if self.with_payload else []

    @property
    def error(self) -> Told | None:
        return told(self.workflow.error) if self.with_payload else None

    @property
    def columns(self) -> list[tuple[str, Any]]:
        """The row as it is stored, without payloads."""
        hidden = {"input", "output", "error"}
        fields = [field for field in self.workflow._meta.concrete_fields if field.attname not in hidden]
        return [(field.attname, plain(getattr(self.workflow, field.attname))) for field in fields]

    @property
    def find_pairs(self) -> list[tuple[str, str]]:
        """What the search for a step keeps of the address."""
        return [pair for pair in self.asked.pairs() if pair[0] not in ("find", "after")]

    @property
    def more_facts(self) -> str:
        return self.asked.link(facts="all")

    @property
    def closed(self) -> str:
        """The address without the inspector."""
        return self.asked.link(step="", whole="")

    @property
    def opens(self) -> str:
        """The page of the workflow that the selected slot speaks of, "" when it speaks of none."""
        child = self.story.child_of(self.asked.step)
        return reverse("durable_dashboard:workflow", args=[child]) if child else ""

    @property
    def step_deeds(self) -> list[tuple[str, str, str]]:
        """What this person may do from the selected slot on: word, icon, address."""
        step = self.asked.step
        if self.deeds is None or not step.isdigit() or self.story.slot(step) is None:
            return []
        words = {"fork": "Fork from here…", "rewind": "Rewind to here…"}
        every = [deed for deeds in self.deeds for deed in deeds]
        return [(words[each.name], each.icon, each.address) for each in every if each.name in words and each.is_open]

    @property
    def reads(self) -> str:
        """The page of the stream that the selected slot wrote to, "" when it wrote to none."""
        slot = self.story.slot(self.asked.step)
        if slot is None or slot.kind != Kind.STREAM:
            return ""
        key = self.story.hints(slot.workflow).keys.get(slot.seq)
        return "" if key is None else reverse("durable_dashboard:stream", args=[slot.workflow, key])

    @property
    def show_all(self) -> dict[str, str]:
        """Addresses that show a payload beyond the first 64 KiB, by its name."""
        return {name.capitalize(): self.asked.link(whole=name) for name in ("input", "output") if not self.asked.whole}


def plain(value: Any) -> str | None:
    """A column as text: moments in ISO 8601, JSON as JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return None if value is None else str(value)
