"""Ids are free text; every one has an address of its own."""

from urllib.parse import quote, unquote

import pytest
from django.test import Client
from django.urls import resolve, reverse

from api.urls import urlpatterns
from durable.models import Queue

from .conftest import make_step, make_workflow

LIST = "/api/v1/workflows"

ROUTES = [(route.name, list(route.pattern.converters)) for route in urlpatterns if route.pattern.converters]

HOSTILE = [
    "a/b", "/a", "a/", "//", "/", ".", "..", "../..", "a/../b", "./x", "x/steps", "x/cancel", "x/cancel/steps", "steps",
    "healthz", "%2F", "%", "50%", "%25", "%00", "~", "~2F", "~7E2F", "a~b", "~~", "~zz", "a b", " a",
    "a ", "a\tb", "a\nb",
    "\n", "?", "a?b=c", "#", "a#b", "&", ";", "a;b", "\\", "a\\b", '"', "'",
    "<script>alert(1)</script>", "{id}", "<x:y>",
    "été", "日本語", "😀", "e\u0301", "\u202e", "\ufeff", "\x7f", "\x01", "a:b", "http://evil.example/x",
    "x" * 1000, "é" * 1000,
    "a.json", "' or 1=1 --", "*", "+", "a+b", "null", "0",
]  # fmt: skip


@pytest.mark.parametrize("pk", HOSTILE)
def test_every_id_has_one_address_that_finds_it(viewer: Client, pk: str):
    make_workflow(pk)
    make_workflow("x")
    make_step(pk, 1, name="mine")
    url = {row["id"]: row["url"] for row in viewer.get(LIST).json()["results"]}[pk]
    assert "%2F" not in url
    assert url.count("/") == LIST.count("/") + 1
    workflow = viewer.get(url).json()
    assert (workflow["id"], workflow["url"]) == (pk, url)
    assert [step["name"] for step in viewer.get(workflow["steps"]).json()["results"]] == ["mine"]


@pytest.mark.parametrize("pk", HOSTILE)
def test_an_address_means_one_id_and_one_route(pk: str):
    for name, parts in ROUTES:
        path = reverse(f"durable_api:{name}", kwargs=dict.fromkeys(parts, pk))
        assert path.isascii()
        assert not {"", ".", ".."} & set(path.split("/")[1:])
        match = resolve(unquote(path))
        assert (match.url_name, match.kwargs) == (name, dict.fromkeys(parts, pk))


@pytest.mark.parametrize("pk", ["a/b", "a b", "50%", "été", "a?b", "a~b", "//", "日/本"])
def test_an_id_that_is_only_percent_encoded_is_found_where_no_action_follows_it(viewer: Client, pk: str):
    make_workflow(pk)
    assert viewer.get(f"{LIST}/{quote(pk, safe='')}").json()["id"] == pk
    assert viewer.get(f"{LIST}/{quote(pk, safe='')}/steps").status_code == 200


def test_an_id_that_ends_like_an_action_is_told_apart_from_it(viewer: Client):
    make_workflow("x")
    make_workflow("x/steps")
    make_step("x", 1)
    assert viewer.get(f"{LIST}/x/steps").json()["results"][0]["seq"] == 1
    assert viewer.get(f"{LIST}/x~2Fsteps").json()["id"] == "x/steps"
    assert viewer.get(f"{LIST}/x~2Fsteps/steps").json()["results"] == []


@pytest.mark.parametrize("segment", ["~00", "a~00b", "~FF", "~C3~28", "%00", "~ED~A0~80"])
def test_an_address_of_what_cannot_be_an_id_is_a_problem(viewer: Client, segment: str):
    for path in (f"{LIST}/{segment}", f"{LIST}/{segment}/steps", f"/api/v1/queues/{segment}"):
        answer = viewer.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_queue_may_have_any_name(viewer: Client):
    Queue.objects.create(name="orders/eu ~1")
    row = viewer.get("/api/v1/queues").json()["results"][0]
    assert viewer.get(row["url"]).json()["name"] == "orders/eu ~1"
