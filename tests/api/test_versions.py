"""Versions: which there are, which is the latest, and what is moved to one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from durable.conf import conf
from durable.models import AuditEntry, Version, Workflow

from .conftest import NOON, make_executor, make_workflow

VERSIONS = "/api/v1/versions"
LIVE = {"status": "ENQUEUED", "completed_at": None, "run_after": NOON}


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_version", "view_version")


@pytest.fixture
def three(database: str) -> None:
    for n in (1, 2, 3):
        promoted = NOON + timedelta(hours=n)
        Version.objects.create(application=conf().APPLICATION_NAME, name=f"v{n}", promoted_at=promoted)
    Version.objects.create(application="another", name="v9")


def move(client: Client, version: str, query: str = "", **body: Any) -> Any:
    return client.post(f"{VERSIONS}/{version}/move{query}", body, "application/json")


def test_versions_say_who_runs_them_and_what_waits_for_them(operator: Client, three: None):
    make_executor("e-1", version="v3")
    make_executor("e-2", version="v2", lease_until=NOON)
    make_executor("e-3", version="v3", draining=True)
    for pk, version, columns in (("a", "v1", LIVE), ("b", "v1", LIVE), ("c", "v1", {}), ("d", None, LIVE)):
        make_workflow(pk, version=version, **columns)
    rows = operator.get(VERSIONS).json()["results"]
    assert [(row["name"], row["latest"], row["executors"], row["live"]) for row in rows] == [
        ("v3", True, 1, 0),
        ("v2", False, 0, 0),
        ("v1", False, 0, 2),
    ]


def test_a_version_is_promoted(operator: Client, three: None):
    answer = operator.post(f"{VERSIONS}/v1/promote")
    assert (answer.status_code, answer.json()["latest"]) == (200, True)
    assert [row["name"] for row in operator.get(VERSIONS).json()["results"]] == ["v1", "v3", "v2"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.kind, entry.target) == ("promote", "version", "v1")


def test_workflows_are_moved_after_a_rehearsal(operator: Client, three: None):
    for n in range(3):
        make_workflow(f"w-{n}", version="v1", created_at=NOON + timedelta(minutes=n), **LIVE)
    make_workflow("there", version="v3", **LIVE)
    make_workflow("none", **LIVE)
    make_workflow("done", version="v1")
    chosen = {"filter": {"name": "shop.checkout"}}
    rehearsal = move(operator, "v3", dry_run=True, **chosen).json()
    assert (rehearsal["count"], rehearsal["changed"]) == (4, 0)
    assert {result["id"] for result in rehearsal["results"]} == {"w-0", "w-1", "w-2", "none"}
    assert not AuditEntry.objects.exists()
    first = move(operator, "v3", "?limit=2", **chosen).json()
    assert (first["changed"], first["cursor"] is None) == (2, False)
    second = move(operator, "v3", f"?limit=2&cursor={first['cursor']}", **chosen).json()
    assert (second["changed"], second["cursor"]) == (2, None)
    assert set(Workflow.objects.filter(version="v3").values_list("id", flat=True)) == {
        "w-0",
        "w-1",
        "w-2",
        "none",
        "there",
    }
    assert {(e.action, e.kind, e.detail["version"]) for e in AuditEntry.objects.all()} == {("move", "workflow", "v3")}


def test_what_has_ended_is_left_where_it_is(operator: Client, three: None):
    make_workflow("done", version="v1")
    [result] = move(operator, "v3", ids=["done"]).json()["results"]
    assert (result["changed"], result["problem"]) == (False, None)
    assert Workflow.objects.get().version == "v1"


def test_a_version_of_one_definition_that_an_executor_tells_of_is_known_too(operator: Client, three: None):
    make_executor("e-1", definitions={"shop.checkout": "abc123"})
    make_workflow("w-1", version="old", **LIVE)
    assert move(operator, "abc123", ids=["w-1"]).json()["changed"] == 1
    assert Workflow.objects.get().version == "abc123"


@pytest.mark.parametrize("name", ["gone", "v9", "v3 ", "é", "x" * 1000])
def test_a_version_that_nobody_has_run_is_a_problem(operator: Client, three: None, name: str):
    make_workflow("w-1", version="v1", **LIVE)
    for answer in (operator.post(f"{VERSIONS}/{name}/promote"), move(operator, name, ids=["w-1"])):
        assert (answer.status_code, answer.json()["type"]) == (404, "version-not-found")
        assert "v3" in answer.json()["detail"]
    assert Workflow.objects.get().version == "v1"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [{}, {"ids": []}, {"filter": {}}, {"filter": {"stauts": "x"}}, {"ids": ["w-1"], "action": "cancel"}, {"ids": [7]}],
)
def test_a_move_of_nobody_in_particular_is_refused(operator: Client, three: None, body: dict[str, Any]):
    make_workflow("w-1", version="v1", **LIVE)
    assert move(operator, "v3", **body).status_code == 400
    assert move(operator, "v3", ids=["gone"]).status_code == 404
    assert Workflow.objects.get().version == "v1"


def test_changing_versions_takes_their_permission(client_with: Callable[..., Client], three: None):
    make_workflow("w-1", version="v1", **LIVE)
    client = client_with("view_workflow", "view_version", "operate_workflow", "operate_queue", "operate_schedule")
    assert client.get(VERSIONS).status_code == 200
    assert client.post(f"{VERSIONS}/v1/promote").status_code == 403
    assert move(client, "v3", ids=["w-1"]).status_code == 403
    assert Workflow.objects.get().version == "v1"
