"""Schedules as people see and steer them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import durable
from dashboard.cronwords import in_words
from durable.models import AuditEntry, Queue, Schedule, Workflow

from .crowd import HOSTILE, ended, make_crowd, make_executor, make_hostile_crowd, make_schedule, make_workflow
from .forms import entry, filled, seen
from .markup import Markup

HTMX = {"HX-Request": "true"}
ACTIONS = ("pause", "resume", "trigger", "backfill", "override", "clear", "delete")


def address(name: str, action: str = "", query: str = "") -> str:
    return reverse(f"durable_dashboard:schedule{'_' if action else ''}{action}", args=[name]) + query


def act(client: Client, name: str, action: str, query: str = "", **given: Any) -> Any:
    form = filled(client.get(address(name, action, query)).text)
    return client.post(address(name, action, query), {**form, **given}, follow=True)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "every minute"), ("*/15 * * * *", "every 15 minutes"), ("0 * * * *", "every hour"),
        ("5 * * * *", "every hour, 5 minutes past"), ("0 */6 * * *", "every 6 hours"),
        ("0 2 * * *", "every day at 02:00"),
        ("30 8,17 * * *", "every day at 08:30 and 17:30"), ("0 9 * * 1", "every Monday at 09:00"),
        ("0 9 * * mon-fri", "on weekdays at 09:00"), ("0 0 * * 0,6", "every Sunday and Saturday at 00:00"),
        ("0 0 * * 7", "every Sunday at 00:00"), ("0 0 1 * *", "on day 1 of every month at 00:00"),
        ("0 6 24 12 *", "every 24 December at 06:00"), ("*/10 * * * * *", "every 10 seconds"),
        ("30 0 2 * * *", "every day at 02:00:30"), ("*/30 * * * 1-5", "every 30 minutes, on weekdays"),
        # What is not simple is not said, rather than said wrongly.
        ("*/7 * * * *", ""), ("0 */5 * * *", ""), ("*/15 9-17 * * *", ""), ("0 9 L * *", ""), ("0 9 1 * 1", ""),
        ("0 0 1 13 *", ""), ("0 9 * * mon#2", ""), ("0 9 * * 9", ""), ("", ""), (HOSTILE, ""), ("* * * *", ""),
    ],
)  # fmt: skip
def test_a_simple_expression_is_said_in_words(cron: str, words: str):
    assert in_words(cron) == words


def test_without_a_schedule_the_page_teaches(operator_client: Client):
    text = seen(operator_client.get(reverse("durable_dashboard:schedules")))
    assert "Nothing is started by the clock yet." in text and "@durable.scheduled(" in text
    assert "durable.create_schedule(" in text


def test_the_list_says_when_each_ticks_and_what_it_started_last(operator_client: Client):
    make_schedule("nightly")
    make_schedule("often", cron="*/15 * * * *", timezone="UTC", declared={}, paused=True, catch_up="skip")
    make_workflow("older", **ended("SUCCESS", schedule="nightly", created_at=timezone.now() - timedelta(days=1)))
    make_workflow("newer", **ended("ERROR", schedule="nightly"))
    answer = operator_client.get(reverse("durable_dashboard:schedules"))
    text = seen(answer)
    assert "2 schedules, 1 of them paused." in text
    assert re.search(r"nightly Ticks every day at 02:00 0 2 \* \* \* Europe/Berlin in .* shop.checkout Failed", text)
    assert re.search(
        r"often Paused every 15 minutes \*/15 \* \* \* \* UTC paused shop.checkout none yet skip created", text
    )
    assert reverse("durable_dashboard:workflow", args=["newer"]) in answer.text
    assert reverse("durable_dashboard:workflow", args=["older"]) not in answer.text


def test_a_page_shows_ticks_runs_and_both_terms(operator_client: Client, viewer_client: Client):
    make_executor("worker-1")
    make_schedule("nightly", cron="0 4 * * *", override={"cron": "0 4 * * *"}, context='{"region": "a secret"}')
    for n in range(3):
        make_workflow(f"sched-nightly-{n}", **ended("SUCCESS", schedule="nightly"))
    answer = operator_client.get(address("nightly"))
    text = seen(answer)
    assert "It starts shop.checkout every day at 04:00, Europe/Berlin time." in text
    assert len(re.findall(r"\w{3} \d{4}-\d\d-\d\d 04:00:00 CES?T", text)) == 10
    assert "Past runs 3" in text and "schedule=nightly" in answer.text
    assert "Cron 0 4 * * * 0 2 * * * overridden back" in text and "Catch-up newest" in text
    assert "a secret" in text and Markup(answer.text).problems == []
    looked = viewer_client.get(address("nightly"))
    assert "a secret" not in looked.text and "durable.view_payload" in looked.text
    assert not [action for action in ACTIONS if address("nightly", action) in looked.text]
    part = operator_client.get(address("nightly"), headers=HTMX)
    assert part.text.lstrip().startswith('<div id="clock"') and "<html" not in part.text
    assert operator_client.get(address("nobody")).status_code == 404


def test_it_says_that_nobody_would_take_what_it_starts(operator_client: Client):
    make_schedule("nightly")
    assert "What it starts waits: no executor takes work." in seen(operator_client.get(address("nightly")))
    assert "It will wait: no executor takes work." in seen(operator_client.get(address("nightly", "trigger")))


@pytest.mark.parametrize("fill", [make_crowd, make_hostile_crowd], ids=["crowd", "hostile"])
def test_every_page_and_action_renders_whatever_stands_in_the_row(operator_client: Client, fill: Any):
    fill()
    for name in Schedule.objects.values_list("pk", flat=True):
        for action in ("", *ACTIONS):
            for query in ("", "?start=7d&end=now", "?term=cron", "?start=x&end=%00"):
                markup = Markup((answer := operator_client.get(address(name, action, query))).text)
                assert (answer.status_code, markup.problems) == (200, []), (name, action)
                assert markup.tags.count("img") == 0 and len(markup.ids) == len(set(markup.ids))


def test_only_with_its_right_a_schedule_is_steered(viewer_client: Client):
    make_schedule("nightly")
    for action in ACTIONS:
        for answer in (viewer_client.get(address("nightly", action)), viewer_client.post(address("nightly", action))):
            assert answer.status_code == 403 and "durable.operate_schedule" in answer.text
    assert not AuditEntry.objects.exists() and not Workflow.objects.exists()
    user = get_user_model().objects.get(username="viewer")
    user.user_permissions.add(Permission.objects.get(codename="operate_schedule"))
    assert act(viewer_client, "nightly", "pause").status_code == 200
    assert Schedule.objects.get().paused and entry().actor == "viewer"


def test_what_does_not_exist_cannot_be_steered(operator_client: Client):
    for action in ACTIONS:
        assert operator_client.get(address("nobody", action)).status_code == 404
        assert operator_client.post(address("nobody", action), {"start_step": 1}).status_code == 404
    assert not AuditEntry.objects.exists()


def test_it_is_paused_and_resumed(operator_client: Client):
    make_schedule("nightly", last_at=timezone.now() - timedelta(days=3))
    assert "It is not paused." in seen(operator_client.get(address("nightly", "resume")))
    answer = act(operator_client, "nightly", "pause", reason="holidays")
    assert Schedule.objects.get().paused and "Paused nightly" in seen(answer) and "holidays" in seen(answer)
    assert operator_client.post(address("nightly", "pause")).status_code == 409
    act(operator_client, "nightly", "resume")
    row = Schedule.objects.get()
    assert not row.paused and timezone.now() - row.last_at < timedelta(minutes=1), "a pause is not made up for"
    assert list(AuditEntry.objects.values_list("action", "kind", "target")) == [
        ("resume", "schedule", "nightly"), ("pause", "schedule", "nightly"),
    ]  # fmt: skip


def test_a_trigger_starts_one_now_and_leads_to_it(operator_client: Client):
    make_schedule("nightly", paused=True)
    answer = act(operator_client, "nightly", "trigger")
    workflow = Workflow.objects.get()
    assert (workflow.name, workflow.schedule) == ("shop.checkout", "nightly")
    assert answer.redirect_chain == [(reverse("durable_dashboard:workflow", args=[workflow.pk]), 302)]
    assert entry().detail == {"workflow": workflow.pk} and Schedule.objects.get().paused
    assert address("nightly") in answer.text, "the workflow names its schedule"


def test_a_backfill_shows_what_it_would_start_before_it_does(operator_client: Client):
    make_schedule("nightly", timezone="UTC")
    page = operator_client.get(address("nightly", "backfill"))
    assert "Start them" not in page.text
    query = "?start=2026-01-01&end=2026-01-31 00:00"
    page = operator_client.get(address("nightly", "backfill", query))
    text = seen(page)
    assert "30 ticks of nightly" in text and "30 workflows of shop.checkout will be started." in text
    assert "sched-nightly-2026-01-01T02:00:00+00:00" in text and "and so on" in text
    assert "sched-nightly-2026-01-30T02:00:00+00:00" in text and "2026-01-15" not in text
    assert not Workflow.objects.exists()
    durable.backfill_schedule("nightly", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    text = seen(operator_client.get(address("nightly", "backfill", query)))
    assert (
        "28 workflows of shop.checkout will be started." in text and "2 ticks were fired or backfilled before" in text
    )
    answer = act(operator_client, "nightly", "backfill", query)
    assert "Backfilled 30 ticks" in seen(answer) and Workflow.objects.filter(schedule="nightly").count() == 30
    assert entry().detail["ticks"] == 30
    act(operator_client, "nightly", "backfill", query)
    assert Workflow.objects.count() == 30, "the same ticks again start nothing"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("?start=2026-01-01&end=2025-01-01", "it is before the start"),
        ("?start=&end=", "This field is required"),
        ("?start=soon&end=now", "Write a time such as"),
        ("?start=1970-01-02&end=now", "more than 10,000 ticks"),
        ("?start=2099-01-01&end=2099-02-01", "There is no tick in that time"),
    ],
)
def test_a_time_that_makes_no_sense_starts_nothing(operator_client: Client, query: str, why: str):
    make_schedule("often", cron="*/5 * * * *", timezone="UTC")
    page = operator_client.get(address("often", "backfill", query))
    assert page.status_code == 200 and why in seen(page) and "Start them" not in page.text
    start, end = query[1:].replace("start=", "").split("&end=")
    answer = operator_client.post(address("often", "backfill", query), {"start": start, "end": end})
    assert not Workflow.objects.exists() and answer.status_code in (302, 400)


def test_terms_are_overridden_and_what_equals_the_declared_is_no_override(operator_client: Client):
    Queue.objects.create(name="slow")
    make_schedule("nightly")
    page = operator_client.get(address("nightly", "override"))
    assert filled(page.text)["cron"] == "0 2 * * *" and "Declared: Europe/Berlin." in seen(page)
    given = {"cron": "0 4 * * *", "timezone": "Europe/Berlin", "catch_up": "skip", "queue": "slow"}
    answer = act(operator_client, "nightly", "override", **given)
    row = Schedule.objects.get()
    assert row.override == {"cron": "0 4 * * *", "catch_up": "skip", "queue": "slow"}
    assert (row.cron, row.catch_up, row.queue) == ("0 4 * * *", "skip", "slow")
    assert "In force now. It ticks next at" in seen(answer) and entry().detail["terms"] == row.override
    act(operator_client, "nightly", "override", **{**given, "cron": "0 2 * * *"})
    assert Schedule.objects.get().override == {"catch_up": "skip", "queue": "slow"}
    act(operator_client, "nightly", "clear", "?term=queue")
    assert Schedule.objects.get().override == {"catch_up": "skip"} and Schedule.objects.get().queue is None
    act(operator_client, "nightly", "clear")
    assert Schedule.objects.get().override == {} and Schedule.objects.get().catch_up == "newest"
    assert "No operator has overridden this." in seen(operator_client.get(address("nightly", "clear")))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("cron", "0 0 31 2 *", "it would never tick"),
        ("cron", "often", "give five fields"),
        ("cron", HOSTILE, "cron"),
        ("timezone", "Europe/Berln", "did you mean Europe/Berlin?"),
        ("catch_up", "sometimes", "Select a valid choice"),
        ("queue", "nobody", "Select a valid choice"),
    ],
)
def test_a_term_that_makes_no_sense_changes_nothing(operator_client: Client, field: str, value: str, why: str):
    make_schedule("nightly")
    given = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "catch_up": "newest", "queue": "", field: value}
    answer = act(operator_client, "nightly", "override", **given)
    assert answer.status_code == 400 and why in seen(answer) and Markup(answer.text).problems == []
    assert Schedule.objects.get().override == {} and not AuditEntry.objects.exists()


def test_a_deleted_schedule_leaves_what_it_started(operator_client: Client):
    make_schedule("nightly")
    make_workflow("started", **ended("SUCCESS", schedule="nightly"))
    assert "Code declares it: it comes back" in seen(operator_client.get(address("nightly", "delete")))
    answer = act(operator_client, "nightly", "delete")
    assert "Deleted schedule nightly." in seen(answer) and not Schedule.objects.exists()
    assert Workflow.objects.filter(pk="started").exists()
    page = operator_client.get(reverse("durable_dashboard:workflow", args=["started"]))
    assert page.status_code == 200 and json.dumps("nightly").strip('"') in page.text
