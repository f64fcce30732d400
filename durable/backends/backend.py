"""What a database does for the engine: reads for waiters, claims, recovery, and who is alive.

What runs write is in `writing`. Every method takes the session it works on: the engine's own, or the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import DatabaseError, connections

from ..chance import chance
from ..conf import conf
from ..engine import commands as c
from ..engine.journal import Recorded
from .dialect import Postgres, Sqlite
from .lines import Claim, Line
from .session import Borrowed, BorrowedPostgres, Own, OwnPostgres, OwnSqlite, Rows, Session
from .statements import Statements

Json = dict[str, Any]

BACKWARDS = 100
"""How many messages of a mailbox are looked at when some are reserved by other open recvs of the run."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an executor can run: workflow names, in these versions, and whether also rows that name no version."""

    names: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    takes_unversioned: bool = True
    tag: str | None = None
    """The version that a row which names none has from then on."""


class Claimed(NamedTuple):
    """A workflow that this executor holds, and all it needs to run it."""

    id: str
    epoch: int
    name: str
    class_name: str | None
    config_name: str | None
    input: str
    serialization: str
    generation: int
    queue: str
    parent: str | None
    authenticated_user: str | None
    assumed_role: str | None
    authenticated_roles: list[str] | None
    recovery_attempts: int
    version: str | None
    partition_key: str | None
    deadline: float | None

    @property
    def is_fresh(self) -> bool:
        """Whether it was never claimed before, so that it has no journal to read."""
        return self.epoch == 1


def claimed_here(new: c.NewWorkflow) -> Claimed:
    """A workflow that was inserted already claimed, as if it had been claimed from a queue."""
    return Claimed(
        new.id, 1, new.name, new.class_name, new.config_name, new.input, new.serialization, 0, new.queue, new.parent,
        new.authenticated_user, new.assumed_role, new.authenticated_roles, 0, new.version, new.partition_key,
        deadline_of(new),
    )  # fmt: skip


def deadline_of(new: c.NewWorkflow) -> float | None:
    """When a workflow that starts now is to be cancelled, as the insert computes it too."""
    if new.deadline is not None or new.timeout is None:
        return new.deadline
    return chance.now() + new.timeout


PARTITION_KEY = Claimed._fields.index("partition_key")
ROLES = Claimed._fields.index("authenticated_roles")


def _with_roles(row: tuple[Any, ...]) -> Iterable[Any]:
    """A claimed row with its roles as a list: both drivers give JSON as text, in which "cle" is among "clerk"."""
    return row if row[ROLES] is None else (*row[:ROLES], json.loads(row[ROLES]), *row[ROLES + 1 :])


class Poll(NamedTuple):
    """What an executor sees when it looks around. `beat`: whether it is to drain, and the database's now; None when its
    lease was not to be renewed, or could not be because somebody has declared it dead."""

    queues: Rows
    ready: list[str]
    wake_at: float | None
    deadline: float | None
    beat: tuple[bool, float] | None


class Orphan(NamedTuple):
    """A workflow whose owner is not among the living."""

    id: str
    epoch: int
    executor: str
    recovery_attempts: int
    max_recovery_attempts: int | None
    name: str

    @property
    def is_dead(self) -> bool:
        limit = self.max_recovery_attempts
        return limit is not None and self.recovery_attempts >= limit


