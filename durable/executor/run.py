"""One workflow in memory on one executor: where an operation's commands are carried out, in a thread or on a loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async

from .. import signals
from ..backends.backend import Claimed, claimed_here
from ..backends.writing import Verdict
from ..context import leave
from ..context import scope as current
from ..engine import commands as c
from ..engine.journal import Journal, Recorded, Slot
from ..errors import Cancelled, ControlFlow, Fenced, LeaseLost, NonDeterminism, Parked, Stopped
from ..registry import registry
from ..serializers import encode_error, fingerprint
from ..states import Status
from .interrupting import interruptibly, left_to_others
from .outside import LONGEST_WAIT_SECONDS, Inside, InStep, Managing, decode, encode, keys_of
from .transacting import transact

log = logging.getLogger("durable.executor")


class Run:
    """A run of a claimed workflow: the scope of its verbs.

    `direct` runs belong to a caller who waits for them: they never park. A run that is `closed` (parked, fenced,
    cancelled, stopped) performs nothing more; what its code still returns or raises is discarded.
    """

    place = "workflow"

    def __init__(
        self, executor: Any, claimed: Claimed, definition: Any, *, direct: bool = False, above: Run | None = None,
        rows: dict[int, Recorded] | None = None, tries: dict[int, list[str]] | None = None,
    ):  # fmt: skip
        self.executor, self.claimed, self.definition = executor, claimed, definition
        self.workflow_id, self.epoch = claimed.id, claimed.epoch
        self.executor_id = executor.id
        self.direct = direct
        self.above = above
        self.serializer = executor.serializer(claimed.serialization)
        self.now = executor.lease.now
        self.encode = partial(encode, serializer=self.serializer)
        """What a workflow stores is written as its row says, so that a change of the settings mixes nothing."""
        self.journal = Journal(
            claimed.id, self.serializer, self.encode, executor.lease.now, claimed.generation, rows or {}, tries or {}
        )
        self.journal.is_first = claimed.is_fresh
        self.closed: ControlFlow | None = None
        self.has_left = False
        self.kept: c.Record | None = None
        self.waits: dict[Any, float] = {}
        self.ending: c.Ending | None = None
        self.error: BaseException | None = None
        self.value: Any = None
        self.frame: c.Frame | None = None
        self.since = executor.clock.monotonic()

    # --- the scope of the verbs

    def open(self, name: str, kind: str, seq: int | None = None) -> Slot:
        if self.closed:
            raise self.closed
        try:
            return self.journal.open(name, kind, seq)
        except Stopped as stopped:
            self.close(stopped)
            raise

    def mark(self) -> int:
        return self.executor.hub.mark()

    def child_id(self, seq: int) -> str:
        return f"{self.workflow_id}-{seq}"

    def message_key(self, seq: int, n: int) -> str:
        key = self.journal.key(seq)
        return f"{key}:{n}" if n else key

    def decode(self, text: str | None, serialization: str) -> Any:
        return decode(text, serialization)

    # --- carrying out commands

    def perform(self, command: c.Command) -> Any:
        try:
            self.may_go_on(command)
            return self._perform(command)
        except LeaseLost as lost:
            raise self.without_lease(lost) from lost

    async def aperform(self, command: c.Command) -> Any:
        try:
            self.may_go_on(command)
            return await self._aperform(command)
        except LeaseLost as lost:
            raise self.without_lease(lost) from lost

    def _perform(self, command: c.Command) -> Any:
        match command:
            case c.Record() if self.keeps(command):
                return set()
            case c.Record():
                return self.settle(self.executor.recorder.commit(self.entry(record=command)), command)
            case c.Ask(question):
                return self.executor.readers.ask(question)
            case c.Call(fn, args, kwargs, frame):
                with self.inside(InStep(self, frame)):
                    return refuse_coroutine(fn(*args, **kwargs), frame.name)
            case c.Manage(act, seq, name):
                with self.inside(Managing(self, c.Frame(seq, name))):
                    return act()
            case c.Transact():
                return transact(self, command)
            case c.RunHere(new, definition, args, kwargs):
                child = self.child(new, definition)
                child.execute(args, kwargs)
                return None
            case c.Park():
                return self.park(command)
        raise TypeError(f"unknown command {command!r}")

    async def _aperform(self, command: c.Command) -> Any:
        match command:
            case c.Record() if self.keeps(command):
                return set()
            case c.Record():
                return self.settle(await self.executor.recorder.acommit(self.entry(record=command)), command)
            case c.Ask(question):
                return await self.executor.readers.aask(question)
            case c.Call(fn, args, kwargs, frame):
                with self.inside(InStep(self, frame)):
                    result = fn(*args, **kwargs)
                    if not inspect.isawaitable(result):
                        return result
                    if command.timeout is None and not command.is_preemptible:
                        return await result
                    return await interruptibly(self, result, command)
            case c.Manage(act, seq, name):
                with self.inside(Managing(self, c.Frame(seq, name))):
                    return await sync_to_async(act)()
            case c.RunHere(new, definition, args, kwargs):
                await self.executor.nursery.run_child(self.child(new, definition), args, kwargs)
                return None
            case c.Park():
                return await self.executor.nursery.park(self, command)
        raise TypeError(f"a coroutine cannot perform {type(command).__name__}")

    def keeps(self, record: c.Record) -> bool:
        """Whether the step is all there is to its workflow: it is then recorded together with its end."""
        if self.definition.is_one_step and record.rows:
            self.kept = record
        return self.kept is not None

    def entry(
        self, record: c.Record | None = None, ending: c.Ending | None = None, letting: c.Letting | None = None
    ) -> c.Entry:  # fmt: skip
        return c.Entry(self.workflow_id, self.epoch, record, ending, letting, self.executor_id)

    def may_go_on(self, command: c.Command) -> None:
        """Between operations a run learns that it is closed, or that its executor is draining or without a lease."""
        if self.closed:
            raise self.closed
        if not self.executor.lease.holds:
            raise LeaseLost(seconds=self.executor.lease.seconds)
        if self.executor.is_draining and not self.direct and not isinstance(command, c.Record):
            self.release_at_boundary()

    def without_lease(self, lost: LeaseLost) -> ControlFlow:
        """Close the run: to its code this must not look like the failure of a step, which it might handle."""
        fenced = Fenced()
        fenced.__cause__ = lost
        return self.close(fenced)

    def release_at_boundary(self) -> None:
        """Let another executor go on from here. A coroutine's run is released when all of it waits."""
        if not self.definition.is_async:
            self.let_go(c.Letting(None, outcome="released", detail="its executor is shutting down"))

    def settle(self, ticket: Any, command: c.Record) -> set[str] | None:
        """Turn a verdict into what the operation sees: the ids that were inserted, None when nothing was written."""
        verdict = ticket.verdict
        self.waits.clear()
        if verdict is Verdict.DONE:
            self.executor.has_recorded(self, command)
            return ticket.inserted
        if verdict is Verdict.REFUSED:
            return None
        if verdict is Verdict.TAKEN:
            row = command.rows[0]
            error = NonDeterminism(
                workflow_id=self.workflow_id, seq=row.seq, recorded="another operation", now=row.name
            )
            stopped = Stopped()
            stopped.__cause__ = error
            raise self.close(stopped)
        raise self.close(Cancelled() if verdict is Verdict.CANCELLED else Fenced())

    def close(self, why: ControlFlow) -> ControlFlow:
        """Nothing more is performed for this run; gives back what its code is unwound with."""
        if self.closed is None:
            self.closed = why
        return self.closed

    # --- waiting

    def park(self, park: c.Park) -> None:
        """Wait in memory while threads are idle, then leave memory; or return because something may have changed."""
        patience = self.patience(park)
        keys = [*keys_of(park), f"c:{self.workflow_id}"]
        waits_on = bool(park.conditions)
        since = park.since if waits_on else self.mark()
        changed = self.executor.hub.wait(keys, since, patience) if patience > 0 else False
        if self.direct or not self.definition.park:  # it never parks, which would tell it that it was cancelled
            self.executor.check_owner(self)
            return
        if changed or (park.until is not None and self.now() >= park.until):
            return
        self.let_go(c.Letting(park.reason, park.conditions, park.until))

    def patience(self, park: c.Park) -> float:
        """Seconds to wait in memory before parking."""
        left = float("inf") if park.until is None else max(0.0, park.until - self.now())
        if self.direct or not self.definition.park:
            return min(left, LONGEST_WAIT_SECONDS)
        most = self.executor.settings.PARK_AFTER_SECONDS
        if (not park.conditions and left > most) or self.executor.pool.is_crowded:
            return 0.0
        return min(left, most - self.waited(park))

    def waited(self, park: c.Park) -> float:
        """Seconds since this wait began: it may have been woken for nothing, as by any commit on SQLite."""
        now = self.executor.clock.monotonic()
        return now - self.waits.setdefault((park.reason, park.conditions), now)

    def let_go(self, letting: c.Letting) -> None:
        """Leave memory. Returns only when what the run would wait for has come true meanwhile."""
        ticket = self.executor.recorder.commit(self.entry(letting=letting))
        if ticket.verdict is Verdict.TRUE:
            return
        if ticket.verdict is Verdict.DONE:
            self.executor.has_let_go(self, letting)
            raise self.close(Parked())
        raise self.close(Cancelled() if ticket.verdict is Verdict.CANCELLED else Fenced())

    # --- running

    def execute(self, args: tuple[Any, ...] | None = None, kwargs: dict[str, Any] | None = None) -> None:
        """Run the workflow's code to an outcome, in this thread."""
        self.executor.began(self)
        token = current.set(self)
        try:
            args, kwargs = self.inputs(args, kwargs)
            self.value = refuse_coroutine(self.definition.fn(*args, **kwargs), self.definition.name)
        except KeyboardInterrupt:  # of a direct call: its process ends, and an executor goes on
            with left_to_others(self) as (letting, settle):
                settle(self.executor.recorder.commit(letting))
            raise
        except BaseException as error:
            self.error = error
        finally:
            leave(token)
        if (entry := self.last_entry()) is None:
            return
        if self.is_watched or not self.executor.recorder.is_busy:
            with self.leaving():
                self.ended(self.executor.recorder.commit(entry))
        else:  # its thread need not wait
            self.executor.recorder.post(entry, self.left)

    async def aexecute(self, args: tuple[Any, ...] | None = None, kwargs: dict[str, Any] | None = None) -> None:
        """`execute` for a coroutine workflow."""
        self.executor.began(self)
        token = current.set(self)
        try:
            args, kwargs = self.inputs(args, kwargs)
            self.value = await self.definition.fn(*args, **kwargs)
        except GeneratorExit:  # it was parked while it waited here
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # its loop ends, not the workflow: an executor goes on
                with left_to_others(self) as (letting, settle):
                    settle(await self.executor.recorder.acommit(letting))
                raise
            self.error = error
        except BaseException as error:
            self.error = error
        finally:
            leave(token)
        if (entry := self.last_entry()) is None:
            return
        if self.is_watched:
            with self.leaving():
                self.ended(await self.executor.recorder.acommit(entry))
        else:
            self.executor.recorder.post(entry, self.left)

    @property
    def is_watched(self) -> bool:
        """Whether somebody in this process goes on when it has ended: its caller, or who listens to the signal."""
        return self.direct or self.above is not None or bool(signals.workflow_finished.receivers)

    def last_entry(self) -> c.Entry | None:
        """What ends the workflow. None when this run has no say in that: it has left then."""
        ending = None
        try:
            ending = self.outcome()
        finally:
            if ending is None:
                self.executor.left(self)
        return None if ending is None else self.entry(record=self.kept, ending=ending)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """The run leaves memory, whatever became of its ending."""
        try:
            yield
        except LeaseLost as error:
            self.close(Fenced()).__cause__ = error
        finally:
            self.executor.left(self)

    def left(self, ticket: Any) -> None:
        """The writer has decided about its ending, for which nobody waited."""
        try:
            with self.leaving():
                self.ended(ticket.outcome())
        except Exception:
            log.exception("the end of %s was not stored; it will be recovered", self.workflow_id)

    def inputs(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if args is None:
            given = self.serializer.deserialize(self.claimed.input)
            args, kwargs = given["args"], given["kwargs"]
        if self.claimed.class_name is not None:
            args = (registry.receiver(self.claimed.class_name, self.claimed.config_name), *args)
        return args, kwargs

    def outcome(self) -> c.Ending | None:
        """How it ended, or None when this run has no say in that."""
        if isinstance(self.closed, Stopped):
            cause = self.closed.__cause__
            assert cause is not None
            self.error = cause
            return failed(cause)
        if self.closed is not None:
            return None
        if self.error is None:
            try:
                text = None if self.value is None else self.encode(self.value)
                return c.Ending(Status.SUCCESS, output=text)
            except Exception as error:
                self.error = error
        if isinstance(self.error, (LeaseLost, ControlFlow)):
            self.close(Fenced()).__cause__ = self.error
            return None
        return failed(self.error)

    def ended(self, ticket: Any) -> None:
        if ticket.verdict is Verdict.DONE:
            if self.kept is not None:
                self.executor.has_recorded(self, self.kept)
            self.ending = ticket.entry.ending
            self.executor.has_ended(self, self.ending)
        else:
            self.close(Cancelled() if ticket.verdict is Verdict.CANCELLED else Fenced())

    def child(self, new: c.NewWorkflow, definition: Any) -> Run:
        """The run of a child that was inserted as claimed here."""
        return Run(self.executor, claimed_here(new), definition, direct=self.direct, above=self)

    def inside(self, step: InStep) -> Inside:
        return Inside(self, step)


def failed(error: BaseException) -> c.Ending:
    return c.Ending(
        Status.ERROR, error=encode_error(error), error_type=type(error).__name__, fingerprint=fingerprint(error)
    )


def refuse_coroutine(value: Any, name: str) -> Any:
    """A sync function that gives back a coroutine has done nothing yet."""
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            f"{name} is a plain function but returned a coroutine; make it `async def`, or await inside it."
        )
    return value
