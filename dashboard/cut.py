"""What a fork or a rewind from a step keeps, and what it does again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Length, Substr

from durable.forking import VALUED
from durable.models import Event, Kind, Message, Step, StreamEntry, Workflow

from .lanes import ICONS

AROUND = 20
"""Steps that are shown before the cut, and behind it."""
LONGEST = 200_000
"""Characters of an output that a form takes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A recorded step beside the cut."""

    seq: int
    name: str
    kind: str
    child: str | None
    has_error: bool
    size: int
    is_kept: bool

    @property
    def icon(self) -> str:
        return ICONS.get(self.kind, "step")

    @property
    def can_be_edited(self) -> bool:
        return self.is_kept and self.kind in VALUED and not self.has_error and self.size <= LONGEST


class Cut:
    """A workflow's journal cut before step `start`: the lower numbers are kept."""

    def __init__(self, alias: str, workflow: Any, start: int):
        self.alias, self.workflow, self.start = alias, workflow, start
        self.steps: QuerySet[Step] = Step.objects.using(alias).filter(workflow=workflow.pk)

    @cached_property
    def kept(self) -> int:
        return self.steps.filter(seq__lt=self.start).count()

    @cached_property
    def again(self) -> int:
        return self.steps.filter(seq__gte=self.start).count()

    @cached_property
    def last(self) -> int:
        """The highest recorded slot, 0 when there is none."""
        return self.steps.order_by("-seq").values_list("seq", flat=True).first() or 0

    @property
    def before(self) -> list[Piece]:
        """The last steps that are kept, in order."""
        return self._pieces(self.steps.filter(seq__lt=self.start).order_by("-seq"))[::-1]

    @property
    def behind(self) -> list[Piece]:
        """The first steps that are done again."""
        return self._pieces(self.steps.filter(seq__gte=self.start).order_by("seq"))

    def _pieces(self, rows: QuerySet[Step]) -> list[Piece]:
        rows = rows.annotate(failed=Q(error__isnull=False), size=Coalesce(Length("output"), 0))
        found = rows.values_list("seq", "name", "kind", "child", "failed", "size")[:AROUND]
        return [Piece(*values, values[0] < self.start) for values in found]

    @cached_property
    def children(self) -> int:
        """Workflows that were started at or behind the cut and are still there."""
        started = self.steps.filter(seq__gte=self.start, kind=Kind.CHILD, child__isnull=False).values("child")
        return Workflow.objects.using(self.alias).filter(pk__in=started, parent=self.workflow.pk).count()

    @cached_property
    def messages(self) -> int:
        """Messages that were received at or behind the cut."""
        return self._mailbox.filter(consumed_seq__gte=self.start).count()

    @cached_property
    def unread(self) -> int:
        return self._mailbox.filter(consumed_seq__isnull=True).count()

    @property
    def _mailbox(self) -> QuerySet[Message]:
        return Message.objects.using(self.alias).filter(workflow=self.workflow.pk)

    @cached_property
    def published(self) -> int:
        """Values of events and streams that were written at or behind the cut."""
        own = {"workflow": self.workflow.pk, "seq__gte": self.start}
        events, entries = Event.objects.using(self.alias), StreamEntry.objects.using(self.alias)
        return events.filter(**own).count() + entries.filter(**own, value__isnull=False).count()

    def outputs(self, numbers: list[int]) -> dict[int, tuple[str, str]]:
        """Name and output, as JSON text, of kept steps that a form may edit."""
        rows = self.steps.filter(seq__in=numbers, seq__lt=self.start, kind__in=VALUED, error__isnull=True)
        rows = rows.annotate(text=Substr("output", 1, LONGEST + 1)).order_by("seq")
        found = {seq: (name, text or "null") for seq, name, text in rows.values_list("seq", "name", "text")}
        return {seq: told for seq, told in found.items() if len(told[1]) <= LONGEST}
