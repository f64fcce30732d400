"""Everything that the page of one workflow reads, in about ten queries however long its history is."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Coalesce, Length, Substr

from durable.models import (
    INTERNAL_QUEUE,
    Attempt,
    AuditEntry,
    Event,
    Executor,
    Kind,
    Message,
    Queue,
    Step,
    StepAttempt,
    StreamEntry,
    Workflow,
)

from .asked import Asked
from .census import Coverage
from .console import Console
from .jsontree import MOST_SHOWN, SHOWN
from .lanes import Hints
from .partitions import Partition, partition_of

WINDOW = 200
"""Rows of the journal on one page."""
WHOLE = 5_000
"""Slots up to which the whole journal is read, for its scale, its strip and its totals."""
MEASURED = 1_000
"""Slots up to which the bytes of a journal are counted."""
MOST_TRIES = 500
MOST_ENTRIES = 200
HEAD = 2_000
"""Characters of an error that are read for its first line."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A recorded step without its payloads. `wake` is the time that a sleep recorded, seconds since the epoch."""

    workflow: str
    seq: int
    name: str
    kind: str
    child: str | None
    epoch: int
    attempts: int
    started_at: datetime
    completed_at: datetime
    has_error: bool
    size: int
    text: str | None
    """Output of a sleep, or of the selected slot as far as it is shown."""
    error: str | None

    @property
    def wake(self) -> float | None:
        if self.kind != Kind.SLEEP or not self.text:
            return None
        try:
            value = json.loads(self.text)
        except ValueError:
            return None
        return finite(value)

    @property
    def seconds(self) -> float:
        return (self.completed_at - self.started_at).total_seconds()


@dataclass(slots=True)
class Story:
    """A workflow with all that was recorded of it and around it."""

    workflow: Any
    now: datetime
    slots: list[Slot]
    is_whole: bool
    tries: dict[tuple[str, int], list[Any]]
    owners: list[Attempt]
    children: dict[str, Workflow]
    inner: dict[str, list[Slot]]
    """Slots of the children that are open, by workflow."""
    executors: dict[str, Executor]
    living: list[Executor]
    messages: list[Message]
    events: list[Event]
    writes: list[tuple[str, int, str]]
    """Writes to streams: workflow, slot, key; the first few, for the names of slots."""
    audit: list[AuditEntry]
    queue: Queue | None = None
    ahead: int | None = None
    placed: int | None = None
    partition: Partition | None = None
    """The partition in which it waits, if it waits in one."""
    coverage: Coverage = field(default_factory=lambda: Coverage([]))

    def tries_of(self, workflow: str) -> dict[int, list[Any]]:
        return {seq: tries for (owner, seq), tries in self.tries.items() if owner == workflow}

    def hints(self, workflow: str) -> Hints:
        topics = {m.consumed_seq: m.topic for m in self.messages if m.workflow_id == workflow and m.consumed_seq}
        keys = {event.seq: event.key for event in self.events if event.workflow_id == workflow}
        keys |= {slot: key for owner, slot, key in self.writes if owner == workflow}
        return Hints(topics, keys, self.children)

    def slot(self, key: str) -> Slot | None:
        """The recorded slot "7", or "8.1": the first of the child that slot 8 speaks of."""
        outer, _, inner = key.partition(".")
        found = next((slot for slot in self.slots if str(slot.seq) == outer), None)
        if not inner or found is None:
            return found
        return next((slot for slot in self.inner.get(found.child or "", []) if str(slot.seq) == inner), None)

    def child_of(self, key: str) -> str:
        """The workflow that a slot speaks of, if it is there."""
        found = self.slot(key)
        return found.child if found and found.child and (found.child in self.children or "." in key) else ""

    def label(self, executor: str | None) -> str:
        """What people call an executor: its label, else the id that is left of it."""
        if not executor:
            return ""
        known = self.executors.get(executor)
        return known.label if known else executor

    @property
    def activity(self) -> list[dict[str, Any]]:
        """What its living executor says that it runs of it, for over a second."""
        found = self.executors.get(self.workflow.executor or "")
        if found is None or found not in self.living:
            return []
        own = [act for act in found.activity if isinstance(act, dict) and act.get("workflow") == self.workflow.pk]
        beat = found.heartbeat_at.timestamp()
        return [{**act, "since": since(beat, act)} for act in own if type(act.get("seq")) is int]


