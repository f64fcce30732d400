"""The cause of a workflow's state as a sentence: first what happened, then the evidence, then what comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from durable.models import INTERNAL_QUEUE

from .causes import first_line
from .lanes import is_timer, next_slot, timer_of
from .partitions import AT_LIMIT
from .phrases import ago, ahead, dated, from_stamp, long, times
from .story import Slot, Story
from .traces import told
from .wording import plural, point


def why(story: Story, with_payload: bool) -> SafeString:
    """The cause in words. Messages of errors are payload; without the right to see them only their types are named."""
    key = story.workflow.phase.key
    if key in ("message", "event", "stream", "child", "sleeping", "backoff") and story.workflow.run_after is not None:
        key = "ready"
    return CAUSES[key](story, with_payload)


def workflow_link(pk: str, text: str | None = None) -> SafeString:
    """A link to the page of a workflow."""
    href = reverse("durable_dashboard:workflow", args=[pk])
    return format_html('<a class="d-link" href="{}">{}</a>', href, text or pk)


def named(slot: Any) -> SafeString:
    return format_html("<b>Step {} <code>{}</code></b>", slot.seq, slot.name)


def _bold(text: str) -> SafeString:
    return format_html("<b>{}</b>", text)


def sentences(*parts: Any) -> SafeString:
    return format_html_join(" ", "{}", ((part,) for part in parts if part))


def kept(story: Story, but: int | None = None) -> str:
    """What will not run again."""
    numbers = [slot.seq for slot in story.slots if slot.seq != but and not is_timer(slot)]
    count = story.workflow.steps_count - (len(story.slots) - len(numbers))
    if count <= 0:
        return "No other step is recorded." if but else "No step is recorded."
    if count == 1:
        return f"Step {numbers[0]} is recorded and will not run again." if numbers else "One step is recorded."
    last = next_slot(slot.seq for slot in story.slots if slot.seq != but) - 1
    if story.is_whole and numbers[-1] <= last:
        return f"Steps 1 {'and' if last == 2 else 'to'} {last:,} are recorded and will not run again."
    return f"{plural(count, 'step is', 'steps are')} recorded and will not run again."


def gap_of(story: Story) -> str:
    """Why nobody would take it, as a clause; "" when someone would."""
    own = story.workflow
    return story.coverage.gap(own.queue, own.name, own.version)


def _queued(story: Story, with_payload: bool) -> SafeString:
    own, queue = story.workflow, story.queue
    where = "no queue" if own.queue == INTERNAL_QUEUE else own.queue
    since = format_html("It has waited {}.", long((story.now - (own.run_after or own.created_at)).total_seconds()))
    if gap := gap_of(story):
        return sentences(
            format_html("<b>Queued, and {}.</b>", gap),
            since, "It starts with the first executor that can run it; nothing is lost until then.",
        )  # fmt: skip
    if queue and queue.paused:
        begin = format_html("<b>Queued: queue <code>{}</code> is paused.</b>", where)
        return sentences(begin, since, "It starts when the queue goes on.")
    if queue and queue.concurrency is not None and story.placed is not None and story.placed >= queue.concurrency:
        return sentences(_places(queue, where), since, _ahead(story))
    if queue and queue.rate_limit is not None and len(queue.starts) >= queue.rate_limit:
        rate = f"{queue.rate_limit:,} starts in {long(queue.rate_period or 0)}"
        begin = format_html("<b>Queued in <code>{}</code></b>, which allows {}.", where, rate)
        return sentences(begin, since, _ahead(story))
    if story.partition and story.partition.holds:
        words = "<b>Queued in <code>{}</code>: partition <code>{}</code> is at its {}.</b>"
        limit = "limit" if story.partition.holds == AT_LIMIT else "rate limit"
        return sentences(format_html(words, where, story.partition.key or "without a key", limit), since, _ahead(story))
    if own.queue == INTERNAL_QUEUE:
        return sentences(_bold("Waits for an executor with room."), since, _ahead(story))
    begin = format_html("<b>Queued in <code>{}</code></b>, waits for an executor with room.", where)
    return sentences(begin, since, _ahead(story))


def _places(queue: Any, where: str) -> SafeString:
    if queue.concurrency == 1:
        return format_html("<b>Queued: the only place of <code>{}</code> is in use.</b>", where)
    return format_html("<b>Queued: all {} places of <code>{}</code> are in use.</b>", f"{queue.concurrency:,}", where)


def _ahead(story: Story) -> str:
    if story.ahead is None:
        return ""
    if story.ahead == 0:
        return "It is next."
    count = "10,000+" if story.ahead > 10_000 else f"{story.ahead:,}"
    return f"{count} {'stands' if story.ahead == 1 else 'stand'} before it."


def _unserved(story: Story, with_payload: bool) -> SafeString:
    gap = gap_of(story)
    if not gap:
        return sentences(_bold("An executor that can run it is back."), "It goes on within half a minute.")
    return sentences(
        format_html("<b>Set aside for now: {}.</b>", gap),
        "It goes on with the first executor that can run it; nothing is lost until then.",
    )


def _delayed(story: Story, with_payload: bool) -> SafeString:
    due = story.workflow.wake_at
    if due is None or due <= story.now:
        return sentences(_bold("Due now."), "It joins its queue in a moment.")
    begin = format_html("<b>Starts {}</b>, {}.", dated(due), ahead(due, story.now))
    return sentences(begin, "Until then it only waits.")


def _running(story: Story, with_payload: bool) -> SafeString:
    own, where = story.workflow, story.label(story.workflow.executor)
    if own.executor not in {executor.pk for executor in story.living}:
        return sentences(
            format_html("<b>Its executor {} is lost.</b>", where),
            "Another takes it over in a moment and goes on after the last recorded step.",
        )
    recorded = {slot.seq for slot in story.slots}
    act = next((act for act in story.activity if act["seq"] not in recorded), None)
    open_tries = [tries for seq, tries in sorted(story.tries_of(own.pk).items()) if seq not in recorded]
    if open_tries:
        last = open_tries[0][-1]
        return sentences(
            format_html("{} <b>is in attempt {}</b> on {}.", named(last), last.n + 1, where),
            _failure("Attempt " + str(last.n), last.text, with_payload),
        )
    if act:
        since = act.get("since")
        spent = f", for {long(story.now.timestamp() - since)}" if since is not None else ""
        words = "<b>Step {} <code>{}</code> runs</b> on {}{}."
        return format_html(words, act["seq"], act.get("step") or "", where, spent)
    if not story.slots:
        return format_html("<b>Runs on {}.</b> No step is recorded yet.", where)
    free = next_slot(recorded)
    if timer_of(story.slots, free):
        return format_html("<b>Step {} waits</b> in the memory of {}{}.", free, where, _limit(story))
    last = story.slots[-1]
    if last.completed_at > story.now:
        due = point(last.completed_at, story.now)
        return format_html("<b>Asleep until {}</b>, in the memory of {}.", due, where)
    return sentences(
        format_html("<b>Runs on {}</b>, after step {} <code>{}</code>,", where, last.seq, last.name),
        format_html("which was recorded {}.", ago(min(last.completed_at, story.now), story.now)),
    )


def _failure(what: str, text: str, with_payload: bool) -> SafeString:
    return format_html("{} failed with <code>{}</code>.", what, failure_of(text, with_payload))


def failure_of(text: str | None, with_payload: bool) -> str:
    """Type and, with the right to see payloads, message of a recorded error, of which `text` may be only the head."""
    error = told(text)
    if error is None:
        return ""
    if not error.raw:
        return error.sentence if with_payload else error.type
    kind, message = _head(text)
    return f"{kind}: {message}" if message and with_payload else kind


def _head(text: str | None) -> tuple[str, str]:
    kind = (text or "").partition('"type":')[2].strip()[1:].partition('"')[0]
    return kind or "an error", first_line(text)


def _sleeping(story: Story, with_payload: bool) -> SafeString:
    due = story.workflow.wake_at
    if due is None:
        return _bold("Asleep.")
    return sentences(
        format_html("<b>Asleep until {}</b>, {}.", dated(due), ahead(due, story.now)),
        "The time is recorded and does not move; no executor and no memory is used.",
    )


def _message(story: Story, with_payload: bool) -> SafeString:
    topic = about(story)
    what = format_html("a message on <code>{}</code>", topic) if topic else "a message without a topic"
    return sentences(format_html("<b>Parked for {}</b>{}.", what, _limit(story)), kept(story))


def _event(story: Story, with_payload: bool) -> SafeString:
    owner, _, key = about(story).rpartition("/")
    what = format_html("event <code>{}</code> of {}", key, workflow_link(owner))
    return sentences(format_html("<b>Parked for {}</b>{}.", what, _limit(story)), kept(story))


def _stream(story: Story, with_payload: bool) -> SafeString:
    owner, _, key = about(story).rpartition("/")
    what = format_html("stream <code>{}</code> of {}", key, workflow_link(owner))
    return sentences(format_html("<b>Parked for {}</b>{}.", what, _limit(story)), kept(story))


def _child(story: Story, with_payload: bool) -> SafeString:
    pk = about(story)
    child = story.children.get(pk)
    name = f"{child.name} {pk}" if child else pk
    stands = f"It is {child.phase.word.lower()}." if child else "It is not there any more."
    return sentences(format_html("<b>Parked until {} ends</b>{}.", workflow_link(pk, name), _limit(story)), stands)


def _limit(story: Story) -> str:
    """Until when a wait lasts at most: its deadline is a slot of its own, right after the one that waits."""
    free = next_slot(slot.seq for slot in story.slots)
    timer = timer_of(story.slots, free)
    if timer is None or timer.wake is None:
        return ""
    limit = from_stamp(timer.wake)
    return f" until {point(limit, story.now)}, {ahead(limit, story.now)}"


def _backoff(story: Story, with_payload: bool) -> SafeString:
    own = story.workflow
    recorded = {slot.seq for slot in story.slots}
    open_tries = [tries for seq, tries in sorted(story.tries_of(own.pk).items()) if seq not in recorded]
    again = f"{point(own.wake_at, story.now)}, {ahead(own.wake_at, story.now)}" if own.wake_at else "soon"
    if not open_tries:
        return format_html("<b>Step <code>{}</code> is tried again</b> at {}.", about(story), again)
    last = open_tries[0][-1]
    return sentences(
        format_html("{} <b>failed {}</b>; attempt {} starts at {}.", named(last), times(last.n), last.n + 1, again),
        _failure(f"Attempt {last.n}", last.text, with_payload),
    )


def _ready(story: Story, with_payload: bool) -> SafeString:
    if gap := gap_of(story):
        return sentences(format_html("<b>Due to go on, but {}.</b>", gap), kept(story))
    return sentences(_bold("Due to go on."), "An executor takes it in a moment.", kept(story))


def _success(story: Story, with_payload: bool) -> SafeString:
    own = story.workflow
    retried = sum(1 for slot in story.slots if slot.attempts > 1)
    notes = [plural(own.steps_count, "step")] if own.steps_count else ["no steps"]
    notes += [f"{plural(retried, 'step')} needed more than one attempt"] if retried else []
    if own.recovery_attempts:
        notes.append(f"{plural(own.recovery_attempts, 'executor was', 'executors were')} lost on the way")
    when = ago(own.completed_at, story.now) if own.completed_at else ""
    return format_html("<b>Ended {} with its result recorded</b>: {}.", when, ", ".join(notes))


def _failed(story: Story, with_payload: bool) -> SafeString:
    own = story.workflow
    error = told(own.error)
    when = f"{point(own.completed_at, story.now)}, {ago(own.completed_at, story.now)}" if own.completed_at else ""
    step = failing(story, error)
    inner = error.errors[-1] if error and error.errors else error
    kind = inner.type if inner else own.error_type or "an error"
    what = inner.sentence if inner and with_payload else kind
    if own.error_type == "NonDeterminism":
        told_all = error.message if error and with_payload else kind
        return sentences(format_html("<b>The code no longer fits the journal.</b> {}", told_all), kept(story))
    if step is None:
        begin = format_html("<b>The workflow’s own code raised</b> <code>{}</code>, {}.", what, when)
        return sentences(begin, kept(story))
    tries = max(step.attempts, 1)
    count = f"failed {times(tries)}" if tries > 1 else "failed"
    last = "last on " if tries > 1 else ""
    words = "<b>Step {} <code>{}</code> {}</b> with <code>{}</code>, {}{}."
    begin = format_html(words, step.seq, step.name, count, what, last, when)
    return sentences(begin, kept(story, step.seq))


def failing(story: Story, error: Any) -> Slot | None:
    """The step whose recorded error ended the workflow: the newest that failed, if its error is of that type."""
    if error is None:
        return None
    failed = [slot for slot in story.slots if slot.has_error]
    newest = max(failed, key=lambda slot: slot.completed_at, default=None)
    if newest is None or any(slot.seq > newest.seq and not is_timer(slot) for slot in story.slots):
        return None
    return newest


def _cancelled(story: Story, with_payload: bool) -> SafeString:
    own = story.workflow
    when = f"{point(own.completed_at, story.now)}, {ago(own.completed_at, story.now)}" if own.completed_at else ""
    entry = next((one for one in story.audit if one.action == "cancel" and one.detail.get("changed", True)), None)
    late = own.timeout and own.started_at and own.completed_at
    if entry:
        who = format_html("<b>Cancelled by {}</b> from the {}, {}.", entry.actor, entry.source, when)
    elif late and (own.completed_at - own.started_at).total_seconds() >= own.timeout:
        who = format_html("<b>Cancelled: its timeout of {} passed</b>, {}.", long(own.timeout), when)
    elif own.parent and (parent := story.children.get(own.parent)) and parent.status == own.status:
        who = format_html("<b>Cancelled with its parent {}</b>, {}.", workflow_link(parent.pk, parent.name), when)
    else:
        who = format_html("<b>Cancelled</b> {}.", when)
    return sentences(who, kept(story))


def _dead(story: Story, with_payload: bool) -> SafeString:
    own = story.workflow
    count = own.recovery_attempts
    lost = [owner for owner in story.owners if owner.outcome == "lost"]
    last = f"The last was {story.label(lost[-1].executor)}, {ago(lost[-1].ended_at, story.now)}." if lost else ""
    seq = next_slot(slot.seq for slot in story.slots)
    begin = format_html("<b>Set aside after {}</b> of executors that held it.", plural(count, "crash", "crashes"))
    return sentences(begin, last, f"What runs at step {seq} may be what kills them.", kept(story))


def about(story: Story) -> str:
    return (story.workflow.waiting_for or "").partition(":")[2]


CAUSES: dict[str, Callable[[Story, bool], SafeString]] = {
    "queued": _queued, "unserved": _unserved, "delayed": _delayed, "running": _running, "sleeping": _sleeping,
    "message": _message, "event": _event, "stream": _stream, "child": _child, "backoff": _backoff, "ready": _ready,
    "success": _success, "failed": _failed, "cancelled": _cancelled, "dead": _dead,
}  # fmt: skip
