"""Acting on many workflows: by id or by filter, a page at a time, with a rehearsal first."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from durable.models import AuditEntry, Workflow

from .conftest import NOON, make_workflow

BULK = "/api/v1/bulk"
LIVE = {"status": "PENDING", "completed_at": None, "run_after": NOON}
CANCELLED = {"status": "CANCELLED", "failure": "CANCELLED"}
FAILED = {"status": "ERROR", "failure": "ERROR"}


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_workflow", "view_workflow")


def act(client: Client, action: str, path: str = BULK, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(path, {"action": action, **body}, "application/json", headers=headers)


def with_status(status: str) -> set[str]:
    return set(Workflow.objects.filter(status=status).values_list("id", flat=True))


def test_those_that_are_named_are_cancelled(operator: Client):
    for n in range(3):
        make_workflow(f"w-{n}", **LIVE)
    make_workflow("done")
    report = act(operator, "cancel", ids=["w-2", "done", "w-0"]).json()
    assert [(r["id"], r["changed"], r["problem"]) for r in report["results"]] == [
        ("w-2", True, None),
        ("done", False, None),
        ("w-0", True, None),
    ]
    assert (report["count"], report["changed"], report["cursor"], report["dry_run"]) == (3, 2, None, False)
    assert with_status("CANCELLED") == {"w-0", "w-2"}
    entries = AuditEntry.objects.order_by("id")
    assert [(e.action, e.target, e.detail["changed"]) for e in entries] == [
        ("cancel", "w-2", True),
        ("cancel", "done", False),
        ("cancel", "w-0", True),
    ]


def test_a_rehearsal_says_which_and_changes_nothing(operator: Client):
    for n in range(5):
        make_workflow(f"w-{n}", queue="orders", created_at=NOON + timedelta(minutes=n), **LIVE)
    make_workflow("other", **LIVE)
    report = act(operator, "cancel", f"{BULK}?limit=2", filter={"queue": "orders"}, dry_run=True).json()
    assert (report["count"], report["changed"], report["dry_run"]) == (5, 0, True)
    assert [r["id"] for r in report["results"]] == ["w-4", "w-3"]
    assert not with_status("CANCELLED")
    assert not AuditEntry.objects.exists()
    assert act(operator, "cancel", ids=["w-1"], dry_run=True).json()["count"] == 1
    assert not with_status("CANCELLED")


def test_a_filter_is_worked_off_page_by_page(operator: Client):
    for n in range(7):
        make_workflow(f"w-{n}", created_at=NOON + timedelta(minutes=n), **LIVE)
    seen, cursor = [], ""
    while cursor is not None:
        path = f"{BULK}?limit=3" + (f"&cursor={cursor}" if cursor else "")
        report = act(operator, "cancel", path, filter={"name": "shop.*"}).json()
        seen += [result["id"] for result in report["results"]]
        cursor = report["cursor"]
    assert seen == [f"w-{n}" for n in reversed(range(7))]
    assert len(with_status("CANCELLED")) == 7


def test_a_filter_finds_only_those_for_which_the_action_is(operator: Client):
    make_workflow("live", **LIVE)
    make_workflow("done")
    make_workflow("cancelled", **CANCELLED)
    make_workflow("failed", **FAILED)
    for action, expected in (
        ("cancel", {"live"}),
        ("resume", {"cancelled"}),
        ("rewind", {"done", "cancelled", "failed"}),
        ("delete", {"done", "cancelled", "failed"}),
        ("restart", {"live", "done", "cancelled", "failed"}),
    ):
        report = act(operator, action, filter={"name": "shop.checkout"}, dry_run=True).json()
        assert {result["id"] for result in report["results"]} == expected, action


def test_each_action_does_what_it_says(operator: Client):
    for name, columns in (("resume", CANCELLED), ("rewind", FAILED), ("delete", {}), ("restart", {})):
        make_workflow(name, name=name, **columns)
        make_workflow(f"{name}-child", name="child", parent=name)
    resumed = act(operator, "resume", filter={"name": "resume"}, queue="slow").json()
    assert resumed["changed"] == 1
    assert list(Workflow.objects.filter(id="resume").values_list("status", "queue")) == [("ENQUEUED", "slow")]
    rewound = act(operator, "rewind", filter={"name": "rewind"}, queue="slow", version="v2", start_step=1).json()
    assert rewound["changed"] == 1
    assert list(Workflow.objects.filter(id="rewind").values_list("status", "version")) == [("ENQUEUED", "v2")]
    assert act(operator, "delete", filter={"name": "delete"}, children=True).json()["changed"] == 1
    assert not Workflow.objects.filter(id__startswith="delete").exists()
    [restarted] = act(operator, "restart", filter={"name": "restart"}).json()["results"]
    assert Workflow.objects.get(id=restarted["workflow"]).forked_from == "restart"


def test_one_that_cannot_be_done_says_why_and_keeps_no_other_from_it(operator: Client):
    make_workflow("failed", **FAILED)
    make_workflow("cancelled", **CANCELLED)
    report = act(operator, "resume", ids=["failed", "cancelled"]).json()
    assert [(r["changed"], r["problem"] is None) for r in report["results"]] == [(False, False), (True, True)]
    assert "recorded" in report["results"][0]["problem"]
    assert [entry.target for entry in AuditEntry.objects.all()] == ["cancelled"]


def test_an_id_that_does_not_exist_stops_all_before_anything_changes(operator: Client):
    make_workflow("w-1", **LIVE)
    answer = act(operator, "cancel", ids=["w-1", "gone"])
    assert (answer.status_code, answer.json()["type"]) == (404, "workflow-not-found")
    assert "'gone'" in answer.json()["detail"]
    assert not with_status("CANCELLED")


def test_a_restart_that_is_sent_again_with_its_key_forks_none_twice(operator: Client):
    for n in range(3):
        make_workflow(f"w-{n}")
    body = {"ids": ["w-0", "w-1", "w-2"], "headers": {"Idempotency-Key": "k"}}
    first, second = act(operator, "restart", **body).json(), act(operator, "restart", **body).json()
    assert [(r["workflow"], r["changed"]) for r in first["results"]] == [(f"k:w-{n}", True) for n in range(3)]
    assert [(r["workflow"], r["changed"]) for r in second["results"]] == [(f"k:w-{n}", False) for n in range(3)]
    assert Workflow.objects.count() == 6


def test_a_filter_takes_each_criterion_of_the_list(operator: Client):
    make_workflow("w-1", attributes={"region": "eu"}, schedule="nightly", forked_from="w-0", **FAILED, error_type="E")
    make_workflow("w-2", authenticated_user="ada", parent="p", **FAILED)
    for chosen, expected in (
        ({"attributes": {"region": "eu"}}, {"w-1"}),
        ({"attributes": "region=eu"}, {"w-1"}),
        ({"schedule": "nightly", "is_fork": True}, {"w-1"}),
        ({"error_type": ["E", "F"]}, {"w-1"}),
        ({"user": "ada"}, {"w-2"}),
        ({"has_parent": 1 == 1, "status": ["ERROR", "SUCCESS"]}, {"w-2"}),
        ({"id_prefix": "w-", "created_after": "2026-11-20T00:00:00Z"}, {"w-1", "w-2"}),
        ({"q": "status:failed user:ada"}, {"w-2"}),
        ({"q": "status:failed", "ids": ["w-1"]}, {"w-1"}),
    ):
        report = act(operator, "delete", filter=chosen, dry_run=True)
        assert report.status_code == 200, report.content
        assert {result["id"] for result in report.json()["results"]} == expected, chosen


@pytest.mark.parametrize(
    "body",
    [
        {}, {"ids": []}, {"filter": {}}, {"ids": ["w-1"], "filter": {"name": "x"}}, {"ids": "w-1"}, {"ids": [1]},
        {"ids": ["w-1", "w-1"]}, {"ids": ["a\0"]}, {"ids": ["\ud800"]}, {"ids": [f"w-{n}" for n in range(501)]},
        {"filter": []}, {"filter": "status:failed"}, {"filter": {"stauts": "ERROR"}}, {"filter": {"cls": 1}},
        {"filter": {"self": 1}}, {"filter": {"": 1}}, {"filter": {"status": None}}, {"filter": {"status": "BROKEN"}},
        {"filter": {"status": []}}, {"filter": {"status": {"a": 1}}}, {"filter": {"status": [["ERROR"]]}},
        {"filter": {"name": 7}}, {"filter": {"name": ""}}, {"filter": {"name": " "}}, {"filter": {"created_after": 5}},
        {"filter": {"created_after": "soon"}}, {"filter": {"is_fork": "maybe"}}, {"filter": {"is_fork": None}},
        {"filter": {"attributes": 7}}, {"filter": {"attributes": "x"}}, {"filter": {"attributes": {"a": [1]}}},
        {"filter": {"attributes": {"a": 1e999}}}, {"filter": {"q": 7}}, {"filter": {"q": ""}}, {"filter": {"q": " "}},
        {"filter": {"q": "stauts:failed"}}, {"filter": {"name": "a\0"}}, {"filter": {"name": "\ud800"}},
        {"filter": {"name": "x", "queue": None}}, {"filter": {"ids": [str(n) for n in range(1001)]}},
        {"ids": ["w-1"], "dry_run": "yes"}, {"ids": ["w-1"], "queue": "q"}, {"ids": ["w-1"], "start_step": 1},
        {"ids": ["w-1"], "limit": 1}, {"filter": {"queues_only": False}, "ids": ["w-1"]},
    ],
)  # fmt: skip
def test_who_is_not_clearly_meant_is_left_alone(operator: Client, body: dict[str, Any]):
    make_workflow("w-1", **LIVE)
    answer = act(operator, "cancel", **body)
    assert answer.status_code == 400, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not with_status("CANCELLED")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("action", ["", "explode", None, 7, ["cancel"], "_cancel", "CANCEL"])
def test_only_known_actions_are_done(operator: Client, action: Any):
    make_workflow("w-1")
    answer = act(operator, action, ids=["w-1"])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "action")


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "cursor=x", "status=ERROR"])
def test_a_page_that_is_none_is_refused(operator: Client, query: str):
    make_workflow("w-1", **LIVE)
    assert act(operator, "cancel", f"{BULK}?{query}", filter={"name": "shop.checkout"}).status_code == 400
    assert act(operator, "cancel", f"{BULK}?{query}", ids=["w-1"]).status_code == 400
    assert not with_status("CANCELLED")


def test_who_may_only_look_may_not_act_on_many(viewer: Client):
    make_workflow("w-1", **LIVE)
    assert act(viewer, "cancel", ids=["w-1"]).status_code == 403
    assert act(viewer, "cancel", ids=["w-1"], dry_run=True).status_code == 403
