"""Every refusal is a problem (RFC 9457)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

from api.errors import problem_of
from durable import errors
from durable.models import Queue, Workflow

from .conftest import RIGHTS, make_workflow

LIST = "/api/v1/workflows"


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (errors.WorkflowNotFound(workflow_id="w"), "workflow-not-found", 404),
        (errors.WorkflowConflict(workflow_id="w", existing="a", wanted="b"), "workflow-conflict", 409),
        (errors.NotResumable(workflow_id="w", status="SUCCESS", reason="it ended."), "not-resumable", 409),
        (errors.QueueDeduplicated(queue="q", dedup_id="d"), "queue-deduplicated", 409),
        (errors.PayloadTooLarge(size=9, limit=8), "payload-too-large", 413),
        (errors.UnknownDefinition(name="x", known="shop.checkout"), "unknown-definition", 422),
        (errors.InvalidOption(option="delay", value=-1, hint="not negative"), "invalid-option", 422),
        (errors.SerializationError(type="set", path="$", hint="no"), "serialization-error", 422),
        (errors.DatabaseAway(alias="default", reason="no route to db.internal"), "database-away", 503),
        (OperationalError("no route to db.internal"), "database-away", 503),
    ],
)
def test_each_error_of_the_engine_has_its_problem(error: Exception, kind: str, status: int):
    problem = problem_of(error)
    assert problem is not None
    assert (problem["type"], problem["status"]) == (kind, status)
    assert problem["title"] and problem["detail"]
    assert "db.internal" not in problem["detail"]


def test_a_bug_is_no_problem_but_stays_an_exception():
    assert problem_of(KeyError("x")) is None
    assert problem_of(errors.LeaseLost(seconds=3)) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_does_not_exist_is_a_problem(viewer: Client, method: str):
    make_workflow("w-1")
    for path in (LIST, f"{LIST}/w-1/steps", "/api/v1/queues", "/api/v1/healthz"):
        answer = viewer.generic(method, path)
        assert answer.status_code == 405
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["", "nowhere", "workflows/", "queues/gone", "nowhere/" + "x" * 2000, "a\nb", "%ff%fe", "docs/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_does_not_exist_is_a_problem(viewer: Client, path: str, method: str):
    answer = viewer.generic(method, f"/api/v1/{path}")
    assert answer.status_code == (405 if (path, method) == ("queues/gone", "POST") else 404)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "null", "[]", '"x"', "[" * 100_000, b"\xff", '{"name": NaN}', '{"name": 1}',
        '{"name": null}', '{"name": ""}',
        '{"name": "x", "args": {}}', '{"name": "x", "args": null}', '{"name": "x", "kwargs": []}',
        '{"name": "\\u0000"}',
        '{"name": "x", "priority": "1"}', '{"name": "x", "priority": true}', '{"name": "x", "priority": 1e99}',
        '{"name": "x", "priority": 9999999999999999999999}', '{"name": "x", "delay": -1}',
        '{"name": "x", "delay": 1e999}',
        '{"name": "x", "workflow_id": 7}', '{"name": "x", "workflow_id": "\\ud800"}', '{"name": "x", "que": "orders"}',
        '{"name": "x", "workflow_id": "' + "x" * 1025 + '"}', '{"name": "x", "attributes": []}',
        '{"name": "' + "9" * 5000,
    ],
)  # fmt: skip
def test_a_body_that_is_wrong_is_a_problem(client_with: Callable[..., Client], body: Any):
    answer = client_with(*RIGHTS).post(LIST, body, content_type="application/json")
    assert answer.status_code in (400, 422), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not Workflow.objects.exists()


def test_a_wrong_field_is_named(client_with: Callable[..., Client]):
    body = {"name": "x", "priority": 0, "que": "orders"}
    problem = client_with(*RIGHTS).post(LIST, body, content_type="application/json").json()
    assert [error["field"] for error in problem["errors"]] == ["que"]
    problem = client_with(*RIGHTS).post(LIST, {"priority": 0}, content_type="application/json").json()
    assert [error["field"] for error in problem["errors"]] == ["name", "priority"]


def test_a_body_that_is_too_large_is_not_even_parsed(client_with: Callable[..., Client], settings: Any):
    settings.DURABLE = {"MAX_PAYLOAD_BYTES": 1024}
    answer = client_with(*RIGHTS).post(LIST, "[" * 2000, content_type="application/json")
    assert (answer.status_code, answer.json()["type"]) == (413, "payload-too-large")


def test_a_database_that_does_not_answer_is_a_problem_that_says_nothing_of_the_network(
    viewer: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("connection to 10.0.0.7 as durable failed")

    monkeypatch.setattr(Queue.objects, "using", away)
    answer = viewer.get("/api/v1/queues")
    assert (answer.status_code, answer.json()["type"], answer.headers["Retry-After"]) == (503, "database-away", "2")
    assert b"10.0.0.7" not in answer.content
    assert "10.0.0.7" in caplog.text


def test_the_probe_says_whether_the_database_answers(database: str, monkeypatch: pytest.MonkeyPatch):
    answer = Client().get("/api/v1/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("connection to 10.0.0.7 as durable failed")

    monkeypatch.setattr(Queue.objects, "using", away)
    answer = Client(headers={"authorization": "Token nonsense"}).get("/api/v1/healthz")
    assert (answer.status_code, answer.json()["type"]) == (503, "database-away")
    assert b"10.0.0.7" not in answer.content


class Never(BaseThrottle):
    """Lets nobody through for a minute."""

    def allow_request(self, request: Any, view: Any) -> bool:
        return False

    def wait(self) -> float:
        return 60


def test_a_throttle_of_the_settings_answers_when_to_come_back(viewer: Client, settings: Any):
    settings.DURABLE = {"API": {"THROTTLE_CLASSES": ["tests.api.test_problems.Never"]}}
    answer = viewer.get(LIST)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert answer.json()["type"] == Throttled.default_code
