"""What the API tells of workflows, their steps and their events."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from durable.models import Attempt, Event, Message, StepAttempt

from .conftest import NOON, make_entries, make_step, make_workflow

LIST = "/api/v1/workflows"


def test_a_list_shows_the_newest_first_and_no_payload(viewer: Client):
    make_workflow("old", created_at=NOON - timedelta(hours=1))
    make_workflow("new", input='{"args": ["secret"], "kwargs": {}}')
    rows = viewer.get(LIST).json()["results"]
    assert [row["id"] for row in rows] == ["new", "old"]
    assert not {"input", "output", "error", "payload"} & set(rows[0])


def test_one_workflow_says_its_status_its_phase_and_its_times_in_utc(viewer: Client):
    make_workflow("w-1", status="PENDING", completed_at=None, waiting_for="sleep", wake_at=NOON, queue="orders")
    workflow = viewer.get(f"{LIST}/w-1").json()
    assert (workflow["status"], workflow["phase"], workflow["queue"]) == ("PENDING", "sleeping", "orders")
    assert (workflow["wake_at"], workflow["completed_at"]) == ("2026-11-20T12:00:00Z", None)


def test_a_start_without_a_queue_shows_none(viewer: Client):
    make_workflow("w-1")
    assert viewer.get(f"{LIST}/w-1").json()["queue"] is None


def test_the_addresses_in_an_answer_lead_where_they_say(viewer: Client):
    make_workflow("orders/7")
    make_step("orders/7", 1)
    workflow = viewer.get(LIST).json()["results"][0]
    found = viewer.get(workflow["url"]).json()
    assert found["id"] == "orders/7"
    assert viewer.get(found["steps"]).json()["results"][0]["name"] == "charge"
    assert viewer.get(found["events"]).json()["results"] == []


def test_steps_come_in_order(viewer: Client):
    make_workflow("w-1")
    make_workflow("w-2")
    for seq in (3, 1, 2):
        make_step("w-1", seq, output=str(seq))
    make_step("w-2", 1)
    steps = viewer.get(f"{LIST}/w-1/steps").json()["results"]
    assert [(step["seq"], step["output"]) for step in steps] == [(1, 1), (2, 2), (3, 3)]


def test_events_come_with_their_history_when_asked_for(viewer: Client):
    make_workflow("w-1")
    for key, seq in (("url", 4), ("stage", 2), ("url", 1)):
        Event.objects.create(workflow_id="w-1", key=key, seq=seq, value=f'"{key}{seq}"', created_at=NOON)

    def shown(query: str) -> list[tuple[str, int, str]]:
        events = viewer.get(f"{LIST}/w-1/events{query}").json()["results"]
        return [(e["key"], e["seq"], e["value"]) for e in events]

    everything = [("stage", 2, "stage2"), ("url", 1, "url1"), ("url", 4, "url4")]
    assert shown("?history=1") == shown("?history=true") == everything
    assert shown("") == shown("?history=0") == everything[::2]
    assert viewer.get(f"{LIST}/w-1/events?history=yes").status_code == 400


def test_a_step_tells_of_its_failed_tries_also_while_it_is_still_being_tried(viewer: Client):
    make_workflow("w-1")
    make_step("w-1", 1, attempts=3)
    make_step("w-1", 2)
    for seq, n in ((1, 2), (1, 1), (3, 1)):
        error = f'{{"type": "ValueError", "message": "{seq}.{n}"}}'
        StepAttempt.objects.create(
            workflow_id="w-1", seq=seq, n=n, name="charge", error=error, started_at=NOON, ended_at=NOON
        )
    steps = viewer.get(f"{LIST}/w-1/steps").json()["results"]
    assert [[t["error"]["message"] for t in step["failed_attempts"]] for step in steps] == [["1.1", "1.2"], []]
    tries = viewer.get(f"{LIST}/w-1/step-attempts").json()["results"]
    assert [(t["seq"], t["n"]) for t in tries] == [(1, 1), (1, 2), (3, 1)]


def test_attempts_say_which_runs_were_lost_or_let_go(viewer: Client):
    make_workflow("w-1")
    for epoch, outcome in ((1, "lost"), (2, "released")):
        Attempt.objects.create(
            workflow_id="w-1", epoch=epoch, executor="e-1", ended_at=NOON, outcome=outcome, detail="because"
        )
    attempts = viewer.get(f"{LIST}/w-1/attempts").json()["results"]
    assert [(a["epoch"], a["outcome"], a["detail"]) for a in attempts] == [
        (1, "lost", "because"),
        (2, "released", "because"),
    ]


def test_messages_come_in_the_order_of_arrival_and_say_who_received_them(viewer: Client):
    make_workflow("w-1")
    for n, (topic, consumed) in enumerate((("", 3), ("payment", None), ("", None))):
        Message.objects.create(
            workflow_id="w-1", topic=topic, key=f"k{n}", body=str(n), sender="p", created_at=NOON, consumed_seq=consumed
        )
    messages = viewer.get(f"{LIST}/w-1/messages").json()["results"]
    assert [(m["topic"], m["key"], m["message"], m["consumed_seq"]) for m in messages] == [
        (None, "k0", 0, 3),
        ("payment", "k1", 1, None),
        (None, "k2", 2, None),
    ]
    waiting = viewer.get(f"{LIST}/w-1/messages?waiting=1").json()["results"]
    assert [m["key"] for m in waiting] == ["k1", "k2"]


PARTS = ["steps", "step-attempts", "attempts", "events", "messages", "streams", "streams/k", "streams/k/live"]


@pytest.mark.parametrize("path", ["", *(f"/{part}" for part in PARTS)])
def test_a_workflow_that_does_not_exist_is_a_problem_that_says_so(viewer: Client, path: str):
    answer = viewer.get(f"{LIST}/gone{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("workflow-not-found", 404)
    assert (problem["title"], problem["instance"]) == ("Workflow not found", f"{LIST}/gone{path}")
    assert "'gone'" in problem["detail"]


def test_payloads_are_hidden_without_their_permission(client_with: Callable[..., Client]):
    client = client_with("view_workflow")
    error = '{"type": "ValueError", "message": "secret"}'
    make_workflow("w-1", input='{"args": ["secret"]}', output='"secret"', error=error, error_type="ValueError")
    make_step("w-1", 1, output='"secret"', error=error)
    Event.objects.create(workflow_id="w-1", key="k", seq=1, value='"secret"', created_at=NOON)
    workflow = client.get(f"{LIST}/w-1")
    assert workflow.json()["payload"] == "hidden"
    assert [workflow.json()[name] for name in ("input", "output", "error")] == [None, None, None]
    steps, events = client.get(f"{LIST}/w-1/steps"), client.get(f"{LIST}/w-1/events")
    assert (steps.json()["results"][0]["payload"], steps.json()["results"][0]["output"]) == ("hidden", None)
    assert (events.json()["results"][0]["payload"], events.json()["results"][0]["value"]) == ("hidden", None)
    StepAttempt.objects.create(
        workflow_id="w-1", seq=1, n=1, name="charge", error=error, started_at=NOON, ended_at=NOON
    )
    Message.objects.create(workflow_id="w-1", topic="t", key="k", body='"secret"', created_at=NOON)
    make_entries("w-1", "k", '"secret"')
    others = [client.get(f"{LIST}/w-1/{part}") for part in PARTS]
    for answer in others[:2] + others[4:5] + others[6:7]:
        row = answer.json()["results"][0]
        assert row.get("payload", "hidden") == "hidden"
        assert [row.get(name) for name in ("error", "message", "value", "output")] == [None] * 4
    assert b'"payload":"hidden","value":null' in others[7].getvalue()
    for answer in (workflow, *others, client.get(LIST)):
        assert b"secret" not in answer.getvalue()


def test_hidden_payloads_do_not_even_leave_the_database(
    client_with: Callable[..., Client], django_assert_max_num_queries: Callable[..., object]
):
    make_workflow("w-1", input='{"args": []}')
    for seq in range(20):
        make_step("w-1", seq)
    client = client_with("view_workflow")
    with django_assert_max_num_queries(12) as queries:
        client.get(f"{LIST}/w-1/steps")
        client.get(f"{LIST}/w-1")
    assert not [q for q in queries.captured_queries if '"output"' in q["sql"]]


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(
    viewer: Client, django_assert_max_num_queries: Callable[..., object]
):
    for n in range(50):
        make_workflow(f"w-{n}")
    with django_assert_max_num_queries(5):
        assert len(viewer.get(LIST).json()["results"]) == 50
