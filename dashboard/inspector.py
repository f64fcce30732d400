"""The inspector: one slot, or the workflow itself, with its attempts and payloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.html import format_html

from durable.models import Kind

from .asked import Asked
from .jsontree import Payload, payload
from .lanes import Lane, is_timer
from .phrases import dated, fine, fold, from_stamp, took
from .story import Slot, Story
from .traces import Told, told
from .why import failure_of, workflow_link

KINDS: dict[str, str] = {
    Kind.STEP: "step, runs at least once, recorded once",
    Kind.TRANSACTION: "transaction, its writes and its record commit together",
    Kind.SLEEP: "durable sleep",
    Kind.SEND: "sends a message",
    Kind.RECV: "receives a message",
    Kind.SET_EVENT: "sets an event",
    Kind.GET_EVENT: "reads an event",
    Kind.CHILD: "starts a workflow",
    Kind.RESULT: "waits for a workflow",
    Kind.STREAM: "writes to a stream",
    Kind.READ_STREAM: "reads a stream",
    Kind.PATCH: "asks for a patch of the code",
    Kind.MANAGE: "manages workflows",
}


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt of the slot."""

    n: int
    hue: str
    word: str
    summary: str
    took: str
    error: Told | None = None


@dataclass(slots=True)
class Inspected:
    """What the inspector shows. `pairs` are its facts, payloads are None without the right to see them."""

    key: str
    name: str
    hue: str
    icon: str
    word: str
    between: str = ""
    pairs: list[tuple[str, Any]] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    payloads: list[Payload] = field(default_factory=list)
    error: Told | None = None
    hidden: bool = False
    """Whether there are payloads that this person may not see."""
    before: str = ""
    after: str = ""


def inspect(story: Story, asked: Asked, lanes: Sequence[Lane], with_payload: bool) -> Inspected | None:
    """The slot that `asked` selects, or None when there is none with this number."""
    if not asked.step:
        return None
    found: Inspected | None
    if asked.step == "0":
        found = _workflow(story, with_payload)
    else:
        found = _recorded(story, asked.step, with_payload) or _unrecorded(story, asked.step, lanes, with_payload)
    if found is not None:
        keys = ["0", *(lane.key for lane in lanes)]
        place = keys.index(found.key) if found.key in keys else 0
        found.before = asked.link(step=keys[place - 1]) if place else ""
        found.after = asked.link(step=keys[place + 1]) if place + 1 < len(keys) else ""
    return found


def _workflow(story: Story, with_payload: bool) -> Inspected:
    own = story.workflow
    phase = own.phase
    found = Inspected("0", own.name, phase.hue, phase.icon, phase.word)
    end = dated(own.completed_at) if own.completed_at else "now"
    found.between = f"{dated(own.created_at)} to {end}"
    found.pairs = [("Kind", "workflow"), ("Id", format_html('<span class="d-id">{}</span>', own.pk))]
    if own.class_name or own.config_name:
        found.pairs.append(("Class", ".".join(part for part in (own.class_name, own.config_name) if part)))
    if own.traceparent:
        found.pairs.append(("Trace", format_html('<span class="d-id">{}</span>', own.traceparent)))
    found.hidden = not with_payload
    if with_payload:
        found.payloads = payloads_of(own)
        found.error = told(own.error)
    elif own.error_type:
        found.pairs.append(("Error", format_html("<code>{}</code>", own.error_type)))
    return found


def payloads_of(own: Any) -> list[Payload]:
    """Input and output of a workflow as far as they were read."""
    read = (payload("Input", own.input_text, own.input_size), payload("Output", own.output_text, own.output_size))
    return [one for one in read if one is not None and (one.size or one.name == "Output")]


def _recorded(story: Story, key: str, with_payload: bool) -> Inspected | None:
    slot = story.slot(key)
    if slot is None:
        return None
    failed = story.tries.get((slot.workflow, slot.seq), [])
    attempts = max(slot.attempts, len(failed))
    word = "Failed" if slot.has_error else "Succeeded" if slot.kind in (Kind.STEP, Kind.TRANSACTION) else "Recorded"
    word += f" on attempt {attempts}" if attempts > 1 else ""
    hue = "failed" if slot.has_error else "success"
    found = Inspected(key, slot.name, hue, hue, word)
    begun = min([slot.started_at, *(one.started_at for one in failed)])
    asleep = slot.kind == Kind.SLEEP and not is_timer(slot) and slot.completed_at > story.now
    if asleep:
        found.hue, found.icon, found.word = "parked", "sleeping", "Sleeping"
    found.between = f"{fine(begun)} to {fine(slot.completed_at)}"
    found.pairs = list(_pairs(story, slot))
    found.hidden = not with_payload
    if attempts > 1:
        found.tries = _tries(slot, failed, with_payload)
    elif slot.error and with_payload:
        found.error = told(slot.error)
    if with_payload:
        found.payloads = _payloads(slot)
    return found


