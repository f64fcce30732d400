"""Schedules: fired once, by whichever executor, and changed while everything runs."""

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
from durable import schedules
from durable.backends import scheduling
from durable.backends.backend import backend
from durable.chance import chance
from durable.cron import between, parse
from durable.errors import ImproperUse, InvalidOption, ScheduleExists, ScheduleNotFound, SerializationError
from durable.executor import Executor, scheduler
from durable.executor.hub import Hub
from durable.executor.registering import register
from durable.executor.scheduler import CHANGED, Due, due, fire
from durable.models import Now, Schedule, Step, Workflow
from durable.registry import registry
from tests.app import workflows as app
from tests.support import run_async, wait_until
from tests.support.processes import environment

EACH_SECOND, NEVER_SOON = "* * * * * *", "0 0 29 2 *"


@durable.workflow()
def sched_keeps(scheduled, context):
    return [scheduled, context]


@durable.workflow()
def sched_manages(zone):
    made = durable.create_schedule("inside", "sched_keeps", NEVER_SOON, context="c", timezone=zone)
    handle = durable.trigger_schedule("inside")
    durable.pause_schedule("inside")
    past = durable.backfill_schedule("inside", datetime(2020, 1, 1), datetime(2025, 1, 1))
    durable.sleep(0.5)  # parks, so that what follows is a replay
    listed = [row.name for row in durable.list_schedules(paused=True)]
    return [made.cron, made.last_at, handle.get_result(), [each.workflow_id for each in past], listed]


@pytest.fixture(autouse=True)
def no_declared_schedules(monkeypatch):
    monkeypatch.setattr(registry, "_schedules", {})


@pytest.fixture
def fires(database):
    """Fires a schedule as a scheduler would, in this thread."""
    session = backend().own()
    yield lambda name: fire(backend(), session, name)
    session.close()


def missed(name: str, cron: str | None = None, **ago: float) -> list[datetime]:
    """Let a schedule's last tick be long ago; the ticks that it has missed since."""
    last_at = datetime.now(UTC) - timedelta(**ago)
    Schedule.objects.filter(pk=name).update(last_at=last_at)
    row = Schedule.objects.get(pk=name)
    return list(between(row.cron, row.timezone, last_at, datetime.now(UTC)))


def hourly_but_not_now() -> str:
    """Every hour, at a minute that is half an hour away."""
    return f"{(datetime.now(UTC) + timedelta(minutes=30)).minute} * * * *"


def started(name: str) -> list[str]:
    return list(Workflow.objects.filter(schedule=name).order_by("id").values_list("id", flat=True))


def ids(name: str, ticks: list[datetime]) -> list[str]:
    return [f"sched-{name}-{tick.isoformat()}" for tick in ticks]


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
    assert all(timedelta() <= late < timedelta(seconds=1) for late in lateness)
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
        session = backend().own()
        try:
            barrier.wait(10)
            results.append(fire(backend(), session, "raced"))
        finally:
            others.release()
            session.close()

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

    def firing():
        session = backend().own()
        fire(backend(), session, "held")
        session.close()

    def pausing():
        durable.pause_schedule("held")
        seen.append(len(started("held")))
        paused.set()
        connection.close()

    seen: list[int] = []
    threads = [threading.Thread(target=firing), threading.Thread(target=pausing)]
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


def test_a_scheduler_that_is_killed_before_its_commit_loses_nothing(fires):
    durable.create_schedule("perilous", sched_keeps, hourly_but_not_now())
    newest = missed("perilous", hours=3)[-1]
    before = Schedule.objects.get(pk="perilous").last_at
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_ITS_COMMIT], env=environment(), timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not Workflow.objects.exists()
    assert Schedule.objects.get(pk="perilous").last_at == before
    assert wait_until(lambda: fires("perilous")).ticks == [newest]  # the server lets go of the dead one's lock
    assert started("perilous") == ids("perilous", [newest])


def test_the_databases_clock_decides_and_not_this_machines(fires, database, monkeypatch):
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
def test_after_hours_without_an_executor(fires, catch_up):
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
    wait_until(lambda: started("long") == sorted(ids("long", ticks)))


def test_a_new_schedule_and_one_whose_times_change_have_missed_nothing(fires):
    durable.create_schedule("fresh", sched_keeps, NEVER_SOON, catch_up="all")
    assert fires("fresh").ticks == []
    missed("fresh", hours=5)
    durable.override_schedule("fresh", cron=hourly_but_not_now())
    assert fires("fresh").ticks == []
    ticks = missed("fresh", hours=5)
    durable.override_schedule("fresh", queue="limited")  # other terms do not touch its times
    assert fires("fresh").ticks == ticks


