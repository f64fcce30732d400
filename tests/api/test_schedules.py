"""Schedules: what they start and when, held, triggered, and made up for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections
from django.test import Client

import durable
from durable.models import AuditEntry, Schedule, Workflow

from .conftest import NOON

SCHEDULES = "/api/v1/schedules"
KEY = "Idempotency-Key"


@durable.workflow(name="api.report")
def report(scheduled: datetime, context: Any) -> Any:
    return [scheduled.tzname(), context]


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_schedule", "view_workflow", "view_payload")


@pytest.fixture
def nightly(database: str) -> Schedule:
    return durable.create_schedule("night/ly", "api.report", "0 2 * * *", context={"to": "ada"}, timezone="UTC")


NIGHTLY = f"{SCHEDULES}/night~2Fly"


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body or {}, "application/json", headers=headers)


def noted() -> list[tuple[str, str, str]]:
    return [(e.action, e.kind, e.target) for e in AuditEntry.objects.order_by("id")]


def test_a_schedule_says_what_it_starts_and_when(operator: Client, nightly: Schedule):
    [row] = operator.get(SCHEDULES).json()["results"]
    shown = operator.get(row["url"]).json()
    assert shown == row
    assert (shown["name"], shown["workflow"], shown["cron"], shown["timezone"]) == (
        "night/ly",
        "api.report",
        "0 2 * * *",
        "UTC",
    )
    assert (shown["context"], shown["paused"], shown["queue"]) == ({"to": "ada"}, False, None)
    assert shown["next_at"].endswith("T02:00:00Z")
    ticks = operator.get(f"{NIGHTLY}/ticks?count=3").json()["ticks"]
    assert ticks[0] == shown["next_at"]
    assert (len(ticks), len(operator.get(f"{NIGHTLY}/ticks").json()["ticks"])) == (3, 5)


def test_schedules_are_narrowed_by_what_they_start_and_whether_they_tick(operator: Client, nightly: Schedule):
    durable.create_schedule("other", "api.other", "* * * * *")
    durable.pause_schedule("other")

    def names(query: str) -> list[str]:
        return [row["name"] for row in operator.get(f"{SCHEDULES}?{query}").json()["results"]]

    assert names("workflow=api.report") == names("paused=0") == ["night/ly"]
    assert names("paused=1") == names("workflow=api.other&paused=true") == ["other"]
    assert names("workflow=%00x") == []
    for query in ("paused=maybe", "workflow=", "cron=x"):
        assert operator.get(f"{SCHEDULES}?{query}").status_code == 400


def test_a_schedule_is_created_once(operator: Client, executor: Any):
    durable.register_queue("slow")
    body = {
        "name": "hourly", "workflow": "api.report", "cron": "0 * * * *", "timezone": "Europe/Berlin",
        "catch_up": "all", "queue": "slow", "context": [1, None, {"$": "x"}],
    }  # fmt: skip
    answer = post(operator, SCHEDULES, body, **{KEY: "k"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{SCHEDULES}/hourly"
    shown = operator.get(f"{SCHEDULES}/hourly").json()
    assert (shown["catch_up"], shown["queue"], shown["timezone"]) == ("all", "slow", "Europe/Berlin")
    assert post(operator, SCHEDULES, body, **{KEY: "k"}).status_code == 200
    other = post(operator, SCHEDULES, {**body, "cron": "1 * * * *"})
    assert (other.status_code, other.json()["type"]) == (409, "schedule-exists")
    pk = post(operator, f"{SCHEDULES}/hourly/trigger").json()["id"]
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == ["UTC", [1, None, {"$": "x"}]]
    assert noted() == [(action, "schedule", "hourly") for action in ("create", "create", "trigger")]
    assert AuditEntry.objects.order_by("id")[0].detail["idempotency_key"] == "k"


def test_a_schedule_is_held_and_ticks_again(operator: Client, nightly: Schedule):
    paused = post(operator, f"{NIGHTLY}/pause").json()
    assert (paused["paused"], paused["next_at"]) == (True, None)
    assert operator.get(f"{NIGHTLY}/ticks").json()["ticks"]
    assert post(operator, f"{NIGHTLY}/resume").json()["paused"] is False
    assert noted() == [("pause", "schedule", "night/ly"), ("resume", "schedule", "night/ly")]


def test_terms_are_overridden_and_put_back(operator: Client, nightly: Schedule):
    shown = operator.patch(NIGHTLY, {"cron": "30 3 * * *", "queue": "slow"}, "application/json").json()
    assert (shown["cron"], shown["queue"]) == ("30 3 * * *", "slow")
    assert shown["override"] == {"cron": "30 3 * * *", "queue": "slow"}
    assert shown["declared"]["cron"] == "0 2 * * *"
    assert shown["next_at"].endswith("T03:30:00Z")
    operator.patch(NIGHTLY, {"queue": None}, "application/json")
    assert operator.get(NIGHTLY).json()["queue"] is None
    shown = operator.delete(f"{NIGHTLY}/override").json()
    assert (shown["cron"], shown["override"]) == ("0 2 * * *", {})
    assert [entry[0] for entry in noted()] == ["override", "override", "clear_override"]


def test_a_trigger_starts_the_workflow_as_if_it_ticked(operator: Client, nightly: Schedule, executor: Any):
    answer = post(operator, f"{NIGHTLY}/trigger")
    assert (answer.status_code, answer.json()["changed"]) == (201, True)
    pk = answer.json()["id"]
    assert pk.startswith("sched-night/ly-trigger-")
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == ["UTC", {"to": "ada"}]
    assert [row["id"] for row in operator.get("/api/v1/workflows?schedule=night/ly").json()["results"]] == [pk]
    assert AuditEntry.objects.get().detail == {"workflow": pk}


def test_a_trigger_that_is_sent_again_with_its_key_starts_one(operator: Client, nightly: Schedule):
    answers = [post(operator, f"{NIGHTLY}/trigger", **{KEY: "k"}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["changed"]) for answer in answers] == [(201, True), (200, False)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert post(operator, f"{NIGHTLY}/trigger", **{KEY: "l"}).status_code == 201
    assert Workflow.objects.count() == 2
    durable.create_schedule("other", "api.report", "* * * * *")
    assert post(operator, f"{SCHEDULES}/other/trigger", **{KEY: "k"}).status_code == 201


def test_many_triggers_with_one_key_start_one(operator: Client, nightly: Schedule, client_with: Callable[..., Client]):
    clients = [client_with("operate_schedule") for _ in range(6)]

    def send(client: Client) -> int:
        try:
            return post(client, f"{NIGHTLY}/trigger", **{KEY: "same"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(send, clients))
    assert codes == [200, 200, 200, 200, 200, 201]
    assert Workflow.objects.count() == 1


def test_a_backfill_says_how_many_first_and_starts_each_tick_once(operator: Client, nightly: Schedule):
    days = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-05T02:00:00Z"}
    rehearsal = post(operator, f"{NIGHTLY}/backfill", {**days, "dry_run": True}).json()
    assert (rehearsal["dry_run"], rehearsal["count"], rehearsal["new"]) == (True, 4, 4)
    assert rehearsal["ids"][0] == "sched-night/ly-2026-03-01T02:00:00+00:00"
    assert not Workflow.objects.exists()
    assert not AuditEntry.objects.exists()
    done = post(operator, f"{NIGHTLY}/backfill", days, **{KEY: "k"}).json()
    assert (done["count"], done["new"], done["ids"]) == (4, 4, rehearsal["ids"])
    assert sorted(Workflow.objects.values_list("id", flat=True)) == sorted(rehearsal["ids"])
    again = post(operator, f"{NIGHTLY}/backfill", {**days, "start": "2026-02-28"}).json()
    assert (again["count"], again["new"]) == (5, 1)
    assert Workflow.objects.count() == 5
    detail = AuditEntry.objects.order_by("id")[0].detail
    assert detail["count"] == 4
    assert (detail["start"], detail["idempotency_key"]) == ("2026-03-01T00:00:00+00:00", "k")


def test_a_schedule_is_deleted_and_what_it_started_stays(operator: Client, nightly: Schedule):
    post(operator, f"{NIGHTLY}/trigger")
    assert operator.delete(NIGHTLY).status_code == 204
    assert not Schedule.objects.exists()
    assert Workflow.objects.count() == 1
    assert operator.delete(NIGHTLY).json()["type"] == "schedule-not-found"
    assert [entry[0] for entry in noted()] == ["trigger", "delete"]


def test_the_context_is_hidden_from_who_may_not_see_payloads(client_with: Callable[..., Client], nightly: Schedule):
    client = client_with("view_schedule", "operate_schedule")
    for answer in (client.get(SCHEDULES), client.get(NIGHTLY), post(client, f"{NIGHTLY}/pause")):
        assert answer.status_code == 200
        assert b"ada" not in answer.content
        assert b'"payload":"hidden","context":null' in answer.content


ACTIONS = [
    ("PATCH", ""), ("DELETE", ""), ("DELETE", "/override"), ("POST", "/pause"), ("POST", "/resume"),
    ("POST", "/trigger"), ("POST", "/backfill"),
]  # fmt: skip
BODY = {
    "": '{"cron": "1 1 * * *"}',
    "/backfill": '{"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}',
}


@pytest.mark.parametrize(("method", "path"), ACTIONS)
def test_acting_on_schedules_takes_their_permission(
    client_with: Callable[..., Client], nightly: Schedule, method: str, path: str
):
    client = client_with("view_workflow", "view_schedule", "operate_workflow", "operate_queue", "delete_schedule")
    before = list(Schedule.objects.values())
    answer = client.generic(method, NIGHTLY + path, BODY.get(path, "{}"), "application/json")
    assert answer.status_code == 403
    assert post(client, SCHEDULES, {"name": "x", "workflow": "api.report", "cron": "* * * * *"}).status_code == 403
    assert list(Schedule.objects.values()) == before
    assert not Workflow.objects.exists()


@pytest.mark.parametrize(("method", "path"), [*ACTIONS, ("GET", ""), ("GET", "/ticks")])
def test_a_schedule_that_does_not_exist_is_a_problem(operator: Client, nightly: Schedule, method: str, path: str):
    for name in ("gone", "x/y", "é", "\n", "a" * 1000):
        url = f"{SCHEDULES}/{quote(name, safe='').replace('%2F', '~2F')}{path}"
        answer = operator.generic(method, url, BODY.get(path, "{}"), "application/json")
        assert (answer.status_code, answer.json()["type"]) == (404, "schedule-not-found"), answer.content
        assert "night/ly" in answer.json()["detail"]
    assert not AuditEntry.objects.exists()


VALID = {"name": "s", "workflow": "api.report", "cron": "* * * * *"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": 7}, {"name": "x" * 201}, {"name": "a\0"}, {"name": "\ud800"}, {"workflow": ""},
        {"workflow": 7}, {"workflow": "<temp>.x"}, {"workflow": "a\nb"}, {"cron": ""}, {"cron": "soon"},
        {"cron": "* * * *"}, {"cron": "0 0 31 2 *"}, {"cron": "99 * * * *"}, {"cron": "* " * 500}, {"cron": 5},
        {"cron": "@reboot"}, {"timezone": "Mars/Olympus"}, {"timezone": "../../etc/passwd"}, {"timezone": ""},
        {"timezone": None}, {"catch_up": "some"}, {"catch_up": None}, {"queue": ""}, {"queue": "a\0"},
        {"context": 1e999}, {"nonsense": 1}, {"paused": True},
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_not_created(operator: Client, change: dict[str, Any]):
    answer = post(operator, SCHEDULES, {**VALID, **change})
    assert answer.status_code in (400, 422), answer.content
    assert not Schedule.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"cron": "soon"}, {"timezone": "x"}, {"catch_up": "x"}, {"queue": 7}, {"workflow": "<temp>.x"},
        {"workflow": None}, {"name": "x"}, {"context": 1}, {"paused": True}, "x", [],
    ],
)  # fmt: skip
def test_a_term_that_is_none_changes_nothing(operator: Client, nightly: Schedule, body: Any):
    before = list(Schedule.objects.values())
    answer = operator.patch(NIGHTLY, body, "application/json")
    assert answer.status_code in (400, 422), answer.content
    assert list(Schedule.objects.values()) == before


@pytest.mark.parametrize(
    "body",
    [
        {}, {"start": "2026-03-01T00:00:00Z"}, {"start": "x", "end": "y"}, {"start": 1, "end": 2},
        {"start": "0001-01-01T00:00:00+14:00", "end": "2026-01-01T00:00:00Z"}, {"start": None, "end": None},
        {"start": "2026-03-01T00:00:00Z", "end": "9999-12-31T23:59:59-12:00"},
        {"start": "1970-01-01T00:00:00Z", "end": "2026-11-20T00:00:00Z"},
        {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z", "dry_run": "yes"},
        {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z", "limit": 1},
    ],
)  # fmt: skip
def test_a_time_that_is_none_starts_nothing(operator: Client, nightly: Schedule, body: Any):
    answer = post(operator, f"{NIGHTLY}/backfill", body)
    assert answer.status_code in (400, 422), answer.content
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("query", ["count=0", "count=101", "count=x", "count=", "limit=1", "count=-1"])
def test_a_number_of_ticks_that_is_none_is_refused(operator: Client, nightly: Schedule, query: str):
    assert operator.get(f"{NIGHTLY}/ticks?{query}").status_code == 400


def test_terms_that_nobody_understands_any_more_do_not_hide_the_schedule(operator: Client):
    Schedule.objects.create(name="old", workflow="w", cron="once in a while", last_at=NOON.astimezone(UTC))
    assert operator.get(SCHEDULES).json()["results"][0]["next_at"] is None
    assert operator.get(f"{SCHEDULES}/old/ticks").status_code == 422
