"""A workflow's steps in memory while it runs, and the slot that one operation takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from ..errors import NonDeterminism, Stopped
from ..serializers.base import Serializer
from ..serializers.errors import decode_error, encode_error
from .commands import Effect, Record, Row


class Recorded(NamedTuple):
    """A decided slot, as read back."""

    name: str
    output: str | None
    error: str | None
    child: str | None


@dataclass(slots=True)
class Slot:
    """The place that one operation takes, at call time. Outside a workflow it has no number and records nothing."""

    journal: Journal
    seq: int
    name: str
    kind: str
    recorded: Recorded | None
    started_at: float

    def replay(self) -> Any:
        """What was recorded: its value, or its error raised again."""
        recorded = self.recorded
        assert recorded is not None
        if recorded.error is not None:
            raise decode_error(recorded.error)
        return None if recorded.output is None else self.journal.serializer.deserialize(recorded.output)

    def decided(
        self, output: str | None = None, *, error: str | None = None, child: str | None = None, attempts: int = 1
    ) -> Row:
        """The row that decides this slot, from encoded payloads."""
        return Row(
            self.seq, self.name, self.kind, output, error, child, attempts, self.started_at, self.journal.clock()
        )

    def success(
        self,
        value: Any = None,
        *effects: Effect,
        child: str | None = None,
        attempts: int = 1,
        also: tuple[Row, ...] = (),
    ) -> Record:
        """Decide it with a value. Raises `SerializationError` when the value cannot be stored."""
        output = None if value is None else self.journal.encode(value)
        return Record((self.decided(output, child=child, attempts=attempts), *also), effects)

    def success_text(self, output: str | None, *, child: str | None = None) -> Record:
        """Decide it with a value that is encoded already."""
        return Record((self.decided(output, child=child),))

    def failure(self, error: BaseException, *, attempts: int = 1, child: str | None = None) -> Record:
        """Decide it with an error, which every replay raises again."""
        return Record((self.decided(error=encode_error(error), attempts=attempts, child=child),))


@dataclass(slots=True)
class Journal:
    """The slots of one workflow in order, from 1, and how its payloads are encoded."""

    workflow_id: str | None
    serializer: Serializer
    encode: Callable[[Any], str]
    clock: Callable[[], float]
    generation: int = 0
    rows: dict[int, Recorded] = field(default_factory=dict)
    tries: dict[int, list[str]] = field(default_factory=dict)
    """Encoded errors of failed attempts, by slot."""
    taken: set[int] = field(default_factory=set)
    """Messages that an open recv has reserved."""
    closed_streams: set[str] = field(default_factory=set)
    """Closed by this run's own code, or found closed."""
    closed_in_steps: set[str] = field(default_factory=set)
    """Perhaps: the transaction in which a step closed one may have been rolled back."""
    is_first: bool = False
    """Whether no run before this one can have written anything."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    last: int = 0

    def reserve(self) -> int:
        """Take the next slot for an operation that is named later."""
        self.last = next(self.numbers)
        return self.last

    def open(self, name: str, kind: str, seq: int | None = None) -> Slot:
        """Take the next slot, or one that was reserved. Raises `Stopped` when another operation is recorded there."""
        seq = seq or self.reserve()
        recorded = self.rows.get(seq)
        if recorded is not None and recorded.name != name:
            raise Stopped from NonDeterminism(workflow_id=self.workflow_id, seq=seq, recorded=recorded.name, now=name)
        return Slot(self, seq, name, kind, recorded, self.clock())

    def next_recorded(self) -> Recorded | None:
        """What is recorded in the slot that the next operation takes."""
        return self.rows.get(self.last + 1)

    @property
    def was_further(self) -> bool:
        """Whether an earlier run was beyond this point: coroutines may record a later slot before an earlier one."""
        return any(seq > self.last for seq in self.rows)

    def key(self, seq: int) -> str:
        """The idempotency key of a slot, stable over retries, crashes and executors, never reused after a rewind."""
        again = f".{self.generation}" if self.generation else ""
        return f"{self.workflow_id}{again}:{seq}"
