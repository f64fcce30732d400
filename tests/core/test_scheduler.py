"""The scheduler: a tick fires once, by whichever executor, and nothing is lost when one dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction

import durable
from durable.backends import scheduling
from durable.backends.backend import backend
from durable.chance import chance
from durable.cron import parse
from durable.executor import Executor, scheduler
from durable.executor.hub import Hub
from durable.executor.scheduler import CHANGED, Due, due
from durable.models import Schedule, Workflow
from durable.registry import registry
from tests.support import wait_until
from tests.support.processes import environment

from .ticking import EACH_SECOND, NEVER_SOON, fires, hourly_but_not_now, ids, missed, sched_keeps, started


@pytest.fixture(autouse=True)
def no_declared_schedules(monkeypatch):
    monkeypatch.setattr(registry, "_schedules", {})


# --- ticks


def test_a_schedule_of_seconds_fires_each_second_with_its_tick_and_its_context(executor):
    durable.create_schedule("s", sched_keeps, EACH_SECOND, context={"region": "eu"})
    wait_until(lambda: Workflow.objects.filter(schedule="s", status="SUCCESS").count() >= 2)
    durable.pause_schedule("s")
    rows = Workflow.objects.filter(schedule="s").order_by("id")
    ticks = [datetime.fromisoformat(row.id.removeprefix("sched-s-")) for row in rows]
    assert all(later - earlier == timedelta(seconds=1) for earlier, later in pairwise(ticks))
    assert durable.retrieve_workflow(rows[0].id).get_result(timeout=10) == [ticks[0], {"region": "eu"}]
    lateness = [row.created_at - tick for row, tick in zip(rows, ticks, strict=True)]
    assert all(timedelta() <= late < timedelta(seconds=5) for late in lateness)
    assert Schedule.objects.get(pk="s").last_at == ticks[-1]


def test_a_tick_fires_once_over_two_executors(database):
    pair = [Executor(concurrency=4, label=f"s{n}").start() for n in (1, 2)]
    durable.create_schedule("shared", sched_keeps, EACH_SECOND)
    wait_until(lambda: len(started("shared")) >= 2)
    durable.pause_schedule("shared")
    rows = Workflow.objects.filter(schedule="shared")
    wait_until(lambda: not rows.exclude(status="SUCCESS").exists())
    seconds = sorted(datetime.fromisoformat(row.id.removeprefix("sched-shared-")) for row in rows)
    assert all(later - earlier == timedelta(seconds=1) for earlier, later in pairwise(seconds))
    assert {row.epoch for row in rows} == {1}
    for each in pair:
        each.drain(1)


def test_a_process_that_takes_no_work_is_no_scheduler(database):
    direct = Executor(claims=False).start()
    durable.create_schedule("alone", sched_keeps, EACH_SECOND)
    assert direct.scheduler._thread is None
    working = Executor(concurrency=1).start()
    wait_until(lambda: started("alone"))
    assert not direct.scheduler.watched
    direct.drain(0), working.drain(0)


def test_of_many_schedulers_at_once_one_decides_a_tick(database, monkeypatch):
    cron = hourly_but_not_now()
    durable.create_schedule("raced", sched_keeps, cron, catch_up="all")
    ticks = missed("raced", hours=5)
    others, barrier, results = threading.Semaphore(0), threading.Barrier(4), []
    apply = scheduler.apply

    def slowly(*args):
        for _ in range(3):  # while the row is ours the others find it taken; on SQLite they wait for us
            others.acquire(timeout=0.1)
        return apply(*args)

    monkeypatch.setattr(scheduler, "apply", slowly)

    def one():
        barrier.wait(10)
        results.append(fires("raced"))
        others.release()

    threads = [threading.Thread(target=one) for _ in range(4)]
    [t.start() for t in threads], [t.join(30) for t in threads]
    assert len(results) == 4
    assert [each.ticks for each in results if each and each.ticks] == [ticks]
    assert started("raced") == sorted(ids("raced", ticks))


def test_when_a_pause_returns_no_tick_is_being_fired(database, monkeypatch):
    durable.create_schedule("held", sched_keeps, hourly_but_not_now())
    missed("held", hours=2)
    inside, go_on, paused = threading.Event(), threading.Event(), threading.Event()
    apply = scheduler.apply

    def held(*args):
        inside.set()
        assert go_on.wait(10)
        return apply(*args)

    monkeypatch.setattr(scheduler, "apply", held)

    def pausing():
        durable.pause_schedule("held")
        seen.append(len(started("held")))
        paused.set()
        connection.close()

    seen: list[int] = []
    threads = [threading.Thread(target=fires, args=("held",)), threading.Thread(target=pausing)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    assert not paused.wait(0.3)  # it waits for the row
    go_on.set()
    [t.join(10) for t in threads]
    assert seen == [1]  # what it paused after is all there


KILLED_BEFORE_ITS_COMMIT = """
import os, signal, django
django.setup()
from durable.backends import scheduling
from durable.backends.backend import backend
from durable.executor.scheduler import fire
scheduling.move = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
fire(backend(), backend().own(), "perilous")
"""


def test_a_scheduler_that_is_killed_before_its_commit_loses_nothing(database):
    durable.create_schedule("perilous", sched_keeps, hourly_but_not_now())
    newest = missed("perilous", hours=3)[-1]
    before = Schedule.objects.get(pk="perilous").last_at
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_ITS_COMMIT], env=environment(), timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not Workflow.objects.exists()
    assert Schedule.objects.get(pk="perilous").last_at == before
    assert wait_until(lambda: fires("perilous")).ticks == [newest]  # the server lets go of the dead one's lock
    assert started("perilous") == ids("perilous", [newest])


def test_the_databases_clock_decides_and_not_this_machines(database, monkeypatch):
    if database == "sqlite":
        pytest.skip("its clock is the machine's")
    durable.create_schedule("clocked", sched_keeps, hourly_but_not_now())
    monkeypatch.setattr(chance, "now", lambda: datetime.now(UTC).timestamp() + 86_400)
    assert fires("clocked").ticks == []


# --- what was missed


HOUR = parse("0 * * * *")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(hour: int, minute: int = 0, second: float = 0) -> datetime:
    return NOON.replace(hour=hour) + timedelta(minutes=minute, seconds=second)


@pytest.mark.parametrize(
    ("catch_up", "last_at", "now", "ticks", "until"),
    [
        ("newest", at(8), at(12, 5), [at(12)], at(12)),
        ("newest", at(8), at(12, 0, 3), [at(11), at(12)], at(12)),
        ("newest", at(11), at(12, 0, 10), [at(12)], at(12)),
        ("newest", at(11, 30), at(11, 40), [], None),
        ("newest", at(12), at(12), [], None),
        ("newest", at(13), at(12), [], None),  # the clock was set back
        ("skip", at(8), at(12, 5), [], at(12)),
        ("skip", at(8), at(12, 0, 3), [at(12)], at(12)),
        ("skip", at(11), at(12, 0, 10.1), [], at(12)),
        ("all", at(8), at(12, 5), [at(9), at(10), at(11), at(12)], at(12)),
        ("all", at(12), at(12, 5), [], None),
    ],
)
def test_what_becomes_of_ticks_that_were_missed(catch_up, last_at, now, ticks, until):
    assert due(HOUR, catch_up, last_at, now) == Due(ticks, until)


def test_ten_seconds_of_each_second_are_on_time():
    found = due(parse(EACH_SECOND), "skip", at(11), at(12))
    assert found.ticks == [at(11, 59, second) for second in range(50, 60)] + [at(12)]


@pytest.mark.parametrize("catch_up", ["newest", "skip", "all"])
def test_after_hours_without_an_executor(database, catch_up):
    durable.create_schedule("nightly", sched_keeps, hourly_but_not_now(), catch_up=catch_up)
    ticks = missed("nightly", hours=5)
    expected = {"newest": ticks[-1:], "skip": [], "all": ticks}[catch_up]
    assert fires("nightly").ticks == expected
    assert started("nightly") == ids("nightly", expected)
    assert Schedule.objects.get(pk="nightly").last_at == ticks[-1]
    assert fires("nightly").ticks == []


def test_a_running_executor_catches_up_at_once_with_more_than_one_transaction_may_start(executor, monkeypatch):
    monkeypatch.setattr(scheduler, "MOST", 3)
    with transaction.atomic():
        durable.create_schedule("long", "nobody.knows", hourly_but_not_now(), catch_up="all")
        ticks = missed("long", hours=10)
    assert len(ticks) > scheduler.MOST
    assert wait_until(lambda: started("long") == sorted(ids("long", ticks)))
    assert Schedule.objects.get(pk="long").last_at == ticks[-1]


def test_a_new_schedule_and_one_whose_times_change_have_missed_nothing(database):
    durable.create_schedule("fresh", sched_keeps, NEVER_SOON, catch_up="all")
    assert fires("fresh").ticks == []
    missed("fresh", hours=5)
    durable.override_schedule("fresh", cron=hourly_but_not_now())
    assert fires("fresh").ticks == []
    ticks = missed("fresh", hours=5)
    durable.override_schedule("fresh", queue="limited")  # other terms do not touch its times
    assert fires("fresh").ticks == ticks


# --- changes reach it


def test_a_change_reaches_running_schedulers_without_their_looking(executor, database, monkeypatch):
    monkeypatch.setattr(scheduler, "READ_EVERY_SECONDS", 3600.0)
    durable.create_schedule("turned", sched_keeps, NEVER_SOON)
    assert wait_until(lambda: "turned" in executor.scheduler.watched)
    assert not started("turned")
    durable.override_schedule("turned", cron=EACH_SECOND)
    assert wait_until(lambda: started("turned"))
    durable.delete_schedule("turned")
    assert wait_until(lambda: "turned" not in executor.scheduler.watched)
    with transaction.atomic():
        Schedule.objects.create(name="foreign", workflow="sched_keeps", cron=NEVER_SOON)
    if database == "postgresql":  # there another process says so; SQLite notices the commit
        other = Hub(backend())
        other.announce({CHANGED})
        assert wait_until(lambda: "foreign" in executor.scheduler.watched)
        other.stop()
    assert wait_until(lambda: set(executor.scheduler.watched) == {"foreign"})


def test_a_scheduler_looks_by_itself_when_nobody_says_anything(executor, monkeypatch):
    monkeypatch.setattr(scheduler, "READ_EVERY_SECONDS", 0.1)
    executor.scheduler.changed()
    executor.scheduler._unsubscribe()
    Schedule.objects.create(name="quiet", workflow="sched_keeps", cron=EACH_SECOND)
    first = wait_until(lambda: started("quiet"))[0]
    tick, _ = durable.retrieve_workflow(first).get_result(timeout=10)
    assert ids("quiet", [tick]) == [first]


def test_schedules_are_not_read_at_every_commit_of_others(database, monkeypatch):
    reads = []
    watched = scheduling.watched
    monkeypatch.setattr(scheduling, "watched", lambda *args: reads.append(args) or watched(*args))
    idle = Executor(concurrency=1).scheduler  # not started: its ticks are these
    rests = []
    for _ in range(50):
        idle.changed()
        rests.append(idle.tick())
    assert len(reads) == 1 and 0 < min(rests) <= max(rests[1:]) <= scheduler.READ_APART_SECONDS
    idle.close()


# --- what goes wrong


def test_a_workflow_that_no_process_knows_is_inserted_and_waits_visibly(executor):
    durable.create_schedule("unknown", "nobody.knows.this", EACH_SECOND)
    wait_until(lambda: started("unknown"))
    durable.delete_schedule("unknown")
    assert Workflow.objects.filter(schedule="unknown").latest("id").status == "ENQUEUED"


def test_a_schedule_that_cannot_be_fired_keeps_no_other_waiting(executor, caplog):
    last_at = datetime.now(UTC) - timedelta(days=800)
    bad = {"workflow": "sched_keeps", "cron": "0 0 1 1 *", "last_at": last_at}
    Schedule.objects.create(name="a-nonsense", **bad | {"cron": "every day"})
    Schedule.objects.create(name="a-no-zone", **bad | {"timezone": "Atlantis/Capital"})
    Schedule.objects.create(name="a-no-serializer", **bad, context="1", serialization="unheard-of")
    durable.create_schedule("b-good", sched_keeps, EACH_SECOND)
    wait_until(lambda: started("b-good"))
    durable.pause_schedule("b-good")
    assert set(Workflow.objects.values_list("schedule", flat=True)) == {"b-good"}
    said = caplog.text
    assert "a-nonsense does not tick" in said and "a-no-zone does not tick" in said
    assert "a-no-serializer could not be fired" in said
    Schedule.objects.filter(pk="a-no-serializer").update(serialization="json")
    executor.scheduler.changed()
    wait_until(lambda: started("a-no-serializer"))


def test_a_context_of_a_type_unknown_here_is_passed_on_as_it_is(database):
    durable.create_schedule("foreign", "elsewhere", hourly_but_not_now())
    context = '{"$":"somebody.elses.type","v":[1]}'
    Schedule.objects.filter(pk="foreign").update(context=context)
    missed("foreign", hours=1)
    assert len(fires("foreign").started) == 1
    assert context in Workflow.objects.get(schedule="foreign").input
    durable.trigger_schedule("foreign")


def test_a_schedule_deleted_while_it_is_watched_is_let_go(executor):
    durable.create_schedule("short", sched_keeps, NEVER_SOON)
    wait_until(lambda: "short" in executor.scheduler.watched)
    Schedule.objects.filter(pk="short").delete()
    assert fires("short") is None
    executor.scheduler.changed()
    wait_until(lambda: not executor.scheduler.watched)
