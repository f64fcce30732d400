"""What runs write: a batch of entries, each under its fence `(workflow, epoch)`, in as few round trips as it can.

A batch that touches only its own rows is one transaction and one round trip. Entries that touch another workflow's row
(a message for it, a wait on it) first lock all those rows, so that no wake-up falls between a look and a park. A row
that somebody else holds is skipped and its entry is BUSY: tried again, alone, without stalling the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from typing import Any

from ..chance import chance
from ..engine import commands as c
from .backend import Backend
from .session import Rows, Session, Statement

Json = dict[str, Any]

NO_COLUMNS = ("id_policy", "dedup_policy", "is_named")


class Verdict(Enum):
    """What became of an entry."""

    DONE = "written"
    BUSY = "its row is locked elsewhere; try again"
    TRUE = "not parked: what it would wait for has come true"
    FENCED = "another executor owns the workflow, or it has ended"
    CANCELLED = "the workflow was cancelled"
    TAKEN = "the slot holds another operation"
    REFUSED = "nothing was written: the workflow that it would insert was not, its id or deduplication id is in use"


class Batch:
    """The statements for some entries, and what their answers mean."""

    def __init__(self, backend: Backend, entries: list[c.Entry]):
        self.backend, self.sql, self.entries = backend, backend.sql, entries
        self.rows: list[Json] = []
        self.tries: list[Json] = []
        self.new: list[Json] = []
        self.messages: list[Json] = []
        self.consumed: list[Json] = []
        self.events: list[Json] = []
        self.entries_of_streams: list[Json] = []
        self.endings: list[Json] = []
        self.lettings: list[Json] = []
        self.waits: list[Json] = []
        self.attempts: list[Json] = []
        self.true: list[Json] = []
        for entry in entries:
            self._add(entry)

    def _add(self, entry: c.Entry) -> None:
        w, e = entry.workflow, entry.epoch
        if record := entry.record:
            self.rows += [row_of(w, e, row) for row in record.rows]
            seq = record.rows[0].seq if record.rows else None
            for effect in record.effects:
                self.add_effect(effect, {"pw": w, "ps": seq, "pe": e})
        if ending := entry.ending:
            self.endings.append({"w": w, "e": e, "t": ending.status, "o": ending.output, "r": ending.error,
                                 "y": ending.error_type, "p": ending.fingerprint})  # fmt: skip
            self.true.append({"k": "child", "t": w, "d": ""})
            if ending.status != "SUCCESS":
                self.attempts.append({"w": w, "e": e, "x": entry.executor, "t": "failed"})
        if letting := entry.letting:
            self.lettings.append({"w": w, "e": e, "reason": letting.reason, "u": letting.until})
            self.waits += [
                {"w": w, "e": e, "k": k.kind, "t": k.target, "d": k.detail, "n": k.number}
                for k in sorted(letting.conditions, key=lambda k: k.number or 0)  # one wait for a stream: its earliest
            ]
            if letting.outcome:
                self.attempts.append({"w": w, "e": e, "x": entry.executor, "t": letting.outcome, "d": letting.detail})

    def add_effect(self, effect: c.Effect, by: Json) -> None:
        match effect:
            case c.NewWorkflow():
                self.new.append(new_workflow(effect) | by)
            case c.Deliver(destination, topic, key, body):
                self.messages.append({"w": destination, "t": topic, "k": key, "o": body} | by)
                self.true.append({"k": "message", "t": destination, "d": topic})
            case c.Consume(message, seq):
                self.consumed.append({"m": message} | by | {"ps": seq})
            case c.Publish(workflow, key, seq, value):
                self.events.append({"w": workflow, "k": key, "o": value} | by | {"ps": seq})
                self.true.append({"k": "event", "t": workflow, "d": key})
            case c.Append(workflow, key, seq, value):
                n = len(self.entries_of_streams)
                self.entries_of_streams.append({"n": n, "w": workflow, "k": key, "o": value} | by | {"ps": seq})
                self.true.append({"k": "stream", "t": workflow, "d": key})
            case c.FailedTry(seq, n, name, error, started_at, ended_at):
                self.tries.append({"w": by["pw"], "e": by["pe"], "s": seq, "n": n, "name": name, "r": error,
                                   "b": started_at, "f": ended_at})  # fmt: skip

    def statements(self) -> dict[str, Statement]:
        """In the order of dependence: slots, then what they guard, then endings, then who may go on because of it."""
        now = chance.now()
        found: dict[str, Statement] = {}
        for name, payload in (
            ("record", ("rows", self.rows)),
            ("tries", ("tries", self.tries)),
            ("insert", ("new", self.new)),
            ("deliver", ("messages", self.messages)),
            ("consume", ("consumed", self.consumed)),
            ("publish", ("events", self.events)),
            ("append", ("entries", self.entries_of_streams)),
            ("finish", ("endings", self.endings)),
            ("let_go", ("lettings", self.lettings)),
            ("wait", ("waits", self.waits)),
            ("attempts", ("attempts", self.attempts)),
            ("wake", ("true", self.true)),
        ):
            parameter, values = payload
            if values:
                found[name] = (getattr(self.sql, name), {parameter: json.dumps(values), "now": now})
        return found

    def run(self, session: Session, *, last: bool) -> dict[str, list[Any]]:
        """Run the statements, `last` in their transaction or not; what each returned, by its name."""
        statements = self.statements()
        answers = session.together(list(statements.values()), last=last) if statements else []
        return dict(zip(statements, answers, strict=True))


class Written:
    """What became of a batch, entry by entry."""

    def __init__(self) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self.again: set[int] = set()
        """Entries that were written before, by a commit whose answer was lost."""
        self.inserted: set[str] = set()
        self.woken: list[tuple[str, str]] = []


def write(backend: Backend, session: Session, entries: list[c.Entry]) -> Written:
    """Commit entries of distinct or equal workflows; see `Verdict` for what may become of each."""
    written = Written()
    if len(entries) == 1 and (row := _sole_row(entries[0])):
        if session.run(backend.sql.record_one, row_of(entries[0].workflow, entries[0].epoch, row)):
            written.verdicts[id(entries[0])] = Verdict.DONE
        else:
            _judge(backend, session, entries, written)
        return written
    choosy = [entry for entry in entries if is_choosy(entry)]
    for entry in choosy:
        _write_or_refuse(backend, session, entry, written)
    targeted = [entry for entry in entries if targets(entry) and not is_choosy(entry)]
    plain = [entry for entry in entries if not targets(entry) and not is_choosy(entry)]
    if plain:
        _write(backend, session, plain, written)
    if targeted:
        with session.transaction():
            ids = {i for entry in targeted for i in (entry.workflow, *targets(entry))}
            held = {row[0] for row in backend.run(session, backend.sql.lock, ids=backend.pack(sorted(ids)))}
            known = held | _exist(backend, session, ids - held)
            free = []
            for entry in targeted:
                wanted = {entry.workflow, *targets(entry)} & known
                if wanted <= held:
                    free.append(entry)
                else:
                    written.verdicts[id(entry)] = Verdict.BUSY
            _write(backend, session, _still_waiting(backend, session, free, written), written)
    return written


def _sole_row(entry: c.Entry) -> c.Row | None:
    """The row of an entry that is nothing else, as most steps are."""
    record = entry.record
    if record is None or record.effects or len(record.rows) != 1 or entry.ending or entry.letting:
        return None
    return record.rows[0]


class Refused(Exception):
    """Rolls back an entry whose workflow was not inserted."""


def is_choosy(entry: c.Entry) -> bool:
    """Whether an entry inserts a workflow that may not be one that is there already: it is then written alone."""
    effects = entry.record.effects if entry.record else ()
    return any(isinstance(effect, c.NewWorkflow) and effect.is_choosy for effect in effects)


def _write_or_refuse(backend: Backend, session: Session, entry: c.Entry, written: Written) -> None:
    assert entry.record is not None
    alone = Written()
    try:
        with session.transaction():
            _write(backend, session, [entry], alone, last=False)
            wanted = {effect.id for effect in entry.record.effects if isinstance(effect, c.NewWorkflow)}
            if id(entry) in alone.again:  # with its slot, so what it wanted was inserted then
                alone.inserted |= wanted
            if alone.verdicts[id(entry)] is Verdict.DONE and not wanted <= alone.inserted:
                raise Refused
    except Refused:
        written.verdicts[id(entry)] = Verdict.REFUSED
    else:
        written.verdicts |= alone.verdicts
        written.inserted |= alone.inserted
        written.woken += alone.woken


def apply(backend: Backend, session: Session, effects: Iterable[c.Effect], epoch: int | None = None) -> set[str]:
    """Write effects on behalf of no slot: from outside, or from within a step; ids of workflows that were inserted.

    `epoch` fences what a step publishes. Wake-ups are the caller's, after its commit (`waking`).
    """
    batch = Batch(backend, [])
    for effect in effects:
        batch.add_effect(effect, {} if epoch is None else {"pe": epoch})
    batch.true.clear()
    statements = batch.statements()
    if batch.entries_of_streams:  # whoever writes to a stream holds its workflow's row, so that offsets have no gap
        ids = {entry["w"] for entry in batch.entries_of_streams}
        hold = (backend.sql.hold, {"ids": backend.pack(ids), "now": chance.now()})
        statements = {"hold": hold, **statements}
    answers = dict(zip(statements, session.together(list(statements.values())), strict=True)) if statements else {}
    return {row[0] for row in answers.get("insert", ())}


def waking(backend: Backend, session: Session, conditions: list[Json]) -> tuple[Rows, bool]:
    """Wake who waits for `conditions`, after their cause was committed: what was woken, and whether that is certain.

    Their targets are locked first: a workflow that parks at this moment holds that lock too, so either it has seen the
    cause or its wait is visible here. Not certain means that a row was locked elsewhere: ask again.
    """
    ids = {condition["t"] for condition in conditions}
    now = chance.now()
    locked, woken = session.together(
        [
            (backend.sql.lock, {"ids": backend.pack(sorted(ids)), "now": now}),
            (backend.sql.wake, {"true": json.dumps(conditions), "now": now}),
        ]
    )
    return woken, not _exist(backend, session, ids - {row[0] for row in locked})


def judge(backend: Backend, session: Session, entry: c.Entry) -> Verdict:
    """Why an entry's statement changed nothing."""
    written = Written()
    _judge(backend, session, [entry], written)
    return written.verdicts[id(entry)]


