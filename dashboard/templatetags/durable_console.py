"""What the templates of the console say: icons, statuses, moments, spans, ids."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from durable.errors import InvalidOption
from durable.filters import WorkflowFilter
from durable.models import Workflow
from durable.states import PHASES, Phase

from .. import wording
from ..access import allowed
from ..console import Console, console_of

register = template.Library()


@register.simple_tag(takes_context=True)
def console(context: template.RequestContext) -> Console:
    """`{% console as console %}`: what the page knows about its request."""
    return console_of(context.request)


@register.simple_tag(takes_context=True)
def may(context: template.RequestContext, right: str) -> bool:
    """`{% may "operate" as can_operate %}`: whether this person has the right."""
    return allowed(context.request, right)


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite, hidden from screen readers: a word always stands beside it."""
    sprite = static("durable/icons.svg")
    more = f" {classes}" if classes else ""
    return format_html('<svg class="d-i{}" aria-hidden="true"><use href="{}#{}"/></svg>', more, sprite, name)


@register.simple_tag
def status(of: Workflow | Phase | str, tag: str = "span") -> SafeString:
    """Hue, icon and word of a workflow, a phase or the key of one; the sentence is the tooltip."""
    phase = of.phase if isinstance(of, Workflow) else PHASES[of] if isinstance(of, str) else of
    return format_html(
        '<{} class="d-st d-s-{}" title="{}">{}{}</{}>',
        tag, phase.hue, phase.sentence, icon(phase.icon), phase.word, tag,
    )  # fmt: skip


@register.simple_tag
def badge(hue: str, icon_name: str, word: str, title: str = "") -> SafeString:
    """A status of something other than a workflow: an executor, a queue, a check."""
    return format_html('<span class="d-st d-s-{}" title="{}">{}{}</span>', hue, title, icon(icon_name), word)


def time_tag(moment: datetime | None, text: str, tick: str = "") -> SafeString:
    if moment is None:
        return format_html('<span class="d-3">{}</span>', "–")
    ticking = format_html(' data-tick="{}"', tick) if tick else ""
    exact = timezone.localtime(moment).isoformat(timespec="milliseconds")
    return format_html('<time datetime="{}" title="{}"{}>{}</time>', exact, wording.whole_point(moment), ticking, text)


@register.filter
def moment(value: datetime | None) -> SafeString:
    """An absolute time: "14:32:05", "Sat 14:05:52", in full as the tooltip."""
    return time_tag(value, wording.point(value) if value else "")


@register.filter
def clock(value: datetime) -> SafeString:
    """A time of today with its zone: "14:32:07 UTC"."""
    here = timezone.localtime(value)
    return time_tag(value, f"{here:%H:%M:%S} {here.tzname()}")


@register.filter
def ago(value: datetime | None) -> SafeString:
    """How long since a moment, ticking: "42 s ago"."""
    return time_tag(value, f"{wording.rough(timezone.now() - value)} ago" if value else "", "ago")


@register.filter
def since(value: datetime | None) -> SafeString:
    """The length since a moment, ticking: "1 m 48 s"."""
    return time_tag(value, wording.span(timezone.now() - value) if value else "", "since")


@register.filter
def until(value: datetime | None) -> SafeString:
    """The length until a moment, ticking: "3 h 04 m"."""
    return time_tag(value, wording.rough(value - timezone.now()) if value else "", "until")


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A length of time: "38 ms", "8.41 s", "1 d 0 h 41 m"."""
    return wording.span(value)


@register.filter
def short(value: str) -> SafeString:
    """An id that is cut to fit a column, whole as the tooltip."""
    return format_html('<span title="{}">{}</span>', value, wording.brief(value))


@register.filter
def filesize(value: int | None) -> str:
    """Bytes with a unit: "4.2 KB"."""
    return wording.size(value)


@register.filter
def count(value: int) -> str:
    """A figure with thousands: "1,482"."""
    return f"{value:,}"


@register.filter
def tag_links(attributes: Any) -> list[tuple[str, str]]:
    """Each tag with the address of the list of all workflows that have it, "" for one that cannot be looked up."""
    if not isinstance(attributes, dict):
        return []
    return list(zip(tags(attributes), map(all_with, attributes.items()), strict=True))


def all_with(attribute: tuple[str, Any]) -> str:
    """The address of the list of all workflows with an attribute, "" for one that no database can look up."""
    try:
        chosen = WorkflowFilter.of(attributes=[attribute])
    except InvalidOption:
        return ""
    return f"{reverse('durable_dashboard:workflows')}?{chosen.to_query()}"


@register.filter
def tags(attributes: Any) -> list[str]:
    """The attributes of a workflow as short tags: "region:eu", "vip"."""
    if not isinstance(attributes, dict):
        return []
    return [key if value is True else f"{key}:{value}" for key, value in attributes.items()]
