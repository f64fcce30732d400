"""Queues: what is declared, what an operator set instead, and what is in force."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

import durable
from durable.models import INTERNAL_QUEUE, AuditEntry, Queue

from ..support import wait_until
from .conftest import make_workflow

QUEUES = "/api/v1/queues"


@durable.workflow(name="api.brief")
def brief() -> str:
    return "done"


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_queue", "view_queue")


@pytest.fixture
def orders(database: str) -> Queue:
    return durable.register_queue("orders/eu", concurrency=10, limiter={"limit": 50, "period": 30})


def patch(client: Client, name: str, body: Any) -> Any:
    return client.patch(f"{QUEUES}/{name}", body, "application/json")


def noted() -> list[tuple[str, str, str, dict[str, Any]]]:
    return [(e.action, e.kind, e.target, e.detail) for e in AuditEntry.objects.order_by("id")]


def test_a_limit_is_overridden_and_put_back(operator: Client, orders: Queue):
    answer = patch(operator, "orders~2Feu", {"concurrency": 2, "limiter": None, "worker_concurrency": 1})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["concurrency"], shown["worker_concurrency"], shown["rate_limit"]) == (2, 1, None)
    assert (shown["declared"]["concurrency"], shown["declared"]["rate_limit"]) == (10, 50)
    assert shown["override"] == {"concurrency": 2, "worker_concurrency": 1, "rate_limit": None, "rate_period": None}
    patch(operator, "orders~2Feu", {"limiter": {"limit": 5, "period": 1.5}})
    assert operator.get(f"{QUEUES}/orders~2Feu").json()["rate_period"] == 1.5
    cleared = operator.delete(f"{QUEUES}/orders~2Feu/override").json()
    assert (cleared["concurrency"], cleared["rate_limit"], cleared["override"]) == (10, 50, {})
    assert [entry[:3] for entry in noted()] == [
        ("limits", "queue", "orders/eu"),
        ("limits", "queue", "orders/eu"),
        ("clear_limits", "queue", "orders/eu"),
    ]
    assert noted()[0][3] == {"limits": {"concurrency": 2, "limiter": None, "worker_concurrency": 1}}


def test_a_paused_queue_starts_nothing_until_it_is_resumed(operator: Client, executor: Any):
    durable.register_queue("held")
    assert operator.post(f"{QUEUES}/held/pause").json()["paused"] is True
    wait_until(lambda: "held" in executor.claimer.limits and executor.claimer.limits["held"].paused)
    handle = brief.using(queue="held").start()
    other = brief.start()
    assert other.get_result(timeout=20) == "done"
    assert handle.get_status().status == "ENQUEUED"
    assert operator.post(f"{QUEUES}/held/resume").json()["paused"] is False
    assert handle.get_result(timeout=20) == "done"
    assert [entry[0] for entry in noted()] == ["pause", "resume"]


def test_a_queue_that_is_created_is_served(operator: Client, executor: Any):
    body = {"name": "new/one", "concurrency": 3, "limiter": {"limit": 9, "period": 60}, "priority_enabled": False}
    answer = operator.post(QUEUES, body, "application/json")
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["concurrency"], shown["rate_limit"], shown["priority_enabled"]) == (3, 9, False)
    assert answer.headers["Location"] == shown["url"] == f"{QUEUES}/new~2Fone"
    assert brief.using(queue="new/one").start().get_result(timeout=20) == "done"
    assert operator.post(QUEUES, body, "application/json").status_code == 200
    other = operator.post(QUEUES, {**body, "concurrency": 4}, "application/json")
    assert (other.status_code, other.json()["type"]) == (409, "conflict")
    assert Queue.objects.get(name="new/one").concurrency == 3
    assert [entry[0] for entry in noted()] == ["register", "register"]


def test_a_partitioned_queue_limits_each_partition(operator: Client):
    body = {"name": "tenants", "partition_queue": True, "concurrency": 2}
    shown = operator.post(QUEUES, body, "application/json").json()
    assert (shown["partitioned"], shown["partition_concurrency"], shown["concurrency"]) == (True, 2, None)


def test_a_queue_that_is_empty_can_be_deleted(operator: Client, orders: Queue):
    make_workflow("w-1", queue="orders/eu", status="ENQUEUED", completed_at=None, run_after="2026-11-20T12:00:00Z")
    answer = operator.delete(f"{QUEUES}/orders~2Feu")
    assert (answer.status_code, "1 live workflow" in answer.json()["detail"]) == (422, True)
    durable.cancel_workflow("w-1")
    assert operator.delete(f"{QUEUES}/orders~2Feu").status_code == 204
    assert not Queue.objects.exists()
    assert [entry[:3] for entry in noted()] == [("delete", "queue", "orders/eu")]


ROUTES = [("PATCH", ""), ("DELETE", ""), ("DELETE", "/override"), ("POST", "/pause"), ("POST", "/resume")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_queue_that_does_not_exist_cannot_be_changed(operator: Client, orders: Queue, method: str, path: str):
    Queue.objects.create(name=INTERNAL_QUEUE)
    for name in ("gone", INTERNAL_QUEUE):
        answer = operator.generic(method, f"{QUEUES}/{name}{path}", '{"concurrency": 1}', "application/json")
        assert (answer.status_code, answer.json()["type"]) == (404, "queue-not-found")
        assert "orders/eu" in answer.json()["detail"]
        assert f"Known: {INTERNAL_QUEUE}" not in answer.json()["detail"]
    assert not AuditEntry.objects.exists()
    assert Queue.objects.get(name=INTERNAL_QUEUE).paused is False


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_changing_a_queue_takes_the_permission_for_queues(
    client_with: Callable[..., Client], orders: Queue, method: str, path: str
):
    client = client_with("view_workflow", "view_queue", "operate_workflow", "operate_schedule", "change_queue")
    answer = client.generic(method, f"{QUEUES}/orders~2Feu{path}", '{"concurrency": 1}', "application/json")
    assert answer.status_code == 403
    assert client.post(QUEUES, {"name": "x"}, "application/json").status_code == 403
    assert Queue.objects.count() == 1


def test_who_may_look_at_queues_alone_sees_nothing_else(client_with: Callable[..., Client], orders: Queue):
    client = client_with("view_queue")
    assert client.get(f"{QUEUES}/orders~2Feu").status_code == 200
    for path in ("workflows", "executors", "schedules", "versions"):
        assert client.get(f"/api/v1/{path}").status_code == 403
    assert client.get("/api/v1/schema").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {}, {"concurrency": 0}, {"concurrency": -1}, {"concurrency": "2"}, {"concurrency": True},
        {"concurrency": 1.5}, {"concurrency": 2**31}, {"concurency": 1}, {"limiter": {}}, {"limiter": {"limit": 1}},
        {"limiter": {"limit": 0, "period": 1}}, {"limiter": {"limit": 1, "period": 0}},
        {"limiter": {"limit": 1, "period": -1}}, {"limiter": {"limit": 1, "period": 1e999}},
        {"limiter": {"limit": 1, "period": 1, "x": 1}}, {"limiter": [1, 2]}, {"limiter": "50/30"}, {"paused": True},
        {"name": "x"}, {"partition_queue": True}, {"concurrency": 1, "worker_concurrency": 2},
        {"worker_concurrency": 11}, [], "x", None,
    ],
)  # fmt: skip
def test_a_limit_that_is_none_changes_nothing(operator: Client, orders: Queue, body: Any):
    answer = patch(operator, "orders~2Feu", body)
    assert answer.status_code in (400, 422), answer.content
    assert Queue.objects.get().override == {}
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": " "}, {"name": 7}, {"name": "a\0"}, {"name": "\ud800"}, {"name": "x" * 1025},
        {"name": "_durable"}, {"name": "_durable_x"}, {"name": "q", "concurrency": 0}, {"name": "q", "nonsense": 1},
        {"name": "q", "concurrency": 1, "worker_concurrency": 2}, {"name": "q", "partition_queue": "yes"},
    ],
)  # fmt: skip
def test_a_queue_that_cannot_be_is_not_created(operator: Client, body: Any):
    answer = operator.post(QUEUES, body, "application/json")
    assert answer.status_code in (400, 422), answer.content
    assert not Queue.objects.exists()


def test_a_limit_that_is_changed_reaches_running_executors(operator: Client, executor: Any):
    durable.register_queue("narrow", concurrency=1)
    held = durable.start_workflow(gate.using(queue="narrow", workflow_id="g-1"))
    waiting = durable.start_workflow(gate.using(queue="narrow", workflow_id="g-2"))
    wait_until(lambda: held.get_status().started_at)
    assert waiting.get_status().status == "ENQUEUED"
    patch(operator, "narrow", {"concurrency": 2})
    wait_until(lambda: waiting.get_status().started_at)
    for handle in (held, waiting):
        durable.send(handle.workflow_id, "open")
        assert handle.get_result(timeout=20) == "open"


@durable.workflow(name="api.gate")
def gate() -> Any:
    return durable.recv(timeout_seconds=60)
