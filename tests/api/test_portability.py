"""Out of one database and into another, with the whole history."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

import durable
from durable.models import AuditEntry, Workflow

from .conftest import make_step, make_workflow

LIST = "/api/v1/workflows"


@durable.step(name="api.first")
def first() -> str:
    return "one"


@durable.workflow(name="api.travels")
def travels() -> list[Any]:
    return [first(), durable.recv("go", timeout_seconds=60)]


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_workflow", "view_workflow", "view_payload")


def put_in(client: Client, document: Any, **headers: str) -> Any:
    return client.post("/api/v1/import", document, "application/json", headers=headers)


def exported(client: Client, path: str) -> dict[str, Any]:
    answer = client.get(f"{LIST}/{path}/export")
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def test_an_exported_workflow_is_imported_and_goes_on_to_its_end(operator: Client, executor: Any):
    handle = travels.using(workflow_id="w/1").start()
    durable.cancel_workflow("w/1")
    document = exported(operator, "w~2F1")
    assert document["workflows"][0]["workflow"]["id"] == "w/1"
    operator.delete(f"{LIST}/w~2F1")
    answer = put_in(operator, document)
    assert answer.status_code == 201
    assert answer.json() == {"id": "w/1", "url": f"{LIST}/w~2F1", "status": "CANCELLED", "changed": True}
    durable.resume_workflow("w/1")
    durable.send("w/1", "now", "go")
    assert handle.get_result(timeout=20) == ["one", "now"]
    assert [(e.action, e.target) for e in AuditEntry.objects.order_by("id")] == [("delete", "w/1"), ("import", "w/1")]


def test_an_export_takes_the_children_along_when_asked_to(operator: Client):
    make_workflow("top")
    make_workflow("child", parent="top")
    assert len(exported(operator, "top")["workflows"]) == 1
    answer = operator.get(f"{LIST}/top/export?children=1").json()
    assert [part["workflow"]["id"] for part in answer["workflows"]] == ["top", "child"]
    assert operator.get(f"{LIST}/top/export?limit=1").status_code == 400


def test_an_export_takes_the_permission_to_see_payloads(client_with: Callable[..., Client]):
    make_workflow("w-1", input='{"args": ["secret"], "kwargs": {}}')
    for rights in (("view_workflow", "operate_workflow"), ("view_payload",)):
        answer = client_with(*rights).get(f"{LIST}/w-1/export")
        assert answer.status_code == 403
        assert b"secret" not in answer.content
    assert b"secret" in client_with("view_workflow", "view_payload").get(f"{LIST}/w-1/export").content


def test_an_import_takes_the_permission_to_operate(operator: Client, viewer: Client):
    make_workflow("w-1", input='{"args": [], "kwargs": {}}')
    document = exported(operator, "w-1")
    Workflow.objects.all().delete()
    assert put_in(viewer, document).status_code == 403
    assert not Workflow.objects.exists()


def test_a_workflow_that_exists_is_not_imported_again_except_as_the_same_request(operator: Client):
    make_workflow("w-1", epoch=1, input='{"args": [], "kwargs": {}}')
    make_step("w-1", 1, output="1")
    document = exported(operator, "w-1")
    assert put_in(operator, document).json()["type"] == "workflow-conflict"
    assert put_in(operator, document, **{"Idempotency-Key": "k"}).status_code == 409
    operator.delete(f"{LIST}/w-1")
    answers = [put_in(operator, document, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["changed"]) for answer in answers] == [(201, True), (200, False)]
    assert put_in(operator, document, **{"Idempotency-Key": "other"}).status_code == 409
    assert put_in(operator, document).status_code == 409
    assert AuditEntry.objects.filter(action="import").count() == 1


HOSTILE: list[Any] = [
    {}, [], "x", 7, None, {"format": "durable.workflow"}, {"format": "durable.workflow", "version": 2, "workflows": []},
    {"format": "durable.workflow", "version": 1, "workflows": []},
    {"format": "durable.workflow", "version": 1, "workflows": [None]},
    {"format": "durable.workflow", "version": 1, "workflows": [{"workflow": {"id": {"a": 1}}}]},
    {"format": "durable.workflow", "version": 1, "workflows": [{"workflow": {"id": "x" * 9000}}]},
    {"format": "durable.workflow", "version": 1, "workflows": {"0": 1}},
]  # fmt: skip


@pytest.mark.parametrize("document", HOSTILE)
def test_a_document_that_is_none_is_refused_and_nothing_is_stored(operator: Client, document: Any):
    answer = put_in(operator, json.dumps(document))
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-document"), answer.content
    assert not Workflow.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "a\0b"), ("id", "\ud800"), ("id", ""), ("status", "BROKEN"), ("epoch", "1"), ("epoch", 2**40),
        ("created_at", "9999-12-31T23:59:59-12:00"), ("created_at", 5), ("priority", 1e999), ("attributes", [1]),
        ("serialization", "os.system"), ("input", "{"), ("input", 7), ("queue", " "), ("nonsense", 1), ("name", None),
    ],
)  # fmt: skip
def test_a_value_that_no_row_may_have_is_refused(operator: Client, column: str, value: Any):
    make_workflow("w-1", input='{"args": [], "kwargs": {}}')
    document = copy.deepcopy(exported(operator, "w-1"))
    document["workflows"][0]["workflow"][column] = value
    Workflow.objects.all().delete()
    answer = put_in(operator, json.dumps(document))
    assert answer.status_code in (400, 422), answer.content
    assert not Workflow.objects.exists()
