"""Starting, cancelling and resuming workflows for real."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

import durable
from durable.models import AuditEntry, Queue, Workflow

from .conftest import make_workflow

LIST = "/api/v1/workflows"


@durable.step()
def shout(word: str) -> str:
    return word.upper()


@durable.workflow(name="api.greet")
def greet(name: str, times: int = 1) -> str:
    return shout(f"hello {name} " * times)


@durable.workflow(name="api.anything")
def anything(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs]


@durable.workflow(name="api.patient")
def patient() -> str:
    durable.sleep(3600)
    return "done"


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_workflow", "view_workflow", "view_payload")


def start(client: Client, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(LIST, {"name": "api.greet", "args": ["Ada"], **body}, "application/json", headers=headers)


def test_a_start_is_acknowledged_with_where_to_look(operator: Client):
    answer = start(operator, workflow_id="a/b")
    assert answer.status_code == 201
    assert answer.json() == {"id": "a/b", "url": f"{LIST}/a~2Fb", "status": "ENQUEUED", "changed": True}
    assert answer.headers["Location"] == f"{LIST}/a~2Fb"
    workflow = operator.get(answer.headers["Location"]).json()
    assert (workflow["name"], workflow["input"]) == ("api.greet", {"args": ["Ada"], "kwargs": {}})


def test_a_started_workflow_runs(operator: Client, executor: Any):
    pk = start(operator, kwargs={"times": 2}).json()["id"]
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == "HELLO ADA HELLO ADA "
    workflow = operator.get(f"{LIST}/{pk}").json()
    assert (workflow["status"], workflow["phase"], workflow["output"]) == ("SUCCESS", "success", "HELLO ADA HELLO ADA ")
    steps = operator.get(workflow["steps"]).json()["results"]
    assert [step["kind"] for step in steps] == ["step"]


def test_options_of_a_start_are_kept(operator: Client):
    pk = start(
        operator, queue="orders", priority=5, dedup_id="d", delay=60, timeout=30.5, attributes={"a": [1]}
    ).json()["id"]
    workflow = operator.get(f"{LIST}/{pk}").json()
    expected = {
        "queue": "orders",
        "priority": 5,
        "dedup_id": "d",
        "status": "DELAYED",
        "timeout": 30.5,
        "attributes": {"a": [1]},
    }
    assert {name: workflow[name] for name in expected} == expected


def test_the_same_request_with_a_key_starts_once(operator: Client):
    for key in ("order-7", '"order-8"'):
        headers = {"Idempotency-Key": key}
        first, second = start(operator, headers), start(operator, headers)
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json()["id"] == second.json()["id"] == key.strip('"')
        assert second.json()["changed"] is False
    assert Workflow.objects.count() == 2


def test_an_id_in_the_body_comes_before_the_key(operator: Client):
    assert start(operator, {"Idempotency-Key": "key"}, workflow_id="mine").json()["id"] == "mine"


@pytest.mark.parametrize("key", ["", " ", "é", "a\tb", "x" * 1025])
def test_a_key_that_cannot_be_an_id_is_refused(operator: Client, key: str):
    answer = start(operator, {"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert not Workflow.objects.exists()


def test_an_id_of_another_function_is_a_conflict_and_nothing_is_noted(operator: Client):
    start(operator, workflow_id="w-1")
    answer = start(operator, workflow_id="w-1", name="api.patient", args=[])
    assert (answer.status_code, answer.json()["type"]) == (409, "workflow-conflict")
    assert AuditEntry.objects.count() == 1


def test_a_live_deduplication_id_is_a_conflict(operator: Client):
    start(operator, queue="orders", dedup_id="d")
    answer = start(operator, queue="orders", dedup_id="d")
    assert (answer.status_code, answer.json()["type"]) == (409, "queue-deduplicated")


@pytest.mark.parametrize(
    "name",
    [
        "api.gone",
        "os.system",
        "tests.api.test_actions.greet",
        "tests.api.test_actions:greet",
        "builtins.eval",
        "<temp>.shout",
        "<x>",
        "é",
    ],
)
def test_only_registered_names_can_be_started_and_the_known_ones_are_told(operator: Client, name: str):
    answer = start(operator, name=name)
    assert (answer.status_code, answer.json()["type"]) == (422, "unknown-definition")
    assert "api.greet" in answer.json()["detail"]
    assert "<" not in answer.json()["detail"].replace(repr(name), "")
    assert not Workflow.objects.exists()


def test_arguments_that_do_not_fit_are_refused_before_anything_is_stored(operator: Client):
    for wrong in ({"args": []}, {"args": [1, 2, 3]}, {"kwargs": {"nam": 1}}, {"kwargs": {"self": 1}}):
        answer = start(operator, **wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "args"), wrong
    assert not Workflow.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "options", [{"priority": 1}, {"delay": 1}, {"queue": " "}, {"workflow_id": " "}, {"queue": "q", "delay": 1e300}]
)
def test_options_that_make_no_sense_are_refused(operator: Client, options: dict[str, Any]):
    answer = start(operator, **options)
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not Workflow.objects.exists()


def test_arguments_are_plain_json_and_stay_exactly_as_sent(operator: Client, executor: Any):
    args = [2**70, "\ud800", {"$": "datetime", "v": "x"}, {"$": "shop.Order"}, None, True, 1.5, "\0", [[]], {"": ""}]
    pk = start(operator, name="api.anything", args=args, kwargs={"args": 1, "fn": 2}).json()["id"]
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == [args, {"args": 1, "fn": 2}]


def test_a_number_that_json_does_not_have_is_refused(operator: Client):
    body = '{"name": "api.anything", "args": [1e999]}'
    answer = operator.post(LIST, body, content_type="application/json")
    assert (answer.status_code, answer.json()["type"]) == (422, "serialization-error")


def test_an_argument_that_is_too_large_is_refused(operator: Client, settings: Any):
    settings.DURABLE = {"MAX_PAYLOAD_BYTES": 1024}
    answer = start(operator, args=["x" * 2000])
    assert (answer.status_code, answer.json()["type"]) == (413, "payload-too-large")


def test_a_workflow_can_be_cancelled_once(operator: Client):
    start(operator, workflow_id="a/b")
    first, second = operator.post(f"{LIST}/a~2Fb/cancel"), operator.post(f"{LIST}/a~2Fb/cancel")
    assert (first.status_code, first.json()["status"], first.json()["changed"]) == (200, "CANCELLED", True)
    assert (second.status_code, second.json()["status"], second.json()["changed"]) == (200, "CANCELLED", False)


def test_a_cancelled_workflow_can_be_resumed_and_runs_to_its_end(operator: Client, executor: Any):
    start(operator, workflow_id="w-1", queue="orders", delay=3600)
    operator.post(f"{LIST}/w-1/cancel")
    answer = operator.post(f"{LIST}/w-1/resume")
    assert (answer.status_code, answer.json()["changed"]) == (200, True)
    assert durable.retrieve_workflow("w-1").get_result(timeout=20) == "HELLO ADA "
    again = operator.post(f"{LIST}/w-1/resume")
    assert (again.status_code, again.json()["status"], again.json()["changed"]) == (200, "SUCCESS", False)


def test_what_failed_cannot_be_resumed(operator: Client):
    make_workflow("w-1", status="ERROR", failure="ERROR")
    answer = operator.post(f"{LIST}/w-1/resume")
    assert (answer.status_code, answer.json()["type"]) == (409, "not-resumable")


@pytest.mark.parametrize("action", ["cancel", "resume"])
def test_what_does_not_exist_cannot_be_steered_and_nothing_is_noted(operator: Client, action: str):
    answer = operator.post(f"{LIST}/gone/{action}")
    assert (answer.status_code, answer.json()["type"]) == (404, "workflow-not-found")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_only_a_post_acts(operator: Client, method: str):
    start(operator, workflow_id="w-1")
    for action in ("cancel", "resume"):
        assert operator.generic(method, f"{LIST}/w-1/{action}").status_code == 405
    assert Workflow.objects.get().status == "ENQUEUED"


def test_every_action_leaves_a_row_that_says_who_did_what(operator: Client, user_with: Callable[..., Any]):
    start(operator, workflow_id="w-1")
    start(operator, workflow_id="w-1")
    operator.post(f"{LIST}/w-1/cancel")
    operator.post(f"{LIST}/w-1/resume")
    entries = AuditEntry.objects.order_by("id").values_list("action", "target", "actor", "source", "kind")
    assert [entry[0] for entry in entries] == ["start", "start", "cancel", "resume"]
    assert {entry[1:] for entry in entries} == {("w-1", "user-0", "api", "workflow")}
    details = [entry.detail for entry in AuditEntry.objects.order_by("id")]
    assert details[:2] == [{"name": "api.greet", "started": True}, {"name": "api.greet", "started": False}]


def test_an_action_that_cannot_be_noted_does_not_happen(operator: Client, monkeypatch: pytest.MonkeyPatch):
    make_workflow("w-1", status="ENQUEUED", completed_at=None)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the audit table is full")

    monkeypatch.setattr(AuditEntry.objects, "using", broken)
    operator.raise_request_exception = False
    assert start(operator, workflow_id="w-2").status_code == 500
    assert operator.post(f"{LIST}/w-1/cancel").status_code == 500
    assert set(Workflow.objects.values_list("id", "status")) == {("w-1", "ENQUEUED")}


def test_an_operator_who_may_not_look_learns_no_more_than_the_status(client_with: Callable[..., Client]):
    client = client_with("operate_workflow")
    answer = start(client, args=["secret"])
    assert set(answer.json()) == {"id", "url", "status", "changed"}
    assert client.get(answer.json()["url"]).status_code == 403


def test_many_requests_with_one_key_start_one_workflow(operator: Client, client_with: Callable[..., Client]):
    clients = [client_with("operate_workflow") for _ in range(6)]

    def send(client: Client) -> int:
        try:
            return start(client, {"Idempotency-Key": "same"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(send, clients))
    assert set(codes) <= {200, 201}
    assert 201 in codes
    assert Workflow.objects.count() == 1


def test_a_queue_counts_what_is_live_in_it(operator: Client):
    Queue.objects.create(name="orders")
    for n in range(3):
        start(operator, queue="orders", workflow_id=f"w-{n}")
    start(operator, queue="orders", delay=60)
    start(operator)
    operator.post(f"{LIST}/w-0/cancel")
    assert operator.get("/api/v1/queues/orders").json()["live"] == {"ENQUEUED": 2, "DELAYED": 1, "PENDING": 0}
