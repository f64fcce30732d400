"""Schedules as DBOS programs declare and change them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from durable.compat.dbos import DBOS, ScheduleInput
from durable.compat.dbos.error import DBOSException
from durable.registry import registry
from tests.support import wait_until
from tests.support.waiting import run_async

ticks: list[tuple[datetime, object]] = []


@DBOS.workflow()
def compat_ticks(scheduled_time, context):
    ticks.append((scheduled_time, context))
    return context


@pytest.fixture(autouse=True)
def no_ticks(monkeypatch):
    monkeypatch.setattr(registry, "_schedules", {})  # what a test declares ticks in no other
    ticks.clear()


def test_a_decorated_workflow_ticks_with_both_times(dbos):
    times = []

    @DBOS.scheduled("* * * * * *")
    @DBOS.workflow()
    def run_every_second(scheduled_time, actual_time):
        times.append((scheduled_time, actual_time))

    wait_until(lambda: times, 10)
    scheduled, actual = times[0]
    assert scheduled.tzinfo is not None and scheduled.microsecond == 0 and scheduled <= actual
    [found] = DBOS.list_workflows(schedule_name=run_every_second.__qualname__, limit=1)
    assert found.workflow_id.startswith(f"sched-{run_every_second.__qualname__}-")
    assert found.queue_name == "_dbos_internal_queue"


def test_a_schedule_is_created_paused_triggered_and_deleted(dbos):
    DBOS.create_schedule(
        schedule_name="yearly", workflow_fn=compat_ticks, schedule="0 0 1 1 *", context={"for": "ada"},
        cron_timezone="Europe/Berlin", queue_name=None,
    )  # fmt: skip
    schedule = DBOS.get_schedule("yearly")
    assert (schedule["status"], schedule["schedule"]) == ("ACTIVE", "0 0 1 1 *")
    assert schedule["workflow_name"] == "compat_ticks"
    assert (schedule["context"], schedule["cron_timezone"]) == ({"for": "ada"}, "Europe/Berlin")
    assert schedule["automatic_backfill"] is False
    handle = DBOS.trigger_schedule("yearly")
    assert handle.get_result() == {"for": "ada"} and handle.workflow_id.startswith("sched-yearly-trigger-")
    DBOS.pause_schedule("yearly")
    assert [each["schedule_name"] for each in DBOS.list_schedules(status="PAUSED")] == ["yearly"]
    assert DBOS.list_schedules(status="ACTIVE", schedule_name_prefix="year") == []
    DBOS.resume_schedule("yearly")
    assert DBOS.list_schedules(workflow_name="compat_ticks")[0]["status"] == "ACTIVE"
    DBOS.delete_schedule("yearly")
    assert DBOS.get_schedule("yearly") is None
    with pytest.raises(DBOSException, match="yearly"):
        DBOS.trigger_schedule("yearly")


def test_many_schedules_are_applied_together_or_not_at_all(dbos):
    wanted: list[ScheduleInput] = [
        {"schedule_name": "one", "workflow_fn": compat_ticks, "schedule": "* * * * *", "context": 1},
        {"schedule_name": "two", "workflow_fn": compat_ticks, "schedule": "0 * * * *", "automatic_backfill": True},
    ]
    DBOS.apply_schedules(wanted)
    assert [each["automatic_backfill"] for each in DBOS.list_schedules(workflow_name="compat_ticks")] == [False, True]
    with pytest.raises(DBOSException):
        DBOS.apply_schedules([{**wanted[0], "schedule": "0 0 * * *"}, {**wanted[1], "schedule": "no cron"}])
    assert DBOS.get_schedule("one")["schedule"] == "* * * * *"
    for name in ("one", "two"):
        DBOS.delete_schedule(name)


def test_a_backfill_starts_each_tick_once(dbos):
    DBOS.create_schedule(schedule_name="hourly", workflow_fn=compat_ticks, schedule="0 * * * *", context="c")
    start, end = datetime(2026, 1, 1), datetime(2026, 1, 1, 3)
    handles = DBOS.backfill_schedule("hourly", start, end)
    assert [handle.get_result() for handle in handles] == ["c", "c", "c"]
    assert sorted(time for time, _ in ticks) == [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(3)]
    again = DBOS.backfill_schedule("hourly", start, end)
    assert [each.workflow_id for each in again] == [each.workflow_id for each in handles] and len(ticks) == 3
    DBOS.delete_schedule("hourly")


def test_the_coroutines_do_the_same(dbos):
    async def main():
        await DBOS.create_schedule_async(schedule_name="async", workflow_fn=compat_ticks, schedule="0 0 1 1 *")
        handle = await DBOS.trigger_schedule_async("async")
        result = await handle.get_result()
        listed = await DBOS.list_schedules_async(workflow_name="compat_ticks")
        await DBOS.delete_schedule_async("async")
        return result, len(listed), await DBOS.get_schedule_async("async")

    assert run_async(main()) == (None, 1, None)
