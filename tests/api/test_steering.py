"""Steering one workflow: its children, its queue, its attributes, its delay, its messages, its end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

import durable
from durable.models import AuditEntry, Message, Workflow

from .conftest import NOON, make_step, make_workflow

LIST = "/api/v1/workflows"
LIVE = {"status": "PENDING", "completed_at": None, "run_after": NOON}


@durable.workflow(name="api.listens")
def listens() -> Any:
    return [durable.recv("payment", timeout_seconds=60), durable.recv(timeout_seconds=60)]


@durable.workflow(name="api.whoami")
def whoami() -> Any:
    return [durable.authenticated_user(), list(durable.authenticated_roles() or [])]


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_workflow", "view_workflow", "view_payload")


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"{LIST}/{path}" if path else LIST, body or {}, "application/json", headers=headers)


def patch(client: Client, path: str, body: Any) -> Any:
    return client.patch(f"{LIST}/{path}", body, "application/json")


def noted() -> list[tuple[str, str, dict[str, Any]]]:
    return [(entry.action, entry.target, entry.detail) for entry in AuditEntry.objects.order_by("id")]


# --- start


def test_every_option_of_a_start_is_kept(operator: Client):
    options = {
        "queue": "orders", "priority": 3, "dedup_id": "d", "partition_key": "p", "delay": 60, "timeout": 30.5,
        "version": "v7", "attributes": {"region": "eu"}, "authenticated_user": "ada", "authenticated_roles": ["a", "b"],
    }  # fmt: skip
    pk = post(operator, "", {"name": "api.whoami", **options}).json()["id"]
    workflow = operator.get(f"{LIST}/{pk}").json()
    assert workflow["status"] == "DELAYED"
    assert {name: workflow[name] for name in options if name != "delay"} == {
        name: value for name, value in options.items() if name != "delay"
    }


def test_a_workflow_runs_as_the_user_that_the_start_names(operator: Client, executor: Any):
    body = {"name": "api.whoami", "authenticated_user": "ada", "authenticated_roles": ["clerk"]}
    pk = post(operator, "", body).json()["id"]
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == ["ada", ["clerk"]]


def test_an_id_that_is_taken_attaches_or_is_refused_as_the_start_says(operator: Client):
    body = {"name": "api.whoami", "workflow_id": "w-1"}
    assert post(operator, "", body).status_code == 201
    assert post(operator, "", {**body, "id_policy": "return-existing"}).status_code == 200
    answer = post(operator, "", {**body, "id_policy": "reject"})
    assert (answer.status_code, answer.json()["type"]) == (409, "workflow-id-in-use")
    assert post(operator, "", {**body, "id_policy": "maybe"}).json()["errors"][0]["field"] == "id_policy"


def test_a_deduplication_id_that_is_live_attaches_when_the_start_says_so(operator: Client):
    body = {"name": "api.whoami", "queue": "orders", "dedup_id": "d", "dedup_policy": "return-existing"}
    first = post(operator, "", {**body, "workflow_id": "w-1"})
    second = post(operator, "", {**body, "workflow_id": "w-2"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert (second.json()["id"], second.json()["changed"]) == ("w-1", False)
    assert second.headers["Location"] == f"{LIST}/w-1"
    assert noted()[1] == ("start", "w-2", {"name": "api.whoami", "started": False, "attached_to": "w-1"})


@pytest.mark.parametrize(
    "options",
    [
        {"authenticated_roles": "admin"}, {"authenticated_roles": [7]}, {"authenticated_user": ""}, {"version": 7},
        {"version": ""}, {"timeout": None}, {"timeout": -1}, {"queue": "\ud800"}, {"authenticated_user": "a\0b"},
        {"dedup_policy": "reject "}, {"id_policy": ["reject"]}, {"attributes": {"a": 1e999}}, {"delay": "1"},
    ],
)  # fmt: skip
def test_an_option_that_is_none_is_refused_and_nothing_starts(operator: Client, options: dict[str, Any]):
    answer = post(operator, "", {"name": "api.whoami", "queue": "q", **options})
    assert answer.status_code in (400, 422), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not Workflow.objects.exists()


# --- cancel and resume


def test_a_cancel_takes_the_children_along_when_asked_to(operator: Client):
    for pk, parent in (("top", None), ("child", "top"), ("grandchild", "child"), ("other", None)):
        make_workflow(pk, parent=parent, **LIVE)
    assert post(operator, "top/cancel", {"children": True}).json()["status"] == "CANCELLED"
    assert set(Workflow.objects.filter(status="CANCELLED").values_list("id", flat=True)) == {
        "top",
        "child",
        "grandchild",
    }
    assert noted() == [("cancel", "top", {"children": True, "changed": True})]


def test_a_cancel_leaves_the_children_otherwise(operator: Client):
    make_workflow("top", **LIVE)
    make_workflow("child", parent="top", **LIVE)
    post(operator, "top/cancel", {"children": False})
    assert Workflow.objects.get(pk="child").status == "PENDING"


def test_a_resumed_workflow_waits_its_turn_in_a_queue_when_asked_to(operator: Client):
    make_workflow("w-1", status="CANCELLED", failure="CANCELLED")
    answer = post(operator, "w-1/resume", {"queue": "slow"})
    assert (answer.status_code, answer.json()["changed"]) == (200, True)
    workflow = Workflow.objects.get()
    assert (workflow.status, workflow.queue) == ("ENQUEUED", "slow")
    assert noted() == [("resume", "w-1", {"queue": "slow", "changed": True})]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("w-1/cancel", {"children": "yes"}), ("w-1/cancel", {"children": 1}), ("w-1/cancel", {"childs": True}),
        ("w-1/cancel", []), ("w-1/cancel", [1]), ("w-1/cancel", "x"), ("w-1/resume", {"queue": ""}),
        ("w-1/resume", {"queue": "_durable"}), ("w-1/resume", {"queue": 7}), ("w-1/resume", {"queue": "a\0"}),
        ("w-1/resume", {"queue": "x" * 1025}),
    ],
)  # fmt: skip
def test_a_wrong_word_changes_nothing(operator: Client, path: str, body: Any):
    make_workflow("w-1", status="CANCELLED" if "resume" in path else "PENDING")
    before = list(Workflow.objects.values())
    answer = operator.post(f"{LIST}/{path}", body, "application/json")
    assert answer.status_code in (400, 422), answer.content
    assert list(Workflow.objects.values()) == before
    assert not AuditEntry.objects.exists()


def test_a_form_that_says_something_is_no_body(operator: Client):
    make_workflow("w-1", **LIVE)
    assert operator.post(f"{LIST}/w-1/cancel", {"children": "1"}).status_code == 415
    assert operator.post(f"{LIST}/w-1/cancel", "children=1", "text/plain").status_code == 415
    assert Workflow.objects.get().status == "PENDING"
    assert operator.post(f"{LIST}/w-1/cancel").status_code == 200


# --- change


def test_attributes_are_replaced_or_added_to(operator: Client):
    make_workflow("w-1", attributes={"region": "eu", "tier": 1})
    assert patch(operator, "w-1", {"attributes": {"tier": 2}, "merge": True}).status_code == 200
    assert operator.get(f"{LIST}/w-1").json()["attributes"] == {"region": "eu", "tier": 2}
    patch(operator, "w-1", {"attributes": {"new": [None]}})
    assert operator.get(f"{LIST}/w-1").json()["attributes"] == {"new": [None]}
    assert noted()[1] == ("change", "w-1", {"attributes": {"new": [None]}, "merge": False})


def test_a_delay_is_moved(operator: Client):
    for pk in ("w-1", "w-2"):
        post(operator, "", {"name": "api.whoami", "workflow_id": pk, "queue": "q", "delay": 60})
    later = timezone.now() + timedelta(days=9)
    assert patch(operator, "w-1", {"delay": 86400}).json()["status"] == "DELAYED"
    patch(operator, "w-2", {"delay_until": later.isoformat()})
    wakes = dict(Workflow.objects.values_list("id", "wake_at"))
    assert abs(wakes["w-1"] - timezone.now() - timedelta(days=1)) < timedelta(minutes=1)
    assert abs(wakes["w-2"] - later) < timedelta(milliseconds=1)


def test_what_has_started_cannot_be_delayed_and_nothing_else_is_changed_then(operator: Client):
    make_workflow("w-1", attributes={"a": 1})
    answer = patch(operator, "w-1", {"attributes": {"a": 2}, "delay": 5})
    assert (answer.status_code, answer.json()["type"]) == (409, "not-delayable")
    assert Workflow.objects.get().attributes == {"a": 1}
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"merge": True}, {"attributes": []}, {"attributes": None}, {"attributes": {"a": 1e999}}, {"delay": -1},
        {"delay": "5"}, {"delay": True}, {"delay": 1e300}, {"delay": 1, "delay_until": "2026-11-20T12:00:00Z"},
        {"delay_until": "soon"}, {"delay_until": 5}, {"delay_until": "9999-12-31T23:59:59-12:00"},
        {"delay_until": "0001-01-01T00:00:00Z"}, {"delay_until": None}, {"status": "SUCCESS"}, {"id": "x"}, "x", None,
        {"attributes": {"a": "\0"}},
    ],
)  # fmt: skip
def test_a_change_that_is_none_is_refused(operator: Client, body: Any):
    post(operator, "", {"name": "api.whoami", "workflow_id": "w-1", "queue": "q", "delay": 60, "attributes": {"a": 1}})
    before = list(Workflow.objects.values())
    answer = patch(operator, "w-1", body)
    assert answer.status_code in (400, 422), answer.content
    assert list(Workflow.objects.values()) == before


# --- delete


def test_a_deleted_workflow_is_gone_with_all_that_hangs_on_it(operator: Client):
    make_workflow("w-1", **LIVE)
    make_workflow("child", parent="w-1")
    make_step("w-1", 1)
    answer = operator.delete(f"{LIST}/w-1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert operator.get(f"{LIST}/w-1").status_code == 404
    assert Workflow.objects.filter(pk="child").exists()
    assert noted() == [("delete", "w-1", {"children": False})]
    answer = operator.delete(f"{LIST}/w-1")
    assert (answer.status_code, answer.json()["type"]) == (404, "workflow-not-found")


def test_a_deletion_takes_the_children_along_when_asked_to(operator: Client):
    for pk, parent in (("top", None), ("child", "top"), ("grandchild", "child"), ("other", None)):
        make_workflow(pk, parent=parent)
    assert operator.delete(f"{LIST}/top?children=maybe").status_code == 400
    assert operator.delete(f"{LIST}/top?child=1").status_code == 400
    assert operator.delete(f"{LIST}/top?children=1").status_code == 204
    assert [row.pk for row in Workflow.objects.all()] == ["other"]


# --- messages


def test_a_message_reaches_the_workflow_that_waits_for_it(operator: Client, executor: Any):
    pk = post(operator, "", {"name": "api.listens"}).json()["id"]
    first = post(operator, f"{pk}/messages", {"topic": "payment", "message": {"paid": [1, None]}})
    second = post(operator, f"{pk}/messages", {"message": None})
    assert (first.status_code, second.status_code) == (201, 201)
    assert (first.json()["topic"], first.json()["message"]) == ("payment", {"paid": [1, None]})
    assert second.json()["topic"] is None
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == [{"paid": [1, None]}, None]
    assert [entry[0] for entry in noted()] == ["start", "send", "send"]
    assert "paid" not in str(noted())


def test_a_message_with_a_key_arrives_once(operator: Client):
    make_workflow("w-1", **LIVE)
    answers = [post(operator, "w-1/messages", {"message": n}, **{"Idempotency-Key": "k"}) for n in (1, 2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert [answer.json()["message"] for answer in answers] == [1, 1]
    assert Message.objects.count() == 1
    assert [entry[2]["changed"] for entry in noted()] == [True, False]


def test_who_sends_sees_no_more_than_they_may(client_with: Callable[..., Client]):
    make_workflow("w-1", **LIVE)
    answer = post(client_with("operate_workflow"), "w-1/messages", {"message": "secret"})
    assert (answer.status_code, answer.json()["payload"], answer.json()["message"]) == (201, "hidden", None)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"topic": "t"}, {"message": 1, "topic": ""}, {"message": 1, "topic": 7}, {"message": 1, "topic": "\ud800"},
        {"message": 1, "topic": "a\0"}, {"message": 1, "to": "x"}, {"message": 1e999}, [], "x", None,
        {"message": 1, "topic": "x" * 1025},
    ],
)  # fmt: skip
def test_a_message_that_is_none_is_refused(operator: Client, body: Any):
    make_workflow("w-1", **LIVE)
    answer = operator.post(f"{LIST}/w-1/messages", body, "application/json")
    assert answer.status_code in (400, 422), answer.content
    assert not Message.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_message_that_is_too_large_or_to_nobody_is_refused(operator: Client, settings: Any):
    assert post(operator, "gone/messages", {"message": 1}).json()["type"] == "workflow-not-found"
    make_workflow("w-1", **LIVE)
    settings.DURABLE = {"MAX_PAYLOAD_BYTES": 1024}
    assert post(operator, "w-1/messages", {"message": "x" * 2000}).status_code == 413
    assert not AuditEntry.objects.exists()
