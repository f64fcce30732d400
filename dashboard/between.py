"""What happened between the steps: claims and losses, messages, wake-ups, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html

from durable.models import Attempt, Kind

from .lanes import is_timer
from .phrases import fine, from_stamp, long, took
from .story import Story
from .why import workflow_link

MOST = 60
OUTCOMES = {
    Attempt.Outcome.RELEASED: ("right", "", "<b>{}</b> let it go {}"),
    Attempt.Outcome.FAILED: ("failed", "failed", "The run on <b>{}</b> failed {}"),
    Attempt.Outcome.CANCELLED: ("cancelled", "cancelled", "Stopped while <b>{}</b> held it {}"),
    Attempt.Outcome.RESUMED: ("resume", "", "Resumed; <b>{}</b> had held it {}"),
}
DONE = {
    "cancel": "cancelled it", "resume": "resumed it", "start": "started it", "fork": "forked it",
    "restart": "restarted it", "rewind": "rewound it", "send": "sent it a message", "delay": "changed its delay",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    at: datetime
    icon: str
    hue: str
    text: Any

    @property
    def clock(self) -> str:
        return fine(self.at)


def log(story: Story) -> list[Entry]:
    """The newest entries, oldest first."""
    entries = [*_start(story), *_owners(story), *_messages(story), *_wakes(story), *_people(story)]
    return sorted(entries, key=lambda entry: entry.at)[-MOST:]


def _start(story: Story) -> Iterator[Entry]:
    own = story.workflow
    if own.started_at is None:
        return
    waited = took((own.started_at - own.created_at).total_seconds())
    where = f"in {own.queue_name}" if own.queue_name else "without a queue"
    first = own.executor if own.epoch <= 1 else next((o.executor for o in story.owners if o.epoch == 1), None)
    who = format_html("<b>{}</b> took it", story.label(first)) if first else "An executor took it"
    yield Entry(own.started_at, "running", "", format_html("{} after {} {}", who, waited, where))


def _owners(story: Story) -> Iterator[Entry]:
    for owner in story.owners:
        epoch = format_html('<span class="d-3">(epoch {})</span>', owner.epoch)
        held = owner.executor or (story.workflow.executor if owner.epoch == story.workflow.epoch else None)
        label = story.label(held) or "an executor"
        if owner.outcome == Attempt.Outcome.LOST:
            yield Entry(owner.ended_at, "lost", "failed", _lost(story, owner, label, epoch))
        elif owner.outcome in OUTCOMES:
            icon, hue, words = OUTCOMES[Attempt.Outcome(owner.outcome)]
            text = format_html(words, label, epoch)
            detail = f": {owner.detail[:200]}" if owner.detail else ""
            yield Entry(owner.ended_at, icon, hue, format_html("{}{}", text, detail))


def _lost(story: Story, owner: Attempt, label: str, epoch: Any) -> Any:
    executor = story.executors.get(owner.executor or "")
    beat = ""
    if executor is not None and story.workflow.created_at <= executor.heartbeat_at <= owner.ended_at:
        beat = f", no heartbeat for {long((owner.ended_at - executor.heartbeat_at).total_seconds())}"
    replayed = sum(1 for slot in story.slots if slot.completed_at <= owner.ended_at)
    more = f"; {replayed:,} recorded step{'s' if replayed != 1 else ''} did not run again" if replayed else ""
    return format_html("<b>{} lost</b>{} {}{}", label, beat, epoch, more)


def _messages(story: Story) -> Iterator[Entry]:
    for message in story.messages:
        if message.workflow_id != story.workflow.pk:
            continue
        topic = format_html("on <b>{}</b>", message.topic) if message.topic else "without a topic"
        sender = format_html(" from {}", workflow_link(message.sender)) if message.sender else ""
        taken = f"; slot {message.consumed_seq} took it" if message.consumed_seq else "; nobody has taken it"
        yield Entry(message.created_at, "message", "", format_html("Message {}{}{}", topic, sender, taken))


def _wakes(story: Story) -> Iterator[Entry]:
    for slot in story.slots:
        wake = slot.wake
        if slot.kind != Kind.SLEEP or wake is None or is_timer(slot) or slot.seconds < 60:
            continue
        if wake > story.now.timestamp():
            continue
        later = [other for other in story.slots if other.seq > slot.seq]
        later += [one for (owner, _), tries in story.tries.items() if owner == slot.workflow for one in tries]
        after = [other.started_at.timestamp() - wake for other in later]
        late = min((gap for gap in after if gap >= 0), default=0.0)
        how = "on time" if late < 2 else f"and went on {long(late)} later"
        yield Entry(from_stamp(wake), "sleeping", "", format_html("Woke from slot {} {}", slot.seq, how))


def _people(story: Story) -> Iterator[Entry]:
    for entry in story.audit:
        if not entry.detail.get("changed", True):
            continue
        words = DONE.get(entry.action, entry.action)
        yield Entry(entry.at, "user", "", format_html("<b>{}</b> {} from the {}", entry.actor, words, entry.source))
