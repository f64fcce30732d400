"""Verbs outside a workflow, and inside its steps: nothing is recorded, effects go through Django's own connection.

So they commit or roll back with the caller's `atomic()`, and what they would wake is woken on commit.
"""

from __future__ import annotations

import asyncio
import threading
from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, transaction

from .. import serializers
from ..backends.backend import backend
from ..backends.session import Session
from ..backends.writing import apply, waking
from ..chance import chance
from ..conf import conf
from ..context import leave, scope
from ..engine import commands as c
from ..engine.journal import Journal, Slot
from ..errors import InsideAtomic, OutsideWorkflow, PayloadTooLarge
from ..serializers import Serializer
from .hub import hub
from .recorder import changes

LONGEST_WAIT_SECONDS = 5.0
"""How long a wait in memory trusts notifications before it looks again."""
WAKE_TRIES = 20
WAKE_PAUSE_SECONDS = 0.005
_NEVER = threading.Event()


def encode(value: Any, serializer: Serializer | None = None) -> str:
    """Text of a value, by default as the settings say. Raises `SerializationError` or `PayloadTooLarge`, before
    anything is stored."""
    text = (serializer or serializers.get(conf().SERIALIZER)).serialize(value)
    limit = conf().MAX_PAYLOAD_BYTES
    if len(text) * 4 > limit and (size := len(text.encode())) > limit:
        raise PayloadTooLarge(size=size, limit=limit)
    return text


def decode(text: str | None, serialization: str) -> Any:
    """The value of a text that was written by the serializer of that name."""
    return None if text is None else serializers.get(serialization).deserialize(text)


class Outside:
    """The scope of code that is in no workflow."""

    place = "outside"
    workflow_id: str | None = None
    executor_id: str | None = None
    epoch: int | None = None
    seq = 0

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.workflow_id, serializers.get(conf().SERIALIZER), encode, chance.now)

    def open(self, name: str, kind: str) -> Slot:
        return Slot(self.journal, self.seq, name, kind, None, chance.now())

    def now(self) -> float:
        return chance.now()

    def mark(self) -> int:
        return hub().mark()

    def child_id(self, seq: int) -> str:
        return chance.new_id()

    def message_key(self, seq: int, n: int) -> str:
        return chance.new_id()

    def decode(self, text: str | None, serialization: str) -> Any:
        return decode(text, serialization)

    # --- performing

    def perform(self, command: c.Command) -> Any:
        match command:
            case c.Record(_, effects):
                return self._apply(effects)
            case c.Ask(question):
                return backend().answer(backend().borrowed(), question)
            case c.Manage(act):
                return act()
            case c.Park():
                self._may_wait()
                hub().wait(keys_of(command), command.since, self._patience(command))
                return None
            case _:
                raise OutsideWorkflow(verb=type(command).__name__)

    async def aperform(self, command: c.Command) -> Any:
        if not isinstance(command, c.Park):
            return await sync_to_async(self.perform)(command)
        await sync_to_async(self._may_wait)()
        await until_changed(keys_of(command), command.since, self._patience(command))
        return None

    def _patience(self, park: c.Park) -> float:
        """How long to wait before looking again: polling makes it correct."""
        left = float("inf") if park.until is None else park.until - self.now()
        return max(0.0, min(left, conf().POLL_SECONDS))

    def _may_wait(self) -> None:
        alias = conf().DATABASE
        if connections[alias].in_atomic_block:
            raise InsideAtomic(verb="get_result, get_event or read_stream", alias=alias)

    def _apply(self, effects: tuple[c.Effect, ...]) -> set[str]:
        if not effects:
            return set()
        engine = backend()
        inserted = apply(engine, engine.borrowed(), effects, self.epoch)
        entry = c.Entry("", 0, c.Record(effects=effects))
        conditions = [{"k": "message", "t": e.destination, "d": e.topic} for e in effects if isinstance(e, c.Deliver)]
        conditions += [{"k": "event", "t": e.workflow, "d": e.key} for e in effects if isinstance(e, c.Publish)]
        conditions += [{"k": "stream", "t": e.workflow, "d": e.key} for e in effects if isinstance(e, c.Append)]
        transaction.on_commit(lambda: tell(conditions, changes(entry)), using=engine.alias)
        return inserted


class InStep(Outside):
    """The scope of a step's own code: it knows where it is; what it does is part of the step and not recorded."""

    place = "step"

    def __init__(self, run: Any, frame: c.Frame):
        self.run, self.frame = run, frame
        self.workflow_id = run.workflow_id
        self.executor_id = run.executor_id
        self.epoch = run.epoch
        self.seq = frame.seq

    @cached_property
    def journal(self) -> Journal:  # most steps write nothing
        journal = super().journal
        journal.closed_in_steps = self.run.journal.closed_in_steps
        return journal


class Managing(InStep):
    """The scope of a verb that a workflow called to steer others: it is alone in its slot."""


class InTransaction(InStep):
    """The scope of a @transaction: what it starts, sends and publishes commits with it."""

    place = "transaction"


class Inside:
    """While a step's code runs, its scope is the step's."""

    __slots__ = ("run", "step", "token")

    def __init__(self, run: Any, step: InStep):
        self.run, self.step = run, step

    def __enter__(self) -> None:
        self.token = scope.set(self.step)
        self.run.frame, self.run.since = self.step.frame, self.run.executor.clock.monotonic()

    def __exit__(self, *_: Any) -> None:
        leave(self.token)
        self.run.frame = None


def tell(conditions: list[dict[str, str]], changed: set[str], session: Session | None = None) -> None:
    """After a commit: wake who waits for it, here and elsewhere. A sweep does it when this process dies first.

    `session`: the connection to do it on, default Django's of the calling thread.
    """
    engine = backend()
    session = session or engine.borrowed()
    hub().announce(changed)  # who waits in memory need not wait for what follows
    queues = set()
    for _ in range(WAKE_TRIES if conditions else 0):
        woken, certain = waking(engine, session, conditions)
        queues |= {f"q:{queue}" for _, queue in woken}
        if certain:
            break
        chance.rest(_NEVER, WAKE_PAUSE_SECONDS)
    hub().announce(queues)


def keys_of(park: c.Park) -> list[str]:
    """The hub's keys for what a parked operation waits for."""
    kinds = {"event": "event:{target}/{detail}", "stream": "stream:{target}/{detail}"}
    return [
        kinds.get(each.kind, "w:{target}").format(target=each.target, detail=each.detail) for each in park.conditions
    ]


async def until_changed(keys: list[str], since: int, seconds: float) -> bool:
    """`Hub.wait` for a coroutine."""
    loop = asyncio.get_running_loop()
    alarm = asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(alarm.set)

    unsubscribe = hub().subscribe(keys, since, wake)
    try:
        await asyncio.wait_for(alarm.wait(), max(0.0, seconds))
    except TimeoutError:
        return False
    else:
        return True
    finally:
        unsubscribe()
