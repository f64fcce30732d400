"""Many executors in virtual time, from one seed: crashes, pauses beyond the lease, and lost acknowledgements.

Everything that the executor takes from chance comes through one object, which is replaced here; its services are
ticked in an order drawn from the seed, in one thread, on a real SQLite file. A failing seed fails again.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import replace

import pytest

import durable
from durable.backends.writing import Verdict
from durable.chance import chance
from durable.executor import Executor, living
from durable.executor.hub import Hub, hub
from durable.executor.registering import register
from durable.models import Step, Workflow
from tests.app import workflows as app
from tests.app.models import Effect

LEASE = 10.0


class SimulatedCrash(BaseException):
    """The process is gone in the middle of a commit."""


class Inline:
    """A pool that runs each job at once, in this thread."""

    size, threads, is_crowded = 1, 0, True

    def submit(self, job):
        job()

    def stop(self): ...

    def join(self, seconds): ...


def owner_of(workflow: str) -> tuple[str | None, int]:
    return Workflow.objects.values_list("executor", "epoch").get(pk=workflow)


class World:
    """Virtual time, seeded chance, and the executors in it."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.time = 1_800_000_000.0
        self.executors: list[Executor] = []
        self.paused: dict[Executor, float] = {}
        self.depth = 0
        self.zombies: list[object] = []
        self.clocks_freeze = seed % 2 == 1

    def install(self, monkeypatch):
        monkeypatch.setattr(chance, "now", lambda: round(self.time, 6))
        monkeypatch.setattr(chance, "monotonic", lambda: self.time)
        monkeypatch.setattr(chance, "random", self.random.random)
        monkeypatch.setattr(chance, "new_id", lambda: str(uuid.UUID(int=self.random.getrandbits(128))))
        monkeypatch.setattr(chance, "rest", lambda alarm, seconds: alarm.is_set())
        monkeypatch.setattr(Hub, "start", lambda self: None)

    def start_executor(self):
        executor = Executor(concurrency=2, label=f"sim-{len(self.executors)}")
        executor.settings = replace(executor.settings, PARK_AFTER_SECONDS=0, LEASE_SECONDS=LEASE, POLL_SECONDS=1)
        executor.lease.seconds = LEASE
        executor.pool = Inline()
        if self.clocks_freeze:  # a paused machine's clock stands still: only the epoch keeps its writes out
            executor.lease.check = lambda: None
        commit = executor.recorder.commit

        gone = []

        def perilous(entry):
            fate = self.random.random()
            if gone or fate < 0.02:
                gone.append("before the commit")
                raise SimulatedCrash(*gone)
            if fate > 0.88:
                self.stall(executor)
            owns = owner_of(entry.workflow) == (executor.id, entry.epoch)
            ticket = commit(entry)
            if not owns and ticket.verdict is Verdict.DONE:
                self.zombies.append(entry)
            if fate > 0.98:
                gone.append("committed, not acknowledged")
                raise SimulatedCrash(*gone)
            return ticket

        executor.recorder.commit = perilous
        register(executor)
        self.executors.append(executor)

    def step(self):
        self.time += self.random.random()
        awake = [each for each in self.executors if self.paused.get(each, 0) <= self.time]
        if not awake:
            return
        executor = self.random.choice(awake)
        fate = self.random.random()
        if fate < 0.02:
            self.paused[executor] = self.time + self.random.uniform(0, 3 * LEASE)  # a long stall
            return
        try:
            self.random.choice([executor.claimer, executor.claimer, executor.sweeper]).step()
        except SimulatedCrash:
            self.crash(executor)
            self.start_executor()

    def stall(self, executor):
        """Stand still in the middle of a run, longer than the lease, while the others go on: a zombie in the making."""
        if self.depth < 2:
            self.depth += 1
            self.paused[executor] = self.time + 1e9
            self.time += self.random.uniform(0.5, 2) * LEASE
            for _ in range(self.random.randrange(80)):
                self.step()
            self.paused.pop(executor, None)
            self.depth -= 1

    def crash(self, executor):
        """No goodbye: its lease runs out, its rows stay."""
        if executor in self.executors:
            self.executors.remove(executor)
        for part in (executor.recorder, executor.claimer, executor.sweeper):
            part.session.close()
        for session in executor.readers.sessions:
            session.close()


@durable.workflow()
def journey(n: int) -> list[str]:
    keys = []
    for i in range(n):
        keys.append(app.book(f"{durable.workflow_id()}/{i}"))
        durable.sleep(3)
    keys.append(durable.recv("end", 10_000))
    return keys


def unfinished():
    return Workflow.objects.exclude(status="SUCCESS").exists()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_crashes_and_stalls_every_workflow_finishes_and_every_effect_happens_once(database, monkeypatch, seed):
    if database != "sqlite":
        pytest.skip("virtual time needs a database whose clock is the machine's: SQLite")
    world = World(seed)
    world.install(monkeypatch)
    monkeypatch.setattr("durable.executor.pool.log.exception", lambda *a: None)
    ids = [journey.using(queue="limited" if n % 2 else None).start(3).workflow_id for n in range(6)]
    for _ in range(3):
        world.start_executor()
    for turn in range(6_000):
        world.step()
        if turn == 500:
            for workflow in ids:
                durable.send(workflow, "arrived", "end", idempotency_key="once")
        if turn % 50 == 0 and not unfinished():
            break
    assert not world.zombies
    rows = {row.id: row for row in Workflow.objects.all()}
    assert {row.status for row in rows.values()} == {"SUCCESS"}, [
        (r.id, r.status, r.waiting_for) for r in rows.values()
    ]
    for workflow in ids:
        expected = [f"{workflow}/{i}" for i in range(3)]
        assert durable.retrieve_workflow(workflow).get_result() == [*expected, "arrived"]
        assert list(Effect.objects.filter(key__startswith=workflow).values_list("key", flat=True)) == expected
        assert Step.objects.filter(workflow_id=workflow).count() == 3 * 2 + 2
    assert sum(row.recovery_attempts for row in rows.values()) + len(world.executors) > 0
    for executor in list(world.executors):
        world.crash(executor)
    living.take_all()
    hub().stop()
