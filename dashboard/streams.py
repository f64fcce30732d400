"""What a workflow streams, read from the end or from an offset, at the same price however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Length, Substr

from durable.models import StreamEntry

from .jsontree import Payload, clean, payload

SIZE = 100
"""Entries of one page."""
MOST = 12
"""Streams that one page shows."""
LINE = 120
"""Characters of a value that is shown on one line."""
SHOWN = 8 * 1024
"""Characters of a value that a list shows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value, without it for those who may not see it; or the end of the stream."""

    offset: int
    slot: int
    at: datetime
    size: int | None
    shown: Payload | None
    line: str = ""
    """The value as it is stored, where it is short and plain enough for one line."""

    @property
    def is_end(self) -> bool:
        return self.size is None


class Stream:
    """One stream of a workflow. It is open until it is closed or its workflow has ended."""

    def __init__(self, alias: str, workflow: Any, key: str, with_payload: bool):
        self.workflow, self.key, self.with_payload = workflow, key, with_payload
        self.rows: QuerySet[StreamEntry] = StreamEntry.objects.using(alias).filter(workflow=workflow.pk, key=key)

    @cached_property
    def last(self) -> Entry | None:
        """Its newest entry, perhaps its end; None for a stream that nobody has written to."""
        return next(self._read(self.rows.order_by("-offset")[:1]), None)

    @property
    def exists(self) -> bool:
        return self.last is not None

    @property
    def is_closed(self) -> bool:
        return self.last is not None and self.last.is_end

    @property
    def is_open(self) -> bool:
        return not self.is_closed and not self.workflow.is_finished

    @property
    def count(self) -> int:
        """How many values it holds."""
        return 0 if self.last is None else self.last.offset + (0 if self.is_closed else 1)

    def from_offset(self, offset: int, size: int = SIZE) -> list[Entry]:
        """Entries from `offset` on."""
        return list(self._read(self.rows.filter(offset__gte=offset).order_by("offset")[:size]))

    def newest(self, size: int = SIZE) -> list[Entry]:
        """The last entries, in order."""
        return list(self._read(self.rows.order_by("-offset")[:size]))[::-1]

    @cached_property
    def few(self) -> list[Entry]:
        """The last few values, for a page that shows several streams."""
        return [entry for entry in self.newest(9) if not entry.is_end][-8:]

    def _read(self, rows: QuerySet[StreamEntry]) -> Iterator[Entry]:
        # The slice is given back to the caller's order; values are cut in the database.
        rows = rows.annotate(size=Length("value"), text=Substr("value", 1, SHOWN if self.with_payload else 1))
        for offset, slot, at, size, text in rows.values_list("offset", "seq", "created_at", "size", "text"):
            shown = payload("Value", text, size) if self.with_payload else None
            is_short = shown is not None and size is not None and size <= LINE and '"$"' not in text
            yield Entry(offset, slot, at, size, shown, clean(text) if is_short else "")


def streams_of(alias: str, workflow: Any, with_payload: bool) -> list[Stream]:
    """The streams of a workflow by key, at most one more than `MOST`: each key is found with one look at the index."""
    rows = StreamEntry.objects.using(alias).filter(workflow=workflow.pk).order_by("key", "offset")
    found: list[Stream] = []
    key = rows.values_list("key", flat=True).first()
    while key is not None and len(found) <= MOST:
        found.append(Stream(alias, workflow, key, with_payload))
        key = rows.filter(key__gt=key).values_list("key", flat=True).first()
    return found
