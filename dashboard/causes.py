"""Why a workflow is where it is, in one line for a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from django.db.models.functions import Substr
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from durable.models import AuditEntry, Executor, Queue, Workflow
from durable.states import Status

from .census import PARKED, Coverage
from .templatetags.durable_console import moment, until
from .wording import brief, plural, span

HEAD = 4000
"""Characters of an error that are read for its first line."""
MESSAGE = re.compile(r'"message":\s*("(?:[^"\\]|\\.)*)')


class Causes:
    """Says the cause of each of some workflows. What it asks of the database, it asks once for all of them."""

    def __init__(self, alias: str, living: list[Executor], serving: list[Executor], queues: Iterable[Queue]):
        self.alias = alias
        self.living = {executor.pk: executor for executor in living}
        self.coverage = Coverage(serving)
        self.paused = {queue.name for queue in queues if queue.paused}
        self.activity = {
            entry.get("workflow"): entry
            for executor in living
            for entry in executor.activity
            if isinstance(entry, dict)
        }
        self.messages: dict[str, str] = {}
        self.cancellers: dict[str, str] = {}

    def look_up(self, workflows: Iterable[Workflow], with_payload: bool) -> None:
        """Read what the causes of ended workflows need: first lines of errors (a payload), and who cancelled."""
        failed = [w.pk for w in workflows if w.status == Status.ERROR]
        if failed and with_payload:
            rows = Workflow.objects.using(self.alias).filter(pk__in=failed).annotate(head=Substr("error", 1, HEAD))
            self.messages = {pk: first_line(head) for pk, head in rows.values_list("pk", "head")}
        cancelled = [w.pk for w in workflows if w.status == Status.CANCELLED]
        if cancelled:
            rows = AuditEntry.objects.using(self.alias).filter(kind="workflow", target__in=cancelled, action="cancel")
            self.cancellers = dict(rows.order_by("id").values_list("target", "actor"))

    def of(self, workflow: Workflow) -> SafeString | str:
        """The cause of one workflow, "" where its status says all."""
        if workflow.phase.key in PARKED and workflow.run_after:
            return "What it waited for is there; an executor takes it in a moment"
        return getattr(self, f"_{workflow.phase.key}")(workflow)

    def _queued(self, workflow: Workflow) -> SafeString | str:
        if gap := self.coverage.gap(workflow.queue, workflow.name, workflow.version):
            return gap[0].upper() + gap[1:]
        if workflow.queue in self.paused:
            return f"Queue {workflow.queue} is paused"
        if workflow.queue_name is None:
            return "Waits for an executor with room"
        return f"Waits for room in {workflow.queue}" + (f", priority {workflow.priority}" if workflow.priority else "")

    def _unserved(self, workflow: Workflow) -> SafeString | str:
        gap = self.coverage.gap(workflow.queue, workflow.name, workflow.version)
        return gap[0].upper() + gap[1:] if gap else "An executor that knows it is back; it goes on in a moment"

    def _delayed(self, workflow: Workflow) -> SafeString | str:
        if workflow.wake_at is None or workflow.wake_at <= timezone.now():
            return "Due; it joins its queue in a moment"
        return format_html("Starts {}, in {}", moment(workflow.wake_at), until(workflow.wake_at))

    def _running(self, workflow: Workflow) -> SafeString | str:
        executor = self.living.get(workflow.executor or "")
        if executor is None:
            return f"Its executor {brief(workflow.executor or '')} is lost; another takes it over"
        if entry := self.activity.get(workflow.pk):
            return format_html("{} on {}", at_step(entry), executor.label)
        return f"On {executor.label}"

    def _sleeping(self, workflow: Workflow) -> SafeString | str:
        return format_html("Until {}", moment(workflow.wake_at)) if workflow.wake_at else ""

    def _message(self, workflow: Workflow) -> SafeString | str:
        topic = detail(workflow)
        what = format_html("Topic <code>{}</code>", topic) if topic else "A message without a topic"
        return within(what, workflow)

    def _event(self, workflow: Workflow) -> SafeString | str:
        # An id may hold slashes, a key may too; the first slash is the best that a display can do.
        owner, _, key = detail(workflow).rpartition("/")
        return within(format_html("Event <code>{}</code> of {}", key, brief(owner)), workflow)

    def _stream(self, workflow: Workflow) -> SafeString | str:
        owner, _, key = detail(workflow).rpartition("/")
        return within(format_html("Stream <code>{}</code> of {}", key, brief(owner)), workflow)

    def _child(self, workflow: Workflow) -> SafeString | str:
        # No timeout is shown: without one, `wake_at` is only when a sweep looks again.
        return f"Workflow {brief(detail(workflow), 24)}"

    def _backoff(self, workflow: Workflow) -> SafeString | str:
        step = detail(workflow)
        what = format_html("Step <code>{}</code>", step) if step else "A step"
        return format_html("{} again at {}", what, moment(workflow.wake_at)) if workflow.wake_at else what

    def _ready(self, workflow: Workflow) -> SafeString | str:
        gap = self.coverage.gap(workflow.queue, workflow.name, workflow.version)
        return gap[0].upper() + gap[1:] if gap else ""

    def _success(self, workflow: Workflow) -> SafeString | str:
        return ""

    def _failed(self, workflow: Workflow) -> SafeString | str:
        kind, text = workflow.error_type or "Error", self.messages.get(workflow.pk, "")
        return format_html("<code>{}</code> {}", kind, text)

    def _cancelled(self, workflow: Workflow) -> SafeString | str:
        if actor := self.cancellers.get(workflow.pk):
            return f"By {actor}"
        if workflow.deadline and workflow.completed_at and workflow.completed_at >= workflow.deadline:
            return f"Its timeout of {span(workflow.timeout)} passed" if workflow.timeout else "Its deadline passed"
        return ""

    def _dead(self, workflow: Workflow) -> SafeString | str:
        return f"{plural(workflow.recovery_attempts, 'crash', 'crashes')} of executors that held it"


def detail(workflow: Workflow) -> str:
    return (workflow.waiting_for or "").partition(":")[2]


def within(what: str, workflow: Workflow) -> SafeString:
    return format_html("{}, until {}", what, moment(workflow.wake_at)) if workflow.wake_at else format_html("{}", what)


def at_step(entry: dict[str, Any]) -> SafeString:
    """An entry of an executor's activity: "Step 2 charge", "Step 2 charge, attempt 3"."""
    words = format_html("Step {} <code>{}</code>", entry.get("seq", ""), entry.get("step") or entry.get("name") or "")
    attempt = entry.get("attempt")
    return format_html("{}, attempt {}", words, attempt) if isinstance(attempt, int) and attempt > 1 else words


def first_line(error: str | None) -> str:
    """The first line of the message of a recorded error, of which `error` may be only the beginning."""
    if not error or not (found := MESSAGE.search(error)):
        return ""
    text = found[1]
    while text:
        try:
            return next(iter(json.loads(f'{text}"').strip().splitlines()), "")[:200]
        except json.JSONDecodeError:  # cut inside an escape
            text = text[:-1]
    return ""
