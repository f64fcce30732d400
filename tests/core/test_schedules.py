"""Schedules as rows: created, declared, changed and steered while everything runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

import durable
from durable import schedules
from durable.errors import ImproperUse, InvalidOption, ScheduleExists, ScheduleNotFound, SerializationError
from durable.executor import Executor
from durable.executor.registering import register
from durable.models import Schedule, Step, Workflow
from durable.registry import registry
from tests.app import workflows as app
from tests.support import run_async, wait_until

from .ticking import EACH_SECOND, NEVER_SOON, fires, hourly_but_not_now, ids, missed, sched_keeps, started


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


# --- steering


def test_a_paused_schedule_starts_nothing_and_resumes_from_now_on(database):
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


def test_a_backfill_starts_each_tick_once_and_has_the_ids_of_ticks(executor):
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


def test_a_backfill_leaves_what_has_not_come_yet_to_the_clock(database):
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


def test_another_queue_another_zone_and_back_again(database):
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
    assert timedelta() <= actual - scheduled < timedelta(seconds=5)
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
    def late(scheduled, actual):
        return scheduled

    first = wait_until(lambda: started(late.name))[0]
    assert ids(late.name, [durable.retrieve_workflow(first).get_result(timeout=10)]) == [first]


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
