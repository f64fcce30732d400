"""A process's part in running workflows: its identity, its lease, its threads, and what it holds."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from django.db import DatabaseError

from .. import serializers, signals
from ..backends.backend import Abilities, Claimed, Orphan, backend
from ..backends.session import Own, Rows
from ..chance import Chance, chance
from ..conf import conf
from ..engine import commands as c
from ..errors import Cancelled, Fenced, LeaseLost
from ..models import INTERNAL_QUEUE, Workflow
from ..models import Executor as Row
from ..registry import registry
from ..states import Status
from . import identity, living
from .claimer import Claimer
from .hub import hub
from .lease import Lease
from .nursery import Nursery
from .outside import tell
from .pool import Pool, close_connections
from .pruner import Pruner
from .queue_limits import QueueLimits
from .readers import Readers
from .recorder import Recorder
from .registering import register, register_again
from .run import Run
from .scheduler import Scheduler
from .sweeper import Sweeper

log = logging.getLogger("durable.executor")

SHOWN_AFTER_SECONDS = 1.0
STOP_SECONDS = 2.0
ASIDE_SECONDS = 30.0
"""How long a stop waits for threads whose runs have just been closed."""


class Executor:
    """Runs workflows in this process.

    `queues`: names to serve, None for all; work without a queue is always served. `concurrency`: how many workflows run
    at once. `claims`: False for a process that only runs its own direct calls. Settings (`settings.DURABLE`) give the
    defaults. Raises `DatabaseAway` on `start` when the database cannot be reached.
    """

    def __init__(
        self, *, queues: Any = None, concurrency: int | None = None, claims: bool = True, label: str | None = None,
        clock: Chance = chance,
    ):  # fmt: skip
        self.settings = conf()
        self.backend = backend()
        self.clock = clock
        self.id = clock.new_id()
        self.label = label or self.settings.EXECUTOR_ID or f"{identity.hostname()}-{os.getpid()}"
        self.claims = claims
        self.queues = queues if queues is not None else self.settings.QUEUES
        self.concurrency = concurrency or self.settings.CONCURRENCY
        self.hub = hub()
        self.lease = Lease(self.settings.LEASE_SECONDS, clock)
        self.readers = Readers(self.backend, self.lease)
        self.recorder = Recorder(self.backend, self.lease, self.hub.announce)
        self.pool = Pool(self.concurrency)
        self.nursery = Nursery(self)
        self.claimer = Claimer(self)
        self.sweeper = Sweeper(self)
        self.pruner = Pruner(self)
        self.scheduler = Scheduler(self)
        self.running: dict[str, Run] = {}
        self.stopping = threading.Event()
        self.is_draining = False
        self.is_stopped = False
        self._hurry = False
        self._idle = threading.Condition()
        self.taking = threading.Lock()
        """Held from counting the room until what was taken is counted too."""
        self._own_runs: Counter[str] = Counter()
        self._own_partitions: dict[str, Counter[str]] = {}
        self._guests: set[asyncio.Task[None]] = set()
        self._registered = -1
        self.version = ""
        self._versions: set[str] = set()  # where they are strict: what is defined later changes nothing earlier
        self._heard: set[str] = set()
        self._ends: list[Callable[[], None]] = []

    # --- beginning and ending

    def start(self) -> Executor:
        """Register, take the lease, and begin to serve."""
        register(self)
        living.add(self)
        self.claimer.start()
        if self.claims:
            self.sweeper.welcome()
            self.sweeper.start()
            if self.settings.RETENTION:
                self.pruner.start()
            self.scheduler.start()
        signals.executor_started.send_robust(Row, executor=self)
        return self

    def drain(self, grace_seconds: float | None = None) -> None:
        """Stop claiming, let running steps finish within the grace, release the rest, and stop.

        What is released counts as no crash; another executor goes on at the last recorded step.
        """
        if self.is_stopped:
            return
        grace = self.settings.SHUTDOWN_GRACE_SECONDS if grace_seconds is None else grace_seconds
        self._begin_draining()
        deadline = self.clock.monotonic() + grace
        with self._idle:
            while self.running and self.clock.monotonic() < deadline and self.lease.holds and not self._hurry:
                self._idle.wait(timeout=min(0.2, max(0.0, deadline - self.clock.monotonic())))
                self.nursery.release_all()
        for run in list(self.running.values()):
            self.release_stray(run.workflow_id, run.epoch)
        self.stop()

    def drain_now(self) -> None:
        """End the grace of a drain that is under way, or drain without any."""
        self._hurry = True
        with self._idle:
            self._idle.notify_all()
        self.drain(0)

    def _begin_draining(self) -> None:
        if not self.is_draining:
            self.is_draining = True
            signals.executor_draining.send_robust(Row, executor=self)
            self.say(self.backend.sql.drain)
            self.nursery.release_all()

    def stop(self) -> None:
        """End the threads and give up the lease. Workflows that still run here are recovered by others."""
        if self.is_stopped:
            return
        self.is_stopped = self.is_draining = True
        self.stopping.set()
        self._stop_hearing()
        self.claimer.stop()
        self.sweeper.stop()
        self.pruner.stop()
        self.scheduler.stop()
        for run in list(self.running.values()):
            run.close(Fenced())
        self.pool.stop()
        self.nursery.stop()
        self.readers.stop()
        self.pool.join(STOP_SECONDS)
        self.recorder.stop()
        self.say(self.backend.sql.goodbye)
        self.readers.close()
        signals.executor_stopped.send_robust(Row, executor=self)

    def say(self, statement: str) -> None:
        """Tell the others about this executor. When the database is away they find out from its lease."""
        try:
            self.readers.read(lambda session: self.backend.run(session, statement, me=self.id))
        except DatabaseError as error:
            log.warning("executor %s could not say that it stops; its lease will run out: %s", self.label, error)

    # --- what it serves

    def abilities(self, session: Own) -> Abilities:
        """What it can run: names, in which versions, and whether also what names no version."""
        if self._registered != registry.changes:  # something was defined after the start
            register_again(self)
        versions = registry.versions()
        if self.settings.VERSIONS == "adopt":
            return Abilities(tuple(versions), tuple(set(versions.values())))
        self._versions |= {self.version, *versions.values()}
        latest = self.latest_version(session)
        return Abilities(tuple(versions), tuple(self._versions), latest in (None, self.version), self.version)

    def latest_version(self, session: Own) -> str | None:
        """The version of the application that was promoted last."""
        rows = session.run(self.backend.sql.latest_version, {"application": self.settings.APPLICATION_NAME})
        return rows[0][0] if rows else None

    def queue_limits(self, rows: Rows) -> dict[str, Any]:
        """The limits in force of every queue that it serves, of the rows of all."""
        mine = (row for row in rows if self.queues is None or row[0] in self.queues or row[0] == INTERNAL_QUEUE)
        served = {row[0]: QueueLimits(*row) for row in mine}
        if self.claims and set(served) != self._heard:
            self._hear(set(served))
        return served

    def _hear(self, queues: set[str]) -> None:
        """Let notifications about these queues cut the claimer's rest short."""
        mark = self.hub.mark()
        ends = [self.hub.subscribe([f"q:{q}"], mark, partial(self.claimer.ready, q)) for q in queues]
        ends.append(self.hub.subscribe(["t:"], mark, self.claimer.everything_changed))
        self._stop_hearing()
        self._heard, self._ends = queues, ends

    def _stop_hearing(self) -> None:
        for end in self._ends:
            end()

    def served_by_the_living(self, session: Own) -> tuple[set[tuple[str, str]], set[str]]:
        """What any living executor can run, as pairs of name and version, and the queues that this one serves."""
        rows = self.backend.run(session, self.backend.sql.known)
        served = {pair for (text,) in rows for pair in json.loads(text).items()}
        mine = {(name, version) for name in registry.names() for version in self._versions}
        return served | mine | set(registry.versions().items()), set(self.claimer.limits)

    # --- running

    @property
    def room(self) -> int:
        return self.concurrency - sum(self._own_runs.values())

    def running_in(self, queue: str) -> int:
        return self._own_runs[queue]

    def running_in_partitions(self, queue: str) -> dict[str, int]:
        """How many workflows of each partition of a queue run here."""
        return dict(self._own_partitions.get(queue, {}))

    def serializer(self, name: str) -> Any:
        return serializers.get(name)

    def run_claimed(self, claimed: list[Claimed], session: Own) -> None:
        """Start what was just claimed; what was run before gets its journal, all in one query."""
        again = [each.id for each in claimed if not each.is_fresh]
        journals = self.backend.journals(session, again) if again else {}
        tries = self.backend.past_tries(session, again) if again else {}
        for each in claimed:
            definition = registry.find(each.name)
            if definition is None or not registry.has_receiver(each.class_name, each.config_name):
                self._set_aside(each)
                continue
            run = Run(self, each, definition, rows=journals.get(each.id), tries=tries.get(each.id))
            self.run_adopted(run)

    def run_as_guest(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a coroutine run on its caller's event loop, where it shares what belongs to that loop.

        Like a direct call it stays in memory while it waits, and takes no room from others.
        """
        run.direct = True
        self.running[run.workflow_id] = run
        task = loop.create_task(run.aexecute())
        self._guests.add(task)
        task.add_done_callback(self._guests.discard)

    def run_adopted(self, run: Run) -> None:
        """Begin a run of a workflow that this executor holds, in a thread or on its event loop."""
        claimed = run.claimed
        self.running[claimed.id] = run
        with self._idle:
            self._own_runs[claimed.queue] += 1
            if claimed.partition_key is not None:
                self._own_partitions.setdefault(claimed.queue, Counter())[claimed.partition_key] += 1
        if run.definition.is_async:
            self.nursery.submit(run)
        else:
            self.pool.submit(run.execute)

    def journal(self, workflow: str) -> Any:
        return self.readers.read(lambda session: self.backend.journals(session, [workflow])).get(workflow, {})

    def began(self, run: Run) -> None:
        self.running[run.workflow_id] = run
        if run.claimed.deadline is not None:
            self.claimer.deadline(run.claimed.deadline)
        signals.workflow_started.send_robust(Workflow, **self._about(run))

    def left(self, run: Run) -> None:
        """A run has left memory: ended, parked, or closed."""
        with self._idle:
            if run.has_left:
                return
            run.has_left = True
            if self.running.get(run.workflow_id) is run:
                del self.running[run.workflow_id]
            if run.above is None and not run.direct:
                self._own_runs[run.claimed.queue] -= 1
                if run.claimed.partition_key is not None:
                    of_queue = self._own_partitions[run.claimed.queue]
                    of_queue[run.claimed.partition_key] -= 1
                    of_queue += Counter()  # forgets the partitions of which nothing runs
            self._idle.notify_all()
        queue = run.claimed.queue
        limits = self.claimer.limits.get(queue)
        if limits is not None and limits.is_limited:
            self.hub.announce({f"q:{queue}"})
            self.claimer.ready(queue)
        if self.claimer.hot:
            self.claimer.wake()

    def has_recorded(self, run: Run, record: c.Record) -> None:
        if signals.step_recorded.receivers:
            for row in record.rows:
                facts = {"seq": row.seq, "step": row.name, "failed": row.error is not None}
                signals.step_recorded.send_robust(Workflow, **facts, **self._about(run))
        if signals.step_failed.receivers:
            for effect in record.effects:
                if isinstance(effect, c.FailedTry):
                    facts = {"seq": effect.seq, "step": effect.name, "attempt": effect.n, "error": effect.error}
                    signals.step_failed.send_robust(Workflow, **facts, **self._about(run))

    def has_ended(self, run: Run, ending: c.Ending) -> None:
        signals.workflow_finished.send_robust(Workflow, status=str(ending.status), **self._about(run))

    def has_let_go(self, run: Run, letting: c.Letting) -> None:
        signal = signals.workflow_parked if letting.outcome is None else signals.workflow_released
        signal.send_robust(Workflow, reason=letting.reason, until=letting.until, **self._about(run))
        if letting.until is not None:
            self.claimer.due(letting.until)
        if letting.reason is None:
            self.tell({run.claimed.queue})

    def has_expired(self, rows: Any, session: Own) -> None:
        """Workflows were cancelled because their time was up: tell their runs, and who waits for them."""
        if rows:
            ids = [row[0] for row in rows]
            queues = {f"q:{row[3]}" for row in rows}
            changed = {f"{kind}:{each}" for each in ids for kind in "cw"} | queues
            tell([{"k": "child", "t": each, "d": ""} for each in ids], changed, session)

    def has_recovered(self, orphans: list[Orphan]) -> None:
        for orphan in orphans:
            facts = {"workflow_id": orphan.id, "name": orphan.name, "executor": self, "lost_by": orphan.executor}
            signals.workflow_lost.send_robust(Workflow, dead=orphan.is_dead, **facts)
        if orphans:
            self.hub.announce({f"w:{orphan.id}" for orphan in orphans if orphan.is_dead})
            self.claimer.everything_changed()

    def _about(self, run: Run) -> dict[str, Any]:
        return {"workflow_id": run.workflow_id, "name": run.claimed.name, "epoch": run.epoch, "executor": self}

    def tell(self, queues: set[str]) -> None:
        self.hub.announce({f"q:{queue}" for queue in queues})

    def _set_aside(self, claimed: Claimed) -> None:
        """This process lacks the function, or the instance whose method it is: it waits, visibly, for one that has."""
        letting = c.Letting(f"executor:{claimed.name}", until=self.lease.now() + ASIDE_SECONDS)
        with suppress(LeaseLost):
            self.recorder.commit(c.Entry(claimed.id, claimed.epoch, letting=letting, executor=self.id))

    def release_stray(self, workflow: str, epoch: int) -> None:
        """Let go of a workflow at once: its run, if there is one, may write nothing more."""
        letting = c.Letting(None, outcome="released", detail="let go by its executor")
        with suppress(LeaseLost):  # without a lease there is nothing to let go of: others take it
            self.recorder.commit(c.Entry(workflow, epoch, letting=letting, executor=self.id))
        run = self.running.get(workflow)
        if run is not None and run.epoch == epoch:
            run.close(Fenced())

    def check_owner(self, run: Run) -> None:
        """Close a waiting run whose workflow was cancelled or taken."""
        sql = self.backend.sql.fences
        params = {"ids": self.backend.pack([run.workflow_id]), "now": self.clock.now()}
        rows = self.readers.read(lambda session: session.run(sql, params))
        if not rows or rows[0][1] != run.epoch or rows[0][2] != Status.PENDING:
            cancelled = bool(rows) and rows[0][2] == Status.CANCELLED
            raise run.close(Cancelled() if cancelled else Fenced())

    def begin_anew(self) -> None:
        """Others have declared this executor dead and taken its workflows: its runs stop at their next operation and
        write nothing more, and the process goes on as a new executor."""
        if not self.lease.is_lost:
            self.lease.lose()
            log.error("executor %s was declared dead by others; what it ran goes on elsewhere", self.label)
            for run in list(self.running.values()):
                run.close(Fenced())
            signals.executor_lost.send_robust(Row, executor=self)
        self.id = self.clock.new_id()
        register(self)
        close_connections()  # it is Django's, and this thread has no other use for it
        self.lease.is_lost = False

    def activity(self) -> list[dict[str, Any]]:
        """What has run for over a second: workflow, step, attempt and seconds."""
        now = self.clock.monotonic()
        shown = []
        for run in list(self.running.values()):
            frame, seconds = run.frame, now - run.since
            if frame is not None and seconds >= SHOWN_AFTER_SECONDS:
                where = {"workflow": run.workflow_id, "name": run.claimed.name, "seq": frame.seq, "step": frame.name}
                shown.append({**where, "attempt": frame.attempt, "seconds": round(seconds, 1)})
        return shown[:100]