# --- steering


def test_a_paused_schedule_starts_nothing_and_resumes_from_now_on(fires):
    durable.create_schedule("rests", sched_keeps, hourly_but_not_now(), catch_up="all")
    durable.pause_schedule("rests")
    missed("rests", hours=5)
    assert fires("rests") is None
    durable.pause_schedule("rests")
    durable.resume_schedule("rests")
    assert fires("rests").ticks == []
    ticks = missed("rests", hours=2)
    durable.resume_schedule("rests")  # it is not paused: nothing is forgotten
    assert fires("rests").ticks == ticks


def test_a_trigger_starts_one_more_also_while_paused(executor):
    durable.create_schedule("pulled", sched_keeps, NEVER_SOON, context=[1])
    durable.pause_schedule("pulled")
    first, second = durable.trigger_schedule("pulled"), durable.trigger_schedule("pulled")
    assert first.workflow_id.startswith("sched-pulled-trigger-2") and first != second
    tick, context = first.get_result(timeout=10)
    assert context == [1] and tick.utcoffset() == timedelta()
    assert first.workflow_id == f"sched-pulled-trigger-{tick.isoformat(timespec='microseconds')}"
    assert first.get_status().schedule == "pulled"


def test_a_backfill_starts_each_tick_once_and_has_the_ids_of_ticks(fires, executor):
    durable.create_schedule("past", sched_keeps, "0 12 * * *", context=None, timezone="Europe/Berlin")
    days = (datetime(2026, 3, 28, 11), datetime(2026, 3, 31, 10))
    ticks = [datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((28, 11), (29, 10), (30, 10))]
    assert [each.workflow_id for each in durable.backfill_schedule("past", *days, dry_run=True)] == ids("past", ticks)
    assert not Workflow.objects.exists()
    handles = durable.backfill_schedule("past", *days)
    assert [each.workflow_id for each in handles] == started("past") == ids("past", ticks)
    assert durable.gather(handles) == [[tick, None] for tick in ticks]
    overlapping = durable.backfill_schedule("past", days[0], datetime(2026, 4, 1, 10, 0, 1))
    assert overlapping[:3] == handles and len(started("past")) == 5
    assert {row.epoch for row in Workflow.objects.filter(pk__in=ids("past", ticks))} == {1}


def test_a_backfill_leaves_what_has_not_come_yet_to_the_clock(fires):
    durable.create_schedule("soon", sched_keeps, hourly_but_not_now(), catch_up="all")
    now = datetime.now(UTC)
    durable.backfill_schedule("soon", now - timedelta(hours=2), now + timedelta(hours=2))
    assert len(started("soon")) == 2
    assert durable.backfill_schedule("soon", now + timedelta(hours=1), now + timedelta(hours=2)) == []
    ticks = missed("soon", hours=3)
    assert fires("soon").ticks == ticks and len(started("soon")) == 3  # the two were there


def test_a_backfill_of_too_many_ticks_starts_none(database):
    durable.create_schedule("dense", sched_keeps, EACH_SECOND)
    with pytest.raises(InvalidOption, match="more than 10,000 ticks"):
        durable.backfill_schedule("dense", datetime(2026, 1, 1), datetime(2026, 1, 2))
    with pytest.raises(InvalidOption, match="before the start"):
        durable.backfill_schedule("dense", datetime(2026, 1, 2), datetime(2026, 1, 1))
    assert not Workflow.objects.exists()


def test_a_change_reaches_running_schedulers_without_their_looking(executor, database, monkeypatch):
    monkeypatch.setattr(scheduler, "READ_EVERY_SECONDS", 3600.0)
    durable.create_schedule("turned", sched_keeps, NEVER_SOON)
    wait_until(lambda: "turned" in executor.scheduler.watched)
    durable.override_schedule("turned", cron=EACH_SECOND)
    wait_until(lambda: started("turned"))
    durable.delete_schedule("turned")
    wait_until(lambda: "turned" not in executor.scheduler.watched)
    with transaction.atomic():
        Schedule.objects.create(name="foreign", workflow="sched_keeps", cron=NEVER_SOON)
    if database == "postgresql":  # there another process says so; SQLite notices the commit
        other = Hub(backend())
        other.announce({CHANGED})
        wait_until(lambda: "foreign" in executor.scheduler.watched)
        other.stop()
    wait_until(lambda: "foreign" in executor.scheduler.watched)


