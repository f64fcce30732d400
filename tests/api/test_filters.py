"""A filter narrows, and what is no filter is refused: it must not list everything."""

from datetime import timedelta

import pytest
from django.test import Client

from .conftest import NOON, make_workflow

LIST = "/api/v1/workflows"


def found(viewer: Client, **query: object) -> set[str]:
    answer = viewer.get(LIST, query)
    assert answer.status_code == 200, answer.content
    return {row["id"] for row in answer.json()["results"]}


def test_each_filter_narrows(viewer: Client):
    make_workflow("a-1", name="shop.refund", queue="orders", executor="e1", parent="p", version="v1")
    make_workflow("a-2", status="ERROR", failure="ERROR", created_at=NOON - timedelta(days=2))
    make_workflow("b-1", status="PENDING", completed_at=None, wake_at=NOON, waiting_for="sleep")
    everything = {"a-1", "a-2", "b-1"}
    assert found(viewer) == everything
    for query in (
        {"name": "shop.refund"}, {"name": "shop.r*"}, {"queue": "orders"}, {"executor": "e1"},
        {"parent": "p"}, {"version": "v1"},
        {"ids": "a-1"}, {"id": "a-1"}, {"id_prefix": "a-", "status": "SUCCESS"}, {"q": "queue:orders"},
    ):  # fmt: skip
        assert found(viewer, **query) == {"a-1"}, query
    assert found(viewer, status="ERROR") == found(viewer, status="failed") == {"a-2"}
    assert found(viewer, created_before="2026-11-19") == {"a-2"}
    assert found(viewer, phase="sleeping") == {"b-1"}
    assert found(viewer, status=["ERROR", "PENDING"]) == {"a-2", "b-1"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "BROKEN"), ("status", "'"), ("status", "ERROR\0"), ("phase", "nowhere"), ("created_after", "soon"),
        ("created_before", "2026-13-01"), ("created_after", "999999999w"), ("created_after", "0001-01-01"),
        ("created_before", "99999-01-01"), ("name", "\0"), ("ids", "a\0b"), ("id_prefix", "\0"), ("queue", "\0"),
        ("executor", "\0"), ("parent", "\0"), ("version", "\0"), ("q", "status:nonsense"), ("q",
        "name:\0"), ("q", "\0"),
        ("page", "2"), ("status", ""), ("name", " "), ("q", ""), ("stauts", "ERROR"), ("format", "xml"),
        ("order", "id"), ("", "x"), ("payload", "1"),
    ],
)  # fmt: skip
def test_what_no_filter_understands_is_a_problem(viewer: Client, field: str, value: str):
    make_workflow("w-1")
    answer = viewer.get(LIST, {field: value})
    assert answer.status_code == 400, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"]


@pytest.mark.parametrize("name", ["name", "id_prefix", "ids", "queue", "executor", "parent", "version", "q"])
@pytest.mark.parametrize(
    "value", ["' or '1'='1", "%", "_", "\\", "\ud83d", "😀", "9" * 400, "x" * 5000, "*", "**", '"', "id:", ":"]
)
def test_strange_text_finds_nothing_and_breaks_nothing(viewer: Client, name: str, value: str):
    answer = viewer.get(LIST, {name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")})
    assert answer.status_code in (200, 400)


def test_more_ids_than_a_query_can_hold_are_refused(viewer: Client):
    assert viewer.get(LIST, {"ids": [str(n) for n in range(1001)]}).status_code == 400
    assert viewer.get(LIST, {"ids": [str(n) for n in range(1000)]}).status_code == 200


def test_other_lists_refuse_parameters_that_would_do_nothing(viewer: Client):
    make_workflow("w-1")
    for path in (f"{LIST}/w-1/steps", f"{LIST}/w-1/events", "/api/v1/queues", "/api/v1/executors"):
        assert viewer.get(path, {"status": "ERROR"}).status_code == 400
