"""What an executor asks while nothing happens: a poll that is a heartbeat too, and a sweep when a lease ends.

The claimer and the sweeper are ticked by the test, on a clock that it turns; nothing rests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from durable.chance import Chance
from durable.executor import Executor
from durable.executor.hub import Hub
from durable.executor.registering import register
from durable.executor.sweeper import SOON_SECONDS
from durable.models import Executor as Row
from durable.models import Workflow
from durable.models.fields import Now

LEASE = 10.0
EVERY = LEASE / 5


class Turned(Chance):
    """A clock that stands still until the test turns it."""

    def __init__(self) -> None:
        self.began, self.seconds = Chance.now(self), 0.0

    def turn(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> float:
        return self.began + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def rest(self, alarm: Any, seconds: float) -> bool:
        return alarm.is_set()


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def ticked(
    database: str, settings: Any, clock: Turned, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Executor]]:
    """`ticked(POLL_SECONDS=1)`: an executor that is registered and whose services the test ticks."""
    monkeypatch.setattr(Hub, "start", lambda hub: None)
    made: list[Executor] = []

    def make(**changes: Any) -> Executor:
        settings.DURABLE = {**settings.DURABLE, "LEASE_SECONDS": LEASE, "RETENTION": {}, **changes}
        made.append(Executor(clock=clock))
        register(made[-1])
        return made[-1]

    yield make
    for executor in made:
        executor.stop()
        executor.claimer.close()
        executor.sweeper.close()


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def beat_at(executor: Executor) -> Any:
    return Row.objects.values_list("heartbeat_at", flat=True).get(pk=executor.id)


# --- heartbeats


@pytest.mark.parametrize("poll", [0.1, 1.0, EVERY * 2, LEASE])
def test_looking_often_does_not_beat_often(ticked, clock, poll):
    """Something changes all the time, so that it looks at every tick: a hundred times within one second."""
    executor = ticked(POLL_SECONDS=poll)
    beats, looks = set(), []
    poll_of = executor.claimer.look
    executor.claimer.look = lambda **how: looks.append(how) or poll_of(**how)
    for _ in range(100):
        executor.claimer.everything_changed()
        executor.claimer.tick()
        beats.add(beat_at(executor))
        clock.turn(0.01)
    assert len(looks) == 100
    assert 1 <= len(beats) <= 2


@pytest.mark.parametrize("poll", [0.1, 1.0, EVERY * 2, LEASE * 2])
def test_left_alone_it_rests_between_looks_and_beats_in_time(ticked, clock, poll):
    executor = ticked(POLL_SECONDS=poll)
    beats: list[float] = []
    last, ticks = None, 0
    while clock.seconds < 5 * LEASE:
        rest = executor.claimer.tick()
        assert rest > 0, "it would turn without a rest"
        if (now := beat_at(executor)) != last:
            beats.append(clock.seconds)
            last = now
        assert executor.lease.holds
        ticks += 1
        clock.turn(rest + 1e-6)
    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert min(gaps) >= EVERY / 2 and max(gaps) <= EVERY + 1e-3
    assert ticks <= 5 * LEASE / min(poll, EVERY / 2) + 5


def test_a_poll_renews_the_lease_and_needs_no_statement_of_its_own_for_that(ticked, clock, database, monkeypatch):
    executor = ticked(POLL_SECONDS=1)
    executor.claimer.tick()
    pulses, pulse = [], executor.backend.pulse
    monkeypatch.setattr(executor.backend, "pulse", lambda *a, **k: pulses.append(k) or pulse(*a, **k))
    Row.objects.update(lease_until=soon(1))
    clock.turn(EVERY / 2)
    executor.claimer.tick()
    assert len(pulses) == (1 if database == "sqlite" else 0), "SQLite changes nothing within a query"
    row = Row.objects.get(pk=executor.id)
    assert abs((row.lease_until - row.heartbeat_at).total_seconds() - LEASE) < 0.01
    clock.turn(LEASE * 0.9 - 0.01)
    assert executor.lease.holds
    clock.turn(0.02)
    assert not executor.lease.holds


def test_a_poll_tells_what_runs_and_learns_the_clock_of_the_database(ticked, clock):
    executor = ticked(POLL_SECONDS=1)
    clock.began -= 100
    executor.running["w"] = None
    executor.activity = lambda: [{"workflow": "w"}]
    executor.claimer.tick()
    row = Row.objects.get(pk=executor.id)
    assert (row.running, row.activity) == (1, [{"workflow": "w"}])
    assert abs(executor.lease.now() - time.time()) < 5
    executor.running.clear()


@pytest.mark.parametrize("poll", [1.0, LEASE * 2], ids=["with a look", "without"])
def test_an_executor_that_was_declared_dead_learns_it_from_its_next_heartbeat(ticked, clock, poll):
    executor = ticked(POLL_SECONDS=poll)
    executor.claimer.tick()
    before = executor.id
    Row.objects.filter(pk=before).update(stopped_at=Now())
    clock.turn(EVERY + 0.01)
    executor.claimer.tick()
    assert executor.id != before
    assert Row.objects.living().filter(pk=executor.id, stopped_at=None).exists()
    assert executor.lease.holds and not executor.is_draining
    clock.turn(EVERY + 0.01)
    now = executor.id
    executor.claimer.tick()
    assert executor.id == now, "the new one lives"


@pytest.mark.parametrize("poll", [1.0, LEASE * 2], ids=["with a look", "without"])
def test_an_executor_that_is_told_to_drain_does(ticked, clock, poll):
    executor = ticked(POLL_SECONDS=poll)
    executor.claimer.tick()
    assert not executor.is_draining
    Row.objects.update(draining=True)
    clock.turn(EVERY + 0.01)
    executor.claimer.tick()
    assert executor.is_draining
    last = beat_at(executor)
    clock.turn(EVERY + 0.01)
    executor.claimer.tick()
    assert beat_at(executor) > last, "while it drains it lives"


def test_a_look_without_a_heartbeat_says_nothing_of_the_lease(ticked, clock):
    executor = ticked(POLL_SECONDS=0.1)
    executor.claimer.tick()
    last = beat_at(executor)
    Row.objects.update(stopped_at=Now())
    before = executor.id
    clock.turn(0.11)
    executor.claimer.tick()
    assert (executor.id, beat_at(executor)) == (before, last)


# --- the leases of others


def another(seconds: float) -> Row:
    """An executor whose lease ends in so many seconds, and which holds a workflow."""
    Workflow.objects.create(id="w", name="w", status="PENDING", epoch=1, executor="another", run_after=Now())
    return Row.objects.create(id="another", label="another", host="h", pid=1, lease_until=soon(seconds))


def owner() -> str | None:
    return Workflow.objects.values_list("executor", flat=True).get(pk="w")


def test_what_another_held_is_recovered_when_its_lease_ends_and_not_much_later(ticked, clock):
    executor = ticked()
    lease_until = another(2.0).lease_until
    executor.sweeper.tick()
    ends_in = lease_until.timestamp() - executor.lease.now()
    assert executor.sweeper._next_sweep == pytest.approx(ends_in + SOON_SECONDS, abs=1e-3)
    assert ends_in < LEASE / 3 - 0.1 and owner() == "another"
    Row.objects.filter(pk="another").update(lease_until=Now())  # as if that time had passed
    clock.turn(ends_in)
    executor.sweeper.tick()
    assert owner() == "another", "it does not look before the time has come"
    clock.turn(SOON_SECONDS + 1e-3)
    executor.sweeper.tick()
    assert owner() is None
    assert Row.objects.get(pk="another").stopped_at is not None


def test_a_lease_that_ends_at_once_makes_no_storm_of_sweeps(ticked, clock):
    executor = ticked()
    another(LEASE / 2)
    clock.began += 10  # this machine's clock is ahead: to it, the lease has ended long ago
    executor.sweeper.tick()
    assert executor.sweeper._next_sweep == pytest.approx(SOON_SECONDS)


@pytest.mark.parametrize("seconds", [None, 2 * LEASE], ids=["nobody else lives", "another lives for long"])
def test_it_sweeps_every_third_of_a_lease_in_any_case(ticked, clock, seconds):
    executor = ticked()
    if seconds:
        another(seconds)
    executor.sweeper.tick()
    assert executor.sweeper._next_sweep == pytest.approx(LEASE / 3)