def test_a_scheduler_looks_by_itself_when_nobody_says_anything(executor, monkeypatch):
    monkeypatch.setattr(scheduler, "READ_EVERY_SECONDS", 0.1)
    executor.scheduler.changed()
    executor.scheduler._unsubscribe()
    Schedule.objects.create(name="quiet", workflow="sched_keeps", cron=EACH_SECOND)
    wait_until(lambda: started("quiet"))


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


def test_another_queue_another_zone_and_back_again(fires):
    durable.create_schedule("terms", sched_keeps, "0 12 * * *", queue=app.limited, timezone="Europe/Berlin")
    row = durable.override_schedule("terms", queue=None, timezone="Asia/Kolkata", cron="30  6 * * *")
    assert (row.queue, row.timezone, row.cron, row.catch_up) == (None, "Asia/Kolkata", "30 6 * * *", "newest")
    assert row.override == {"queue": None, "timezone": "Asia/Kolkata", "cron": "30 6 * * *"}
    durable.override_schedule("terms", catch_up="skip")
    row = durable.clear_schedule_override("terms", "queue", "timezone")
    assert (row.queue, row.timezone, row.cron, row.catch_up) == ("limited", "Europe/Berlin", "30 6 * * *", "skip")
    row = durable.clear_schedule_override("terms")
    assert (row.cron, row.catch_up, row.override) == ("0 12 * * *", "newest", {})
    handle = durable.trigger_schedule("terms")
    assert handle.get_status().queue_name == "limited"


def test_next_ticks_of_a_schedule(database):
    row = durable.create_schedule("when", sched_keeps, "30 2 * * *", timezone="America/New_York")
    ticks = durable.next_ticks("when", 2, after=datetime(2026, 3, 7, 12))
    assert ticks == [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 3, 9, 6, 30, tzinfo=UTC)]
    assert durable.next_ticks(row, 2, after=datetime(2026, 3, 7, 12)) == ticks
    assert durable.next_ticks("when", 1)[0] > datetime.now(UTC)


def test_lists_by_workflow_pause_and_prefix(database):
    for name, workflow in (("a1", "x"), ("a2", "y"), ("A3", "x"), ("b%", "x")):
        durable.create_schedule(name, workflow, NEVER_SOON)
    durable.pause_schedule("a2")

    def names(**criteria):
        return [row.name for row in durable.list_schedules(**criteria)]

    assert names() == ["A3", "a1", "a2", "b%"]
    assert names(prefix="a") == ["a1", "a2"] and names(prefix="b%") == ["b%"] and names(prefix="b_") == []
    assert names(workflow="x", prefix="a") == ["a1"]
    assert names(paused=True) == ["a2"] and names(paused=False, prefix="a") == ["a1"]


# --- creating


def test_the_same_words_twice_are_one_schedule_and_other_words_are_refused(database):
    first = durable.create_schedule("mine", sched_keeps, "0  12 * * *", context={"a": 1})
    assert durable.create_schedule("mine", "sched_keeps", "0 12 * * *", context={"a": 1}).created_at == first.created_at
    for change in ({"cron": "0 13 * * *"}, {"context": {"a": 2}}, {"timezone": "Asia/Kolkata"}, {"queue": "q"}):
        terms = {"cron": "0 12 * * *", "context": {"a": 1}} | change
        with pytest.raises(ScheduleExists, match=r"mine.*sched_keeps at 0 12"):
            durable.create_schedule("mine", sched_keeps, **terms)
    assert Schedule.objects.get(pk="mine").cron == "0 12 * * *"


def test_a_schedule_commits_and_rolls_back_with_the_business_data(executor):
    with pytest.raises(ValueError), transaction.atomic():
        durable.create_schedule("undone", sched_keeps, EACH_SECOND)
        raise ValueError
    assert not Schedule.objects.exists()


