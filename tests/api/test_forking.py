"""Forks, restarts and rewinds, followed to their end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

import durable
from durable.models import AuditEntry, Workflow

from .conftest import NOON, make_step, make_workflow

LIST = "/api/v1/workflows"
KEY = "Idempotency-Key"


@durable.step(name="api.price")
def price(item: str) -> dict[str, Any]:
    return {"item": item, "price": 10}


@durable.step(name="api.charge")
def charge(priced: dict[str, Any]) -> str:
    if priced["price"] > 50:
        raise ValueError(f"{priced['price']} is too much")
    return f"{priced['item']} for {priced['price']}"


@durable.workflow(name="api.sell")
def sell(item: str) -> str:
    return charge(price(item))


@pytest.fixture
def operator(client_with: Callable[..., Client]) -> Client:
    return client_with("operate_workflow", "view_workflow", "view_payload")


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"{LIST}/{path}", body or {}, "application/json", headers=headers)


def sold(pk: str = "w/1", item: str = "tea") -> str:
    """A workflow that has run to its end."""
    assert sell.using(workflow_id=pk).start(item).get_result(timeout=20)
    return pk


def names(*, of: str) -> list[str]:
    return [entry.action for entry in AuditEntry.objects.filter(target=of).order_by("id")]


def test_a_fork_keeps_the_steps_before_and_runs_the_others_again(operator: Client, executor: Any):
    sold()
    answer = post(
        operator, "w~2F1/fork", {"start_step": 2, "workflow_id": "f/1", "outputs": {"1": {"item": "milk", "price": 3}}}
    )
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["changed"]) == ("f/1", True)
    assert answer.headers["Location"] == f"{LIST}/f~2F1"
    assert durable.retrieve_workflow("f/1").get_result(timeout=20) == "milk for 3"
    fork = operator.get(f"{LIST}/f~2F1").json()
    assert (fork["forked_from"], fork["input"]) == ("w/1", {"args": ["tea"], "kwargs": {}})
    assert operator.get(f"{LIST}/w~2F1").json()["was_forked_from"] is True
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("fork", "w/1")
    assert entry.detail == {"fork": "f/1", "start_step": 2, "outputs": [1]}


def test_a_fork_takes_a_version_a_queue_and_a_timeout(operator: Client):
    make_workflow("w-1")
    body = {"version": "v2", "queue": "slow", "partition_key": "p", "timeout": 7.5}
    fork = post(operator, "w-1/fork", body).json()["id"]
    shown = operator.get(f"{LIST}/{fork}").json()
    assert {name: shown[name] for name in body} == body
    assert shown["status"] == "ENQUEUED"


def test_children_of_kept_steps_are_replaced(operator: Client):
    for pk in ("w-1", "old", "new"):
        make_workflow(pk)
    make_step("w-1", 1, kind="child", child="old")
    fork = post(operator, "w-1/fork", {"start_step": 2, "replacement_children": {"old": "new"}}).json()["id"]
    assert operator.get(f"{LIST}/{fork}/steps").json()["results"][0]["child"] == "new"


def test_a_restart_runs_with_the_same_input_under_a_new_id(operator: Client, executor: Any):
    sold()
    answer = post(operator, "w~2F1/restart")
    assert answer.status_code == 201
    pk = answer.json()["id"]
    assert pk != "w/1"
    assert durable.retrieve_workflow(pk).get_result(timeout=20) == "tea for 10"
    assert names(of="w/1") == ["restart"]


@pytest.mark.parametrize("action", ["fork", "restart"])
def test_the_same_request_with_a_key_forks_once(operator: Client, action: str):
    make_workflow("w-1")
    answers = [post(operator, f"w-1/{action}", **{KEY: "again"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert {answer.json()["id"] for answer in answers} == {"again"}
    assert [answer.json()["changed"] for answer in answers] == [True, False, False]
    assert Workflow.objects.count() == 2
    assert names(of="w-1") == [action]


def test_many_requests_with_one_key_make_one_fork(operator: Client, client_with: Callable[..., Client]):
    make_workflow("w-1")
    clients = [client_with("operate_workflow") for _ in range(6)]

    def send(client: Client) -> int:
        try:
            return post(client, "w-1/fork", **{KEY: "same"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(send, clients))
    assert codes == [200, 200, 200, 200, 200, 201]
    assert Workflow.objects.count() == 2


def test_a_key_or_an_id_that_names_another_workflow_is_a_conflict(operator: Client):
    make_workflow("w-1")
    make_workflow("w-2")
    for answer in (
        post(operator, "w-1/fork", {"workflow_id": "w-2"}),
        post(operator, "w-1/fork", **{KEY: "w-2"}),
        post(operator, "w-1/restart", {"workflow_id": "w-1"}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "workflow-conflict")
    post(operator, "w-1/fork", {"workflow_id": "f-1"})
    assert post(operator, "w-1/fork", {"workflow_id": "f-1"}).status_code == 409
    assert Workflow.objects.count() == 3


def test_a_rewound_workflow_runs_again_under_its_own_id(operator: Client, executor: Any):
    sold()
    answer = post(operator, "w~2F1/rewind", {"start_step": 2})
    assert (answer.status_code, answer.json()["id"], answer.json()["changed"]) == (200, "w/1", True)
    assert durable.retrieve_workflow("w/1").get_result(timeout=20) == "tea for 10"
    shown = operator.get(f"{LIST}/w~2F1").json()
    assert (shown["generation"], shown["status"]) == (1, "SUCCESS")
    outcomes = [attempt["outcome"] for attempt in operator.get(f"{LIST}/w~2F1/attempts").json()["results"]]
    assert outcomes == ["resumed"]
    assert names(of="w/1") == ["rewind"]


def test_what_has_not_ended_cannot_be_rewound(operator: Client):
    make_workflow("w-1", status="PENDING", completed_at=None, run_after=NOON)
    answer = post(operator, "w-1/rewind")
    assert (answer.status_code, answer.json()["type"]) == (409, "not-rewindable")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("action", ["fork", "restart", "rewind"])
def test_what_does_not_exist_is_not_run_again(operator: Client, action: str):
    answer = post(operator, f"gone/{action}")
    assert (answer.status_code, answer.json()["type"]) == (404, "workflow-not-found")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("fork", {"start_step": 0}), ("fork", {"start_step": -1}), ("fork", {"start_step": "2"}),
        ("fork", {"start_step": 1.5}), ("fork", {"start_step": True}), ("fork", {"start_step": 2**31}),
        ("fork", {"outputs": {"9": 1}}), ("fork", {"start_step": 2, "outputs": {"2": 1}}),
        ("fork", {"start_step": 2, "outputs": {"one": 1}}), ("fork", {"start_step": 2, "outputs": {"-1": 1}}),
        ("fork", {"start_step": 2, "outputs": {"１": 1}}), ("fork", {"start_step": 2, "outputs": [1]}),
        ("fork", {"start_step": 2, "outputs": {"9" * 5000: 1}}), ("fork", {"start_step": 2, "outputs": {"1": 1e999}}),
        ("fork", {"replacement_children": {"a": "b"}}), ("fork", {"replacement_children": {"a": 1}}),
        ("fork", {"replacement_children": []}), ("fork", {"partition_key": "p"}), ("fork", {"workflow_id": " "}),
        ("fork", {"workflow_id": "a\0b"}), ("fork", {"timeout": -1}), ("fork", {"queue": ""}), ("fork", {"version": 1}),
        ("fork", {"step": 2}), ("restart", {"start_step": 1}), ("restart", {"outputs": {}}), ("restart", "x"),
        ("rewind", {"workflow_id": "x"}), ("rewind", {"start_step": 0}), ("rewind", {"timeout": 1}),
    ],
)  # fmt: skip
def test_a_wrong_word_runs_nothing_again(operator: Client, action: str, body: Any):
    make_workflow("w-1")
    make_step("w-1", 1, output="1")
    before = list(Workflow.objects.values())
    answer = post(operator, f"w-1/{action}", body)
    assert answer.status_code in (400, 422), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(Workflow.objects.values()) == before
    assert not AuditEntry.objects.exists()