class Backend:
    """One database alias."""

    def __init__(self, alias: str):
        self.alias = alias
        self.vendor = connections[alias].vendor
        if self.vendor not in ("postgresql", "sqlite"):
            raise DatabaseError(f"Durable runs on PostgreSQL and SQLite; DATABASES[{alias!r}] is {self.vendor}.")
        self.pack = (Postgres if self.vendor == "postgresql" else Sqlite).pack
        self.sql = statements_of(self.vendor)

    @property
    def listens(self) -> bool:
        """Whether the database carries notifications."""
        return self.vendor == "postgresql" and conf().LISTEN_NOTIFY

    def own(self, *, claims: bool = False) -> Own:
        """A connection of the engine's own, for one thread at a time; one that `claims` is planned for that."""
        if self.vendor == "sqlite":
            return OwnSqlite(self.alias)
        session = OwnPostgres(self.alias)
        session.prepared, session.claims = conf().PREPARED_STATEMENTS, claims
        session.patience = conf().LEASE_SECONDS
        return session

    def borrowed(self) -> Borrowed:
        """Django's connection of the calling thread."""
        return (Borrowed if self.vendor == "sqlite" else BorrowedPostgres)(self.alias)

    def run(self, session: Session, statement: str, **params: Any) -> Rows:
        return session.run(statement, {**params, "now": chance.now()})

    # --- reads

    def answer(self, session: Session, question: Any) -> Any:
        """What an operation asks (`engine.commands.Ask`)."""
        match question:
            case c.Outcome(workflows):
                rows = self.run(session, self.sql.standing, ids=self.pack(workflows))
                return {row[0]: c.Standing(*row) for row in rows}
            case c.Known(workflows):
                return {row[0] for row in self.run(session, self.sql.fences, ids=self.pack(workflows))}
            case c.NextMessage(workflow, topic, taken):
                limit = 1 if not taken else BACKWARDS + len(taken)
                rows = self.run(session, self.sql.next_message, w=workflow, t=topic, n=limit)
                return next(((number, body) for number, body in rows if number not in taken), None)
            case c.EventValue(workflow, key):
                rows = self.run(session, self.sql.event_value, w=workflow, k=key)
                return rows[0][0] if rows else None
            case c.Entries(workflow, key, offset, limit):
                return self.run(session, self.sql.entries, w=workflow, k=key, o=offset, n=limit)
            case c.Closer(workflow, key):
                rows = self.run(session, self.sql.closer, w=workflow, k=key)
                return rows[0][0] if rows else None
            case c.AllEvents(workflow):
                return list(dict(self.run(session, self.sql.all_events, w=workflow)).items())
            case c.Holder(queue, dedup_id):
                rows = self.run(session, self.sql.holder, q=queue, d=dedup_id)
                return rows[0][0] if rows else None
        raise TypeError(f"unknown question {question!r}")

    def journals(self, session: Session, workflows: Iterable[str]) -> dict[str, dict[int, Recorded]]:
        """The recorded steps of several workflows, in one query."""
        found: dict[str, dict[int, Recorded]] = {}
        for workflow, seq, *recorded in self.run(session, self.sql.journal, ids=self.pack(workflows)):
            found.setdefault(workflow, {})[seq] = Recorded(*recorded)
        return found

    def past_tries(self, session: Session, workflows: Iterable[str]) -> dict[str, dict[int, list[str]]]:
        """The encoded errors of failed attempts, by workflow and slot."""
        found: dict[str, dict[int, list[str]]] = {}
        for workflow, seq, error in self.run(session, self.sql.past_tries, ids=self.pack(workflows)):
            found.setdefault(workflow, {}).setdefault(seq, []).append(error)
        return found

    # --- claims

    def poll(self, session: Session, can: Abilities, beat: Json | None = None) -> Poll:
        """What an idle executor asks, in one statement: queues, ready work, and what is due next (seconds since the
        epoch). `beat`: renew the lease too (`pulse`)."""
        combined = self.sql.beating_poll if beat else None
        answer = self.pulse(session, **beat) if beat and not combined else None
        params = self._beat(**beat) if beat and combined else {}
        rows = self.run(session, combined or self.sql.poll, **self._can(can), **params)
        if combined and rows[0][-2] is not None:
            answer = rows[0][-2:]
        return Poll([row[:7] for row in rows], [row[0] for row in rows if row[7]], rows[0][8], rows[0][9], answer)

    def next_due(self, session: Session) -> tuple[float | None, float | None]:
        """When the next timer and the next deadline are due, seconds since the epoch."""
        [(wake_at, deadline)] = self.run(session, self.sql.next_due)
        return wake_at, deadline

    def _can(self, can: Abilities) -> dict[str, Any]:
        versions = {"versions": self.pack(can.versions), "any": can.takes_unversioned, "tag": can.tag}
        return {"names": self.pack(can.names), **versions}

    def promote(self, session: Session) -> Rows:
        """Make ready what is due: `(id, queue)` of up to 500."""
        return self.run(session, self.sql.promote)

    def claim(self, session: Session, me: str, rooms: dict[str, int], room: int, can: Abilities) -> list[Claimed]:
        """Take ready workflows of unlimited queues, in turn, as many as there is room for in each and in all."""
        queues = json.dumps([{"name": queue, "n": n} for queue, n in rooms.items()])
        rows = self.run(session, self.sql.claim, me=me, queues=queues, room=room, **self._can(can))
        return self._claimed(session, rows)

    def claim_limited(self, session: Session, me: str, line: Line, room: int, can: Abilities) -> list[Claimed]:
        """Take ready workflows of one limited queue: first those that hold a place, then as many as its limits allow.

        The queue row's lock makes counting and taking one thing over all executors.
        """
        base = {"me": me, "queue": line.queue, "now": chance.now(), **self._can(can)}
        with session.transaction():
            return self._claimed(session, Claim(self, session, line, base, PARTITION_KEY).take(room))

    def admit_running(self, session: Session, me: str, workflows: Iterable[str]) -> None:
        """A queue was given a limit while these were claimed without one: count them from now on."""
        self.run(session, self.sql.admit_running, me=me, ids=self.pack(workflows))

    def _claimed(self, session: Session, rows: Rows) -> list[Claimed]:
        claimed = [Claimed(*_with_roles(row)) for row in rows]
        if again := [each.id for each in claimed if not each.is_fresh]:
            self.run(session, self.sql.forget_waits, ids=self.pack(again))
        return claimed

    # --- the living and the lost

    def pulse(
        self, session: Session, me: str, lease: float, running: int, activity: list[Any]
    ) -> tuple[bool, float] | None:
        """Renew a lease: `(is draining, database's now)`, or None when somebody has declared this executor dead.

        A lease that ran out is renewed too, as long as nobody has taken what it held: epochs keep that safe.
        """
        rows = self.run(session, self.sql.pulse, **self._beat(me, lease, running, activity))
        return (rows[0][0], rows[0][1]) if rows else None

    @staticmethod
    def _beat(me: str, lease: float, running: int, activity: list[Any]) -> Json:
        return {"me": me, "lease": lease, "running": running, "activity": json.dumps(activity)}

    def expire(self, session: Session) -> Rows:
        """Cancel up to 500 workflows whose deadline has passed: `(id, epoch that ended, executor, queue)`."""
        with session.transaction():
            rows = self.run(session, self.sql.expire)
            if rows:
                attempts = [
                    {"w": w, "e": e, "x": x, "t": "cancelled", "d": "its timeout ran out"} for w, e, x, _ in rows
                ]
                self.run(session, self.sql.attempts, attempts=json.dumps(attempts))
        return rows

    def recover(self, session: Session) -> list[Orphan]:
        """Let go of up to 1,000 workflows whose owner is not among the living; bury those that crashed too often."""
        with session.transaction():
            orphans = [Orphan(*row) for row in self.run(session, self.sql.orphans)]
            for statement, dead in ((self.sql.recover, False), (self.sql.bury, True)):
                if lost := [{"w": o.id, "e": o.epoch} for o in orphans if o.is_dead is dead]:
                    self.run(session, statement, lost=json.dumps(lost))
            if orphans:
                self.run(session, self.sql.declare_dead, ids=self.pack({o.executor for o in orphans}))
                attempts = [{"w": o.id, "e": o.epoch, "x": o.executor, "t": "lost"} for o in orphans]
                self.run(session, self.sql.attempts, attempts=json.dumps(attempts))
                ended = [{"k": "child", "t": o.id, "d": ""} for o in orphans if o.is_dead]
                self.wake(session, ended)
        return orphans

    def wake(self, session: Session, conditions: list[dict[str, str]]) -> Rows:
        """Make ready the parked workflows that wait for any of `conditions`: `(id, queue)`."""
        if not conditions:
            return []
        return self.run(session, self.sql.wake, true=json.dumps(conditions))

    def sweep_waits(self, session: Session, after: tuple[str, str, str, str]) -> tuple[tuple[str, str, str, str], Rows]:
        """Check the next 500 waits after a key against the world, in case a wake-up was lost."""
        kind, target, detail, workflow = after
        rows = self.run(session, self.sql.missed, kind=kind, target=target, detail=detail, workflow=workflow)
        waits = [{"k": k, "t": t, "d": d, "w": w, "n": n} for k, t, d, w, n in rows]
        true = {row[0] for row in self.run(session, self.sql.come_true, waits=json.dumps(waits))} if waits else set()
        woken = self.wake(session, [each for each in waits if each["w"] in true])
        return (rows[-1][:4] if len(rows) == 500 else ("", "", "", "")), woken


@lru_cache(maxsize=2)
def statements_of(vendor: str) -> Statements:
    return Statements(Postgres if vendor == "postgresql" else Sqlite)


@lru_cache(maxsize=8)
def _backend(alias: str, engine: str) -> Backend:
    return Backend(alias)


def backend() -> Backend:
    """The backend of the engine's database."""
    alias = conf().DATABASE
    return _backend(alias, connections.settings[alias]["ENGINE"])