def test_schedules_are_applied_all_or_none(database):
    durable.create_schedule("kept", sched_keeps, "0 12 * * *", context=1)
    durable.override_schedule("kept", catch_up="skip")
    durable.pause_schedule("kept")
    rows = durable.apply_schedules(
        [
            {"name": "new", "workflow": sched_keeps, "cron": "0 1 * * *", "context": 2, "timezone": "Asia/Kolkata"},
            {"name": "kept", "workflow": "other", "cron": "0 13 * * *", "context": 3},
        ]
    )
    assert [(row.name, row.workflow, row.cron, row.context, row.catch_up, row.paused) for row in rows] == [
        ("new", "sched_keeps", "0 1 * * *", "2", "newest", False),
        ("kept", "other", "0 13 * * *", "3", "skip", True),
    ]
    good = {"name": "never", "workflow": "x", "cron": "0 1 * * *"}
    for bad, hint in (
        ({"name": "bad", "workflow": "x", "cron": "0 25 * * *"}, "no hour"),
        ({"name": "bad", "workflow": "x"}, "give one in each"),
        ({"name": "bad", "workflow": "x", "cron": "0 1 * * *", "catchup": "all"}, "did you mean catch_up"),
        (good, "given twice"),
        ("bad", "give mappings"),
    ):
        with pytest.raises(InvalidOption, match=hint):
            durable.apply_schedules([good, bad])
    assert not Schedule.objects.filter(pk="never").exists()


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"name": " "}, "not blank"),
        ({"name": "x" * 201}, "at most 200"),
        ({"name": "a\nb"}, "printable"),
        ({"name": "a\x00b"}, "printable"),
        ({"name": None}, "printable"),
        ({"workflow": ""}, "not blank"),
        ({"workflow": 7}, "printable"),
        ({"workflow": app.total}, "two arguments"),
        ({"cron": "0 0 31 2 *"}, "never tick"),
        ({"timezone": "Nowhere/City"}, "IANA"),
        ({"catch_up": "some"}, "skip, newest, all"),
        ({"catch_up": ["all"]}, "skip, newest, all"),
        ({"queue": ""}, "not blank"),
    ],
)
def test_what_is_no_schedule_is_refused_and_nothing_is_stored(database, change, hint):
    terms = {"name": "n", "workflow": sched_keeps, "cron": "0 12 * * *"} | change
    with pytest.raises(InvalidOption, match=hint):
        durable.create_schedule(**terms)
    assert not Schedule.objects.exists()


def test_a_context_that_cannot_be_stored_is_refused(database):
    with pytest.raises(SerializationError):
        durable.create_schedule("n", sched_keeps, "0 12 * * *", context=object())
    assert not Schedule.objects.exists()


def test_what_is_not_there_is_said_and_deleting_it_is_no_error(database):
    durable.create_schedule("there", sched_keeps, NEVER_SOON)
    for verb in (
        durable.get_schedule, durable.pause_schedule, durable.resume_schedule, durable.trigger_schedule,
        durable.clear_schedule_override, durable.next_ticks, lambda name: durable.override_schedule(name, queue="q"),
        lambda name: durable.backfill_schedule(name, datetime(2026, 1, 1), datetime(2026, 1, 2)),
    ):  # fmt: skip
        with pytest.raises(ScheduleNotFound, match=r"'gone'. Known: there"):
            verb("gone")
    assert durable.delete_schedule("there") is True
    assert durable.delete_schedule("there") is False
    with pytest.raises(InvalidOption, match="did you mean timezone"):
        durable.override_schedule("there", time_zone="UTC")
    with pytest.raises(InvalidOption, match="one or more of"):
        durable.override_schedule("there")


# --- declaring


def test_a_declared_schedule_fires_with_its_tick_and_the_time_of_its_start(database):
    @durable.scheduled(EACH_SECOND, queue="limited")
    @durable.workflow(name=f"sched_declared_{database}")
    def declared(scheduled, actual):
        return scheduled, actual

    executor = Executor(concurrency=2).start()
    name = f"sched_declared_{database}"
    wait_until(lambda: Workflow.objects.filter(schedule=name, status="SUCCESS").exists())
    durable.pause_schedule(name)
    row = Workflow.objects.filter(schedule=name).earliest("id")
    scheduled, actual = durable.retrieve_workflow(row.id).get_result(timeout=10)
    assert row.id == f"sched-{name}-{scheduled.isoformat()}" and row.queue == "limited" and row.version
    assert timedelta() <= actual - scheduled < timedelta(seconds=1)
    assert declared.name == name  # the definition is given back as it was
    executor.drain(1)


