"""The criteria of the list beside those of every day: each narrows, and each slip is a problem."""

from datetime import timedelta

import pytest
from django.test import Client

from api.filtering import MEANINGS
from durable.filters import CRITERIA

from .conftest import NOON, make_workflow
from .test_filters import found

LIST = "/api/v1/workflows"
FAILED = {"status": "ERROR", "failure": "ERROR"}


def test_every_criterion_has_a_meaning():
    assert set(MEANINGS) == {*CRITERIA, "q"}


def test_each_criterion_narrows(viewer: Client):
    make_workflow(
        "w-1", authenticated_user="ada", application="shop", forked_from="w-0", schedule="nightly", queue="orders",
        attributes={"region": "eu", "tier": 2}, started_at=NOON, error_type="ValueError", **FAILED,
    )  # fmt: skip
    make_workflow(
        "w-2", parent="w-1", was_forked_from=True, dedup_id="d", completed_at=NOON + timedelta(days=2),
        started_at=NOON + timedelta(days=1), created_at=NOON + timedelta(days=1),
        attributes={"region": "us", "tier": "2"},
    )  # fmt: skip
    one, two, both = {"w-1"}, {"w-2"}, {"w-1", "w-2"}
    for query, expected in (
        ({"user": "ada"}, one), ({"application": "shop"}, one), ({"forked_from": "w-0"}, one),
        ({"schedule": "nightly"}, one), ({"error_type": "ValueError"}, one), ({"error": "ValueError"}, one),
        ({"is_fork": "1"}, one), ({"is_fork": "0"}, two), ({"was_forked_from": "true"}, two),
        ({"was_forked_from": "0"}, one), ({"has_parent": "1"}, two), ({"has_parent": "no"}, one),
        ({"queues_only": "1"}, one), ({"queues_only": "0"}, both), ({"dedup_id": "d"}, two),
        ({"started_after": "2026-11-21"}, two), ({"started_before": "2026-11-21"}, one),
        ({"completed_after": "2026-11-21"}, two), ({"completed_before": "2026-11-21"}, one),
        ({"attributes": "region=eu"}, one), ({"attributes": "tier=2"}, one), ({"attributes": 'tier="2"'}, two),
        ({"attributes": ["region=us", 'tier="2"']}, two), ({"attributes": ["region=us", "tier=2"]}, set()),
        ({"user": ["ada", "bob"], "is_fork": "1"}, one), ({"q": "user:ada region"}, set()),
        ({"q": "schedule:nightly status:failed"}, one),
    ):  # fmt: skip
        assert found(viewer, **query) == expected, query


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("is_fork", "maybe"), ("has_parent", "2"), ("queues_only", "x"), ("was_forked_from", "-1"),
        ("started_after", "soon"), ("completed_before", "x"), ("attributes", "x"), ("attributes", "=1"),
        ("attributes", "a\0=1"), ("attributes", "a=[1]"), ("user", "\0"), ("schedule", " "), ("error_type", ""),
        ("usr", "ada"), ("attribute.region", "eu"), ("forked", "x"),
    ],
)  # fmt: skip
def test_what_no_criterion_understands_is_a_problem(viewer: Client, field: str, value: str):
    make_workflow("w-1")
    answer = viewer.get(LIST, {field: value})
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"]


def test_the_next_page_keeps_every_criterion(viewer: Client):
    for n in range(4):
        make_workflow(f"w-{n}", attributes={"n": n % 2}, parent="p" if n > 1 else None)
    page = viewer.get(LIST, {"attributes": "n=1", "has_parent": ["1"], "limit": "1"}).json()
    assert ([row["id"] for row in page["results"]], page["next"]) == (["w-3"], None)
    page = viewer.get(LIST, {"attributes": "n=1", "limit": "1"}).json()
    assert [row["id"] for row in viewer.get(page["next"]).json()["results"]] == ["w-1"]