def _payloads(slot: Slot) -> list[Payload]:
    if slot.text is None:
        return []
    total = slot.size - len(slot.error or "") if slot.size else None
    shown = payload("Output", slot.text, max(total or 0, len(slot.text)))
    return [shown] if shown else []


def _pairs(story: Story, slot: Slot) -> Any:
    yield "Kind", f"the timeout of slot {slot.seq - 1}" if is_timer(slot) else KINDS.get(slot.kind, slot.kind)
    if slot.wake is not None:
        yield "Until", f"{dated(from_stamp(slot.wake))}, {fold(slot.wake - slot.started_at.timestamp())}"
    if slot.child:
        child = story.children.get(slot.child)
        link = workflow_link(slot.child, child.name if child else slot.child)
        yield "Workflow", format_html('{} <span class="d-3">{}</span>', link, child.phase.word if child else "deleted")
    hints = story.hints(slot.workflow)
    if slot.kind == Kind.RECV:
        yield "Topic", hints.topics.get(slot.seq) or "none"
    if slot.seq in hints.keys:
        yield ("Stream" if slot.kind == Kind.STREAM else "Event"), hints.keys[slot.seq]
    yield "Ran on", _place(story, slot)
    if slot.kind in (Kind.STEP, Kind.TRANSACTION):
        key = f"{slot.workflow}{_generation(story, slot)}:{slot.seq}"
        yield "Key", format_html('<span class="d-id">{}</span>', key)


def _generation(story: Story, slot: Slot) -> str:
    own = story.workflow if slot.workflow == story.workflow.pk else story.children.get(slot.workflow)
    return f".{own.generation}" if own is not None and own.generation else ""


def _place(story: Story, slot: Slot) -> str:
    """The executor is known for the last epoch and for those that ended badly; an orderly parking leaves no row."""
    own, executor = story.workflow, None
    if slot.workflow == own.pk:
        ended = next((owner.executor for owner in story.owners if owner.epoch == slot.epoch), None)
        executor = own.executor if slot.epoch == own.epoch else ended
    label = story.label(executor)
    return f"{label}, epoch {slot.epoch}" if label else f"epoch {slot.epoch}"


def _tries(slot: Slot, failed: list[Any], with_payload: bool) -> list[Try]:
    made = [_failed(one, with_payload) for one in failed]
    if slot.attempts > (failed[-1].n if failed else 0):
        begun = slot.started_at
        if failed and failed[-1].ended_at > begun:
            begun = failed[-1].ended_at
        error = told(slot.error) if slot.has_error and with_payload else None
        word, hue = ("Failed", "failed") if slot.has_error else ("Succeeded", "success")
        summary = error.sentence if error else f"recorded as slot {slot.seq}"
        exact = not failed or slot.started_at >= failed[-1].ended_at
        span = took((slot.completed_at - begun).total_seconds())
        made.append(Try(slot.attempts, hue, word, summary, span if exact else f"≤ {span}", error))
    return made


def _failed(one: Any, with_payload: bool) -> Try:
    error = told(one.text)
    shown = failure_of(one.text, with_payload)
    span = took((one.ended_at - one.started_at).total_seconds())
    return Try(one.n, "failed", "Failed", shown, span, error if with_payload and error and not error.raw else None)


def _unrecorded(story: Story, key: str, lanes: Sequence[Lane], with_payload: bool) -> Inspected | None:
    lane = next((lane for lane in lanes if lane.key == key and not lane.recorded), None)
    if lane is None:
        return None
    phase = story.workflow.phase
    found = Inspected(key, f"{lane.name} {lane.detail}".strip(), phase.hue, phase.icon, phase.word, lane.sentence)
    found.pairs = [("Kind", "not recorded yet: no slot is decided")]
    failed = story.tries.get((story.workflow.pk, int(key)), []) if key.isdigit() else []
    found.tries = [_failed(one, with_payload) for one in failed]
    found.hidden = bool(failed) and not with_payload
    return found