def targets(entry: c.Entry) -> set[str]:
    """The other workflows whose rows an entry must hold: mailboxes it fills, workflows it waits on."""
    found = set()
    if entry.record:
        found = {effect.destination for effect in entry.record.effects if isinstance(effect, c.Deliver)}
    if entry.letting:
        found |= {condition.target for condition in entry.letting.conditions}
    return found


def _exist(backend: Backend, session: Session, ids: set[str]) -> set[str]:
    if not ids:
        return set()
    return {row[0] for row in backend.run(session, backend.sql.fences, ids=backend.pack(ids))}


def _still_waiting(backend: Backend, session: Session, entries: list[c.Entry], written: Written) -> list[c.Entry]:
    """Leave out the entries that would park on what has come true; asked in a fresh snapshot, their rows locked."""
    waits = [
        {"w": entry.workflow, "k": each.kind, "t": each.target, "d": each.detail, "n": each.number}
        for entry in entries
        if entry.letting
        for each in entry.letting.conditions
    ]
    if not waits:
        return entries
    true = {row[0] for row in backend.run(session, backend.sql.come_true, waits=json.dumps(waits))}
    for entry in entries:
        if entry.letting and entry.workflow in true:
            written.verdicts[id(entry)] = Verdict.TRUE
    return [entry for entry in entries if id(entry) not in written.verdicts]