def test_declared_terms_change_with_the_code_and_overrides_stay(database):
    def start_with(cron, **terms):
        durable.scheduled(cron, **terms)(sched_keeps)
        register(Executor(concurrency=1))
        return Schedule.objects.get(pk="sched_keeps")

    row = start_with("0 1 * * *", timezone="Asia/Kolkata")
    assert (row.cron, row.timezone, row.context, row.catch_up) == ("0 1 * * *", "Asia/Kolkata", None, "newest")
    Schedule.objects.update(last_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert start_with("0 1 * * *", timezone="Asia/Kolkata").last_at == datetime(2026, 1, 1, tzinfo=UTC)
    durable.override_schedule("sched_keeps", timezone="Europe/Berlin")
    durable.pause_schedule("sched_keeps")
    row = start_with("0 2 * * *", timezone="Asia/Kolkata", catch_up="all")
    assert (row.cron, row.timezone, row.catch_up, row.paused) == ("0 2 * * *", "Europe/Berlin", "all", True)
    assert not schedules.is_dropped(row)
    registry._schedules.clear()
    assert schedules.is_dropped(row)
    assert not schedules.is_dropped(durable.create_schedule("made", sched_keeps, "0 1 * * *"))


def test_a_schedule_declared_after_the_start_is_served(executor):
    @durable.scheduled(EACH_SECOND)
    @durable.workflow(name=f"sched_late_{executor.backend.vendor}")
    def late(scheduled, actual): ...

    wait_until(lambda: started(late.name))


def test_what_cannot_be_scheduled_is_refused_where_it_stands():
    for thing in (lambda scheduled, actual: None, app.add, app.book):
        with pytest.raises(ImproperUse, match=r"above its @durable.workflow"):
            durable.scheduled("0 1 * * *")(thing)
    with pytest.raises(InvalidOption, match="two arguments"):
        durable.scheduled("0 1 * * *")(app.total)
    with pytest.raises(InvalidOption, match="no hour"):
        durable.scheduled("0 25 * * *")(sched_keeps)
    durable.scheduled("0 1 * * *", name="twice")(sched_keeps)
    with pytest.raises(ImproperUse, match="Two schedules are named 'twice'"):
        durable.scheduled("0 1 * * *", name="twice")(app.watches)
    assert [each.name for each in registry.schedules()] == ["twice"]


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


def test_a_context_of_a_type_unknown_here_is_passed_on_as_it_is(fires):
    durable.create_schedule("foreign", "elsewhere", hourly_but_not_now())
    context = '{"$":"somebody.elses.type","v":[1]}'
    Schedule.objects.filter(pk="foreign").update(context=context)
    missed("foreign", hours=1)
    assert len(fires("foreign").started) == 1
    assert context in Workflow.objects.get(schedule="foreign").input
    durable.trigger_schedule("foreign")


def test_a_schedule_deleted_while_it_is_watched_is_let_go(fires, executor):
    durable.create_schedule("short", sched_keeps, NEVER_SOON)
    wait_until(lambda: "short" in executor.scheduler.watched)
    Schedule.objects.filter(pk="short").delete()
    assert fires("short") is None
    executor.scheduler.changed()
    wait_until(lambda: not executor.scheduler.watched)


# --- in workflows, and in coroutines


def test_in_a_workflow_each_verb_is_a_recorded_step_that_a_replay_does_not_repeat(executor):
    handle = sched_manages.start("Asia/Kolkata")
    cron, last_at, triggered, past, listed = handle.get_result(timeout=20)
    row = Schedule.objects.get(pk="inside")
    assert (cron, last_at, triggered[1], listed) == (NEVER_SOON, row.last_at, "c", ["inside"])
    assert len(past) == 2 and len(started("inside")) == 3
    steps = Step.objects.filter(workflow_id=handle.workflow_id, kind="manage").order_by("seq")
    verbs = ["create_schedule", "trigger_schedule", "pause_schedule", "backfill_schedule", "list_schedules"]
    assert [step.name for step in steps] == verbs


def test_the_verbs_of_coroutines(database):
    async def manage():
        row = await durable.acreate_schedule("async", sched_keeps, NEVER_SOON)
        await durable.apause_schedule("async")
        handles = await durable.abackfill_schedule("async", datetime(2020, 1, 1), datetime(2025, 1, 1))
        listed = await durable.alist_schedules(paused=True)
        ticks = await durable.anext_ticks("async", 1, after=datetime(2026, 1, 1))
        return row.name, len(handles), [each.name for each in listed], ticks, await durable.adelete_schedule("async")

    ticks = [datetime(2028, 2, 29, tzinfo=UTC)]
    assert run_async(manage()) == ("async", 2, ["async"], ticks, True)


def test_now_is_the_databases(database):
    durable.create_schedule("clock", sched_keeps, NEVER_SOON)
    assert Schedule.objects.annotate(now=Now()).get().last_at <= Schedule.objects.annotate(now=Now()).get().now