def finite(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def since(beat: float, act: dict[str, Any]) -> float | None:
    """When what an executor runs began, from what it said at its last heartbeat."""
    seconds = finite(act.get("seconds"))
    return None if seconds is None else beat - seconds


def find(pk: str, alias: str, *payloads: str) -> Any:
    """The workflow with its counts and the sizes of its payloads; the text of `payloads` as far as a page shows it.

    Raises `Workflow.DoesNotExist`.
    """
    counted = {f"{name}_count": _count(model, owner) for name, (model, owner) in COUNTED.items()}
    shown = {f"{name}_text": Substr(name, 1, MOST_SHOWN if name in payloads else SHOWN) for name in ("input", "output")}
    sizes = {f"{name}_size": Length(name) for name in ("input", "output")}
    own = Workflow.objects.using(alias).defer("input", "output")
    return own.annotate(**counted, **sizes, **shown).get(pk=pk)


def token(pk: str, alias: str) -> tuple[str, Any]:
    """A text that changes whenever the page would, at the price of one query; and the bare row.

    Raises `Workflow.DoesNotExist`.
    """
    fields = ("status", "epoch", "updated_at", "waiting_for", "executor", "run_after")
    row = Workflow.objects.using(alias).only(*fields).annotate(
        steps_count=_count(Step, "workflow"), tries_count=_count(StepAttempt, "workflow"),
        messages_count=_count(Message, "workflow"), audit_count=_count(AuditEntry, "target"),
    ).get(pk=pk)  # fmt: skip
    return spell(row), row


def spell(row: Any) -> str:
    counts = (row.epoch, row.steps_count, row.tries_count, row.messages_count, row.audit_count)
    return ".".join((*map(str, counts), f"{row.updated_at.timestamp():.6f}", row.status, row.waiting_for or ""))


def tell(workflow: Any, asked: Asked, console: Console) -> Story:
    """Read the rest of the story of `workflow`, as found by `find`."""
    alias, living = console.alias, console.living
    slots, is_whole = _slots(workflow, asked, alias)
    children = _children(slots, workflow, alias)
    opened = [slot.child for slot in slots if str(slot.seq) in wanted(asked) and slot.child in children]
    inner = _inner([child for child in opened if child], asked, alias)
    ids = [workflow.pk, *inner]
    owners = list(Attempt.objects.using(alias).filter(workflow=workflow.pk).order_by("-id")[:MOST_ENTRIES])[::-1]
    kinds = {slot.kind for slot in [*slots, *(slot for kid in inner.values() for slot in kid)]}
    events = Event.objects.using(alias).filter(workflow__in=ids).order_by("-created_at", "-seq")
    events = _with_text(events, "value", asked.tab == "events")
    messages = Message.objects.using(alias).filter(workflow__in=ids).order_by("-id")
    messages = _with_text(messages, "body", asked.tab == "messages")
    audit = AuditEntry.objects.using(alias).filter(kind="workflow", target=workflow.pk).order_by("-id")
    story = Story(
        workflow, console.as_of, slots, is_whole,
        tries=_tries(ids, slots, is_whole, workflow.pk, asked, alias),
        owners=owners, children=children, inner=inner,
        executors=_executors(workflow, owners, living, alias), living=living,
        messages=list(messages[:MOST_ENTRIES])[::-1] if workflow.messages_count or inner else [],
        events=list(events[:MOST_ENTRIES])[::-1] if Kind.SET_EVENT in kinds or asked.tab == "events" else [],
        writes=_writes(ids, alias) if Kind.STREAM in kinds else [],
        audit=list(audit[:MOST_ENTRIES]) if workflow.audit_count else [],
        coverage=Coverage(console.serving),
    )  # fmt: skip
    if workflow.phase.key in ("queued", "ready", "unserved"):
        _look_at_queue(story, alias)
    return story


def wanted(asked: Asked) -> set[str]:
    """The slots whose children must be read: those that are open, and that of the selected slot."""
    outer, _, inner = asked.step.partition(".")
    return {*asked.open, outer} if inner else set(asked.open)


def _writes(ids: list[str], alias: str) -> list[tuple[str, int, str]]:
    rows = StreamEntry.objects.using(alias).filter(workflow__in=ids)
    return list(rows.values_list("workflow_id", "seq", "key")[:MOST_ENTRIES])


COUNTED: dict[str, tuple[Any, str]] = {
    "steps": (Step, "workflow"), "tries": (StepAttempt, "workflow"), "owners": (Attempt, "workflow"),
    "events": (Event, "workflow"), "messages": (Message, "workflow"), "streams": (StreamEntry, "workflow"),
    "audit": (AuditEntry, "target"), "children": (Workflow, "parent"), "forks": (Workflow, "forked_from"),
}  # fmt: skip


def _count(model: Any, owner: str) -> Any:
    rows = model.objects.filter(**{owner: OuterRef("pk")}).order_by()
    if model is AuditEntry:
        rows = rows.filter(kind="workflow")
    if model is StreamEntry:
        rows = rows.filter(offset=0)  # streams, not entries
    counted = rows.values(owner).annotate(counted=Count("*")).values("counted")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def _slots(workflow: Any, asked: Asked, alias: str) -> tuple[list[Slot], bool]:
    rows = Step.objects.using(alias).filter(workflow=workflow.pk)
    is_whole = workflow.steps_count <= WHOLE
    if is_whole:
        return _read(rows, asked.step, asked, workflow.steps_count <= MEASURED), True
    if asked.find:
        rows = rows.filter(name__icontains=asked.find)
    if asked.only == "errors":
        rows = rows.filter(Q(error__isnull=False) | Q(attempts__gt=1))
    selected = Q(seq=int(asked.step)) if asked.step.isdigit() else Q(pk__in=[])
    window = list(rows.filter(seq__gt=asked.after).order_by("seq").values_list("seq", flat=True)[: WINDOW + 1])
    low, high = (window[0], window[-1]) if window else (0, 0)
    return _read(rows.filter(Q(seq__gte=low, seq__lte=high) | selected), asked.step, asked, True), False


def _read(rows: QuerySet[Step], selected: str, asked: Asked, measured: bool) -> list[Slot]:
    seq = int(selected.rpartition(".")[2] or 0)
    # A payload is read for the selected slot alone; a sleep's is a number, and the timeline needs it.
    here = Q(seq=seq) if seq else Q(pk__in=[])
    limit = MOST_SHOWN if asked.whole else SHOWN
    text = Case(
        When(here, then=Substr("output", 1, limit)), When(kind=Kind.SLEEP, then=Substr("output", 1, 64)),
        default=None, output_field=TextField(),
    )  # fmt: skip
    size = Coalesce(Length("output"), 0) + Coalesce(Length("error"), 0) if measured else Value(0)
    failed = Case(When(error__isnull=False, then=Value(1)), default=Value(0), output_field=IntegerField())
    error = Case(When(here, then=F("error")), default=None, output_field=TextField())
    fields = ("workflow_id", "seq", "name", "kind", "child", "epoch", "attempts", "started_at", "completed_at")
    found = rows.annotate(failed=failed, size=size, text=text, told=error).order_by("workflow_id", "seq")
    return [
        Slot(*values[:9], bool(values[9]), *values[10:])
        for values in found.values_list(*fields, "failed", "size", "text", "told")
    ]


def _children(slots: Iterable[Slot], workflow: Any, alias: str) -> dict[str, Workflow]:
    ids = {slot.child for slot in slots if slot.child and slot.kind in (Kind.CHILD, Kind.RESULT)}
    kind, _, about = (workflow.waiting_for or "").partition(":")
    ids |= {about} if kind == "child" else set()
    ids |= {other for other in (workflow.parent, workflow.forked_from) if other}
    if not ids:
        return {}
    rows = Workflow.objects.using(alias).defer("input", "output", "error", "traceparent")
    return {row.pk: row for row in rows.filter(pk__in=sorted(ids)[:WHOLE])}


def _inner(children: list[str], asked: Asked, alias: str) -> dict[str, list[Slot]]:
    if not children:
        return {}
    rows = Step.objects.using(alias).filter(workflow__in=children, seq__lte=WINDOW)
    inner: dict[str, list[Slot]] = {child: [] for child in children}
    for slot in _read(rows, asked.step if "." in asked.step else "", asked, True):
        inner[slot.workflow].append(slot)
    return inner


def _tries(
    ids: list[str], slots: list[Slot], is_whole: bool, own: str, asked: Asked, alias: str
) -> dict[Any, list[Any]]:
    seq = int(asked.step.rpartition(".")[2] or 0)
    text = Case(When(seq=seq, then=F("error")), default=Substr("error", 1, HEAD), output_field=TextField())
    rows = StepAttempt.objects.using(alias).filter(workflow__in=ids).defer("error").annotate(text=text)
    if not is_whole and slots:
        rows = rows.filter(~Q(workflow=own) | Q(seq__gte=slots[0].seq, seq__lte=slots[-1].seq))
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in list(rows.order_by("-ended_at", "-n")[:MOST_TRIES])[::-1]:
        found[row.workflow_id, row.seq].append(row)
    return dict(found)


def _executors(workflow: Any, owners: list[Attempt], living: list[Executor], alias: str) -> dict[str, Executor]:
    known = {executor.pk: executor for executor in living}
    asked_for = {workflow.executor, *(owner.executor for owner in owners)} - {None} - known.keys()
    if asked_for:
        rows = Executor.objects.using(alias).filter(pk__in=asked_for)
        known |= {executor.pk: executor for executor in rows.defer("definitions", "activity")}
    return known


def _with_text(rows: QuerySet[Any], name: str, wanted: bool) -> QuerySet[Any]:
    """Rows without their payload, or with as much of it as a table shows."""
    rows = rows.defer(name)
    return rows.annotate(size=Length(name), text=Substr(name, 1, SHOWN // 8)) if wanted else rows


def _look_at_queue(story: Story, alias: str) -> None:
    """Who stands before it, and how many places its queue has left."""
    own = story.workflow
    if own.queue != INTERNAL_QUEUE:
        story.queue = Queue.objects.using(alias).filter(pk=own.queue).first()
    before = Q(priority__lt=own.priority) | Q(priority=own.priority, position__lt=own.position)
    if story.queue and story.queue.partitioned:  # partitions take turns
        before &= Q(partition_key=own.partition_key)
    waiting = Workflow.objects.using(alias).filter(queue=own.queue, run_after__isnull=False, executor__isnull=True)
    story.ahead = waiting.filter(before).values("pk")[:10_001].count()
    if story.queue and story.queue.concurrency is not None:
        story.placed = Workflow.objects.using(alias).filter(admitted=own.queue).count()
    if story.queue:
        story.partition = partition_of(own, story.queue, alias)