def _write(
    backend: Backend, session: Session, entries: list[c.Entry], written: Written, *, last: bool = True
) -> None:  # fmt: skip
    answers = Batch(backend, entries).run(session, last=last)
    won = {(row[0], row[1]) for row in answers.get("record", ())}
    tried = {(row[0], row[1]) for row in answers.get("tries", ())}
    ended = {row[0] for row in (*answers.get("finish", ()), *answers.get("let_go", ()))}
    written.inserted |= {row[0] for row in answers.get("insert", ())}
    written.woken += answers.get("wake", ())
    losers = []
    for entry in entries:
        if _is_done(entry, won, tried, ended):
            written.verdicts[id(entry)] = Verdict.DONE
        else:
            losers.append(entry)
    if losers:
        _judge(backend, session, losers, written)


def _is_done(entry: c.Entry, won: set[tuple[str, int]], tried: set[tuple[str, int]], ended: set[str]) -> bool:
    if entry.ending or entry.letting:
        return entry.workflow in ended
    record = entry.record
    if record is None:
        return True
    if record.rows:
        return all((entry.workflow, row.seq) in won for row in record.rows)
    return all((entry.workflow, e.seq) in tried for e in record.effects if isinstance(e, c.FailedTry))


def _judge(backend: Backend, session: Session, losers: list[c.Entry], written: Written) -> None:
    """Tell why an entry changed nothing: fenced out, cancelled, a locked row, its own retry, or another operation."""
    ids = backend.pack({entry.workflow for entry in losers})
    fences = {row[0]: (row[1], row[2]) for row in backend.run(session, backend.sql.fences, ids=ids)}
    stored = {(w, s): (n, e) for w, s, n, e in backend.run(session, backend.sql.stored, ids=ids)}
    for entry in losers:
        epoch, status = fences.get(entry.workflow, (None, None))
        if status == "CANCELLED":
            verdict = Verdict.CANCELLED
        elif epoch != entry.epoch or status != "PENDING":
            verdict = Verdict.FENCED
        else:
            verdict = _slots(entry, stored)
            if verdict is Verdict.DONE:
                written.again.add(id(entry))
        written.verdicts[id(entry)] = verdict


def _slots(entry: c.Entry, stored: dict[tuple[str, int], tuple[str, int]]) -> Verdict:
    """The fence holds: the slot is free (its row was locked elsewhere), mine from a lost answer, or another's."""
    rows = entry.record.rows if entry.record else ()
    found = [stored.get((entry.workflow, row.seq)) for row in rows]
    if any(each is None for each in found) or not rows:
        return Verdict.BUSY
    same = all(each == (row.name, entry.epoch) for each, row in zip(found, rows, strict=True))
    return Verdict.DONE if same else Verdict.TAKEN


def row_of(workflow: str, epoch: int, row: c.Row) -> Json:
    return {"w": workflow, "e": epoch, "s": row.seq, "n": row.name, "k": row.kind, "o": row.output, "r": row.error,
            "c": row.child, "a": row.attempts, "b": row.started_at, "f": row.completed_at}  # fmt: skip


def new_workflow(new: c.NewWorkflow) -> Json:
    """A workflow as the insert statement takes it; what it does not have is not written, and read as null."""
    given = zip(new._fields, new, strict=True)
    return {name: value for name, value in given if value is not None and name not in NO_COLUMNS}
