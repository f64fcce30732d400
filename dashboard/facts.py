"""The key facts of a workflow, in the order in which people ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from durable.conf import conf
from durable.states import Status

from .phrases import ahead, dated, fold, tenths
from .story import MEASURED, Story
from .why import workflow_link
from .wording import plural, size, span


@dataclass(frozen=True, slots=True)
class Fact:
    """A term and what is known; `wide` takes two columns, `later` hides on phones until it is asked for."""

    term: str
    text: Any
    wide: bool = False
    later: bool = False


def facts(story: Story, parts: Mapping[str, float] | None) -> list[Fact]:
    """All facts. `parts` are the seconds of its life by kind, None when the journal is too long to add up."""
    return [
        _started(story), _ended(story), _took(story, parts), _queue(story), _version(story), _executor(story),
        _recovered(story), _accepted(story), _family(story), _timeout(story), _deduplication(story), _history(story),
    ]  # fmt: skip


def said(text: Any, aside: Any = "") -> Any:
    """A text and what is worth less ink."""
    return format_html('{} <span class="d-3">{}</span>', text, aside) if aside else text


def dotted(parts: list[Any]) -> Any:
    """Parts with a light dot between them."""
    dot = format_html(' <span class="d-3">{}</span> ', "·")
    return format_html_join(dot, "{}", ((part,) for part in parts))


def moment(then: datetime | None, otherwise: str) -> Any:
    if then is None:
        return format_html('<span class="d-3">{}</span>', otherwise)
    return format_html('<time datetime="{}">{}</time>', then.isoformat(timespec="milliseconds"), dated(then))


def _started(story: Story) -> Fact:
    own = story.workflow
    if own.status == Status.DELAYED and own.wake_at:
        return Fact("Delayed until", said(moment(own.wake_at, ""), ahead(own.wake_at, story.now)))
    return Fact("Started", moment(own.started_at, "not yet"))


def _ended(story: Story) -> Fact:
    own = story.workflow
    if own.completed_at is None and own.deadline:
        return Fact("Ends at the latest", moment(own.deadline, ""))
    return Fact("Ended", moment(own.completed_at, "not yet"))


def _took(story: Story, parts: Mapping[str, float] | None) -> Fact:
    own = story.workflow
    whole = span((own.completed_at or story.now) - own.created_at)
    term = f"Took {whole}" if own.is_finished else f"{whole} so far"
    if parts is None:
        return Fact(term, said("too many steps to add up", plural(own.steps_count, "step")), wide=True)
    order = ("ran", "queued", "lost", "parked") if own.started_at else ("queued",)
    shown = [name for name in order if name == "ran" or parts[name] >= 0.0005]
    words: list[Any] = [format_html("{} <b>{}</b>", name, tenths(parts[name])) for name in shown if name != "parked"]
    words += ["else parked"] if "parked" in shown else []
    return Fact(f"{term}, of which", dotted(words), wide=True)


def _queue(story: Story) -> Fact:
    own = story.workflow
    if own.queue_name is None:
        return Fact("Queue", said("none", f"priority {own.priority}" if own.priority else ""))
    link = format_html(
        '<a class="d-link" href="{}">{}</a>', reverse("durable_dashboard:queue", args=[own.queue]), own.queue
    )
    notes = [f"priority {own.priority}"] if own.priority else []
    notes += [f"partition {own.partition_key}"] if own.partition_key else []
    notes += ["holds a place"] if own.admitted and not own.is_finished else []
    return Fact("Queue", said(link, ", ".join(notes)))


def _version(story: Story) -> Fact:
    own = story.workflow
    if not own.version:
        return Fact("Version", said("", "none recorded"))
    served = {executor.definitions.get(own.name) for executor in story.living} - {None}
    note = ("served now" if own.version in served else "not what runs now") if served else ""
    shown = format_html('<span class="d-id" title="{}">{}</span>', own.version, own.version[:12])
    return Fact("Version", said(shown, note))


def _executor(story: Story) -> Fact:
    own = story.workflow
    term = "Executor" if own.executor and not own.is_finished else "Last executor"
    if own.executor is None:
        last = next((owner.executor for owner in reversed(story.owners) if owner.executor), None)
        label = story.label(last)
        return Fact("Last executor" if label else "Executor", said(label or "none", f"epoch {own.epoch}"))
    return Fact(term, said(story.label(own.executor), f"epoch {own.epoch}"))


def _recovered(story: Story) -> Fact:
    own = story.workflow
    most = own.max_recovery_attempts if own.max_recovery_attempts is not None else conf().MAX_RECOVERY_ATTEMPTS
    times = plural(own.recovery_attempts, "time") if own.recovery_attempts else "never"
    return Fact("Recovered", said(times, f"of {most:,}" if most is not None else "without limit"))


def _accepted(story: Story) -> Fact:
    own = story.workflow
    who = f"by {own.authenticated_user}" if own.authenticated_user else ""
    who += f" as {own.assumed_role}" if own.assumed_role else ""
    text = said(moment(own.created_at, ""), who.strip())
    if own.schedule:
        href = reverse("durable_dashboard:schedule", args=[own.schedule])
        text = format_html('{} by schedule <a class="d-link" href="{}">{}</a>', text, href, own.schedule)
    return Fact("Accepted", text, wide=True, later=True)


def _family(story: Story) -> Fact:
    own = story.workflow
    parts = []
    if own.parent:
        parent = story.children.get(own.parent)
        parts.append(format_html("parent {}", workflow_link(own.parent, parent.name if parent else own.parent)))
    if own.forked_from:
        parts.append(format_html("fork of {}", workflow_link(own.forked_from)))
    for part, count, words in (("parent", own.children_count, ("child", "children")),
                               ("forked_from", own.forks_count, ("fork", "forks"))):  # fmt: skip
        if count:
            href = f"{reverse('durable_dashboard:workflows')}?{part}={quote(own.pk, safe='')}"
            parts.append(format_html('<a class="d-link" href="{}">{}</a>', href, plural(count, *words)))
    text = dotted(parts)
    missing = ("" if own.parent else "no parent, ") + ("" if own.forked_from else "not a fork")
    return Fact("Family", said(text, missing.strip(", ") or ""), wide=True, later=True)


def _timeout(story: Story) -> Fact:
    own = story.workflow
    if own.timeout is None and own.deadline is None:
        return Fact("Timeout", said("", "none"), later=True)
    note = f"ends {ahead(own.deadline, story.now)}" if own.deadline and not own.is_finished else ""
    if own.timeout is not None and own.deadline is None and not own.is_finished:
        note = "from its start"
    return Fact("Timeout", said(fold(own.timeout) if own.timeout else "of its parent", note), later=True)


def _deduplication(story: Story) -> Fact:
    own = story.workflow
    key, holder = own.dedup_id or own.debounce_key, story.executors.get(own.executor or "")
    if not key and holder is not None and not own.is_finished:
        left = (holder.lease_until - story.now).total_seconds()
        return Fact("Lease", f"{left:,.0f} s left" if left > 0 else said("", "ended"), later=True)
    return Fact("Deduplication", format_html("<code>{}</code>", key) if key else said("", "none"), later=True)


def _history(story: Story) -> Fact:
    own = story.workflow
    rows = 1 + sum((own.steps_count, own.tries_count, own.owners_count, own.events_count, own.messages_count))
    note = ""
    if own.steps_count <= MEASURED:
        note = size(sum(slot.size for slot in story.slots) + (own.input_size or 0) + (own.output_size or 0))
    words = [plural(own.steps_count, "step"), plural(rows, "row"), *([note] if note else [])]
    return Fact("History", dotted(words), wide=True, later=True)
