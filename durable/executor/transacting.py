"""A @transaction: the user's own writes and the step that records them commit together, so they happen exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connections, transaction

from ..backends.backend import backend
from ..backends.session import is_passing
from ..backends.writing import Verdict, judge, row_of
from ..chance import chance
from ..context import scope as current
from ..engine import commands as c
from ..errors import InsideAtomic
from ..models import Checkpoint
from .outside import InTransaction
from .pool import close_connections

TRIES = 30
LONGEST_PAUSE_SECONDS = 2.0
"""A conflict with another transaction, or a database that is away, is tried again: about a minute in all."""


class NotRecorded(Exception):
    """The slot was not free, or the fence did not hold: roll back, then find out why."""


@dataclass(frozen=True)
class Judged:
    """A verdict without a commit, as `Run.settle` takes it."""

    verdict: Verdict
    inserted: frozenset[str] = frozenset()


def transact(run: Any, command: c.Transact) -> Any:
    """Run the code and decide its slot in one transaction on `using` (default: the engine's database)."""
    alias = command.using or backend().alias
    if connections[alias].in_atomic_block:
        raise InsideAtomic(verb=command.frame.name, alias=alias)
    try:
        return _until_it_holds(run, command, alias)
    finally:
        if run.definition.is_async:  # in a thread that its coroutine borrowed, where nobody else closes connections
            close_connections()


def _until_it_holds(run: Any, command: c.Transact, alias: str) -> Any:
    connection = connections[alias]
    for attempt in range(1, TRIES + 1):
        try:
            connection.close_if_unusable_or_obsolete()
            return _once(run, command, alias)
        except NotRecorded:
            verdict = _find_out(run, command)
            if verdict is not Verdict.BUSY:
                return _already(run, command, verdict)
        except (OperationalError, InterfaceError) as error:
            if attempt == TRIES or not is_passing(error):
                raise
        pause = min(LONGEST_PAUSE_SECONDS, 0.002 * 2**attempt)
        chance.rest(run.executor.stopping, pause * (0.5 + chance.random()))
    raise OperationalError(f"The row of {run.workflow_id} was locked {TRIES} times when {command.frame.name} ended.")


def _once(run: Any, command: c.Transact, alias: str) -> Any:
    engine = backend()
    with transaction.atomic(using=alias, durable=True):
        if command.isolation and connections[alias].vendor == "postgresql":
            with connections[alias].cursor() as cursor:
                cursor.execute(f"set transaction isolation level {command.isolation}")
        if alias != engine.alias and (stored := _checkpoint(run, command, alias)) is not None:
            value, output = run.journal.serializer.deserialize(stored.output), stored.output
        else:
            token = current.set(InTransaction(run, command.frame))
            try:
                value = command.fn(*command.args, **command.kwargs)
            finally:
                current.reset(token)
            output = run.journal.encode(value)
            _record(run, command, alias, output)
    record = c.Record((command.slot.decided(output),))
    if alias != engine.alias:  # the checkpoint there is what counts; the step here repeats it
        run.perform(record)
    else:
        run.executor.has_recorded(run, record)
    return value


def _record(run: Any, command: c.Transact, alias: str, output: str) -> None:
    """The fence and the step, last: the workflow's row is locked for the shortest time."""
    engine = backend()
    if alias != engine.alias:
        try:
            Checkpoint.objects.using(alias).create(
                workflow_id=run.workflow_id, generation=run.journal.generation, seq=command.slot.seq,
                name=command.slot.name, output=output, created_at=_moment(run),
            )  # fmt: skip
        except IntegrityError as error:
            raise NotRecorded from error
        return
    row = row_of(run.workflow_id, run.epoch, command.slot.decided(output))
    patience = f"{int(run.executor.settings.LEASE_SECONDS * 1000)}ms"
    if not engine.run(engine.borrowed(), engine.sql.record_last, **row, patience=patience):
        raise NotRecorded


def _checkpoint(run: Any, command: c.Transact, alias: str) -> Checkpoint | None:
    return (
        Checkpoint.objects.using(alias)
        .filter(workflow_id=run.workflow_id, generation=run.journal.generation, seq=command.slot.seq)
        .first()
    )


def _find_out(run: Any, command: c.Transact) -> Verdict:
    engine = backend()
    return judge(engine, engine.borrowed(), run.entry(record=c.Record((command.slot.decided(),))))


def _already(run: Any, command: c.Transact, verdict: Verdict) -> Any:
    """The slot is decided: by an earlier try whose commit was not acknowledged, or by somebody else."""
    if verdict is Verdict.DONE:
        stored = run.executor.journal(run.workflow_id)[command.slot.seq]
        return None if stored.output is None else run.journal.serializer.deserialize(stored.output)
    return run.settle(Judged(verdict), c.Record((command.slot.decided(),)))


def _moment(run: Any) -> datetime:
    return datetime.fromtimestamp(run.now(), UTC)
