"""What docs/schedules.md shows works as it is written there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import durable
from durable.cron import between
from durable.executor import Executor
from durable.models import Schedule, Workflow
from durable.registry import registry
from tests.support import wait_until

PAGE = (Path(__file__).parents[1] / "docs" / "schedules.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


def run(start: str, scope: dict) -> None:
    code = next(block for block in BLOCKS if block.startswith(start))
    exec(compile(code, "docs/schedules.md", "exec"), scope)


@pytest.fixture
def scope(monkeypatch):
    monkeypatch.setattr(registry, "_definitions", {})
    monkeypatch.setattr(registry, "_schedules", {})
    return {"__name__": "page", "durable": durable, "datetime": datetime}


def test_the_declared_schedule_as_printed(database, scope):
    run("# workflows.py", scope)
    executor = Executor(concurrency=2).start()
    row = Schedule.objects.get(pk="morning_report")
    assert (row.cron, row.timezone, row.catch_up) == ("30 6 * * 1-5", "Europe/Berlin", "newest")
    handle = durable.trigger_schedule("morning_report")
    assert handle.get_result(timeout=10).startswith("report of ")
    executor.drain(1)


def test_creating_and_steering_as_printed(database, scope):
    @durable.workflow(name="invoice")
    def invoice(scheduled, context):
        return context["customer"]

    run("# from anywhere", scope)
    row = Schedule.objects.get(pk="invoice-acme")
    assert (row.workflow, row.timezone) == ("invoice", "America/New_York")
    run("durable.apply_schedules", scope)
    assert set(Schedule.objects.values_list("name", "timezone")) == {("invoice-acme", "UTC"), ("invoice-globex", "UTC")}
    run("durable.next_ticks", scope)
    row = Schedule.objects.get(pk="invoice-acme")
    assert (row.cron, row.queue, row.paused) == ("0 7 1 * *", None, False)
    executor = Executor(concurrency=2).start()
    assert scope["handle"].get_result(timeout=10) == "acme"
    assert durable.gather(scope["handles"]) == ["acme"] * 3
    ids = [handle.workflow_id for handle in scope["handles"]]
    assert ids == [f"sched-invoice-acme-2026-0{month}-01T07:00:00+00:00" for month in (1, 2, 3)]
    wait_until(lambda: not Workflow.objects.exclude(status="SUCCESS").exists())
    executor.drain(1)


def test_the_table_of_the_days_on_which_clocks_change():
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \| (.*) \|$", PAGE[PAGE.index("In New York") :], re.M)
    assert len(rows) == 4
    for cron, spring, autumn in rows:
        for said, day in ((spring, (3, 8)), (autumn, (11, 1))):
            start = datetime(2026, *day, 4 if day[0] == 11 else 5, tzinfo=UTC)
            ticks = list(between(cron, "America/New_York", start, start + timedelta(days=1)))
            if times := re.findall(r"\d\d:\d\d", said):
                assert [f"{tick:%H:%M}" for tick in ticks][: len(times)] == times
                assert len(ticks) == len(times) or "and so on" in said
            else:
                assert len(ticks) == 48
