"""Pages show every row once, whatever happens between them."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client

from durable.conf import conf
from durable.models import Attempt, Event, Message, Queue, Schedule, StepAttempt, Version, Workflow

from .conftest import NOON, make_entries, make_executor, make_step, make_workflow

LIST = "/api/v1/workflows"


def pages(client: Client, path: str) -> Iterator[list[dict]]:
    """The pages from `path` on, as a client follows them."""
    following: str | None = path
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, answer.content
        page = answer.json()
        assert (page["next"] is None) == (page["cursor"] is None)
        yield page["results"]
        following = page["next"]


def test_all_rows_are_shown_once_though_rows_arrive_and_leave_between_pages(viewer: Client):
    for n in range(40):
        make_workflow(f"w-{n:02}", created_at=NOON + timedelta(microseconds=n // 3))
    seen = []
    for n, page in enumerate(pages(viewer, f"{LIST}?limit=7")):
        seen += [row["id"] for row in page]
        make_workflow(f"late-{n}", created_at=NOON + timedelta(hours=1))
        Workflow.objects.filter(id=page[-1]["id"]).delete()
    assert seen == [f"w-{n:02}" for n in reversed(range(40))]


def test_moments_that_differ_by_less_than_a_datetime_can_say_lose_no_row(viewer: Client):
    """SQLite keeps moments as floats, some four of which are one microsecond."""
    for n in range(12):
        make_workflow(f"w-{n:02}")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("select id from durable_workflow order by id")
            for n, (pk,) in enumerate(cursor.fetchall()):
                moment = NOON.timestamp() + (n * 7 % 12) * 2.4e-7
                cursor.execute("update durable_workflow set created_at = %s where id = %s", [moment, pk])
    seen = [row["id"] for page in pages(viewer, f"{LIST}?limit=1") for row in page]
    assert sorted(seen) == [f"w-{n:02}" for n in range(12)]


def test_the_next_page_keeps_the_filter(viewer: Client):
    for n in range(6):
        make_workflow(f"w-{n}", name="shop.refund" if n % 2 else "shop.checkout")
    seen = [row["name"] for page in pages(viewer, f"{LIST}?name=shop.refund&limit=1") for row in page]
    assert seen == ["shop.refund"] * 3


def test_a_filter_by_ids_spans_pages(viewer: Client):
    for n in range(6):
        make_workflow(f"w-{n}")
    seen = [row["id"] for page in pages(viewer, f"{LIST}?ids=w-1&ids=w-2&ids=w-5&limit=1") for row in page]
    assert seen == ["w-5", "w-2", "w-1"]


def test_every_other_list_has_pages_too(viewer: Client):
    make_workflow("a/b")
    for n in range(5):
        make_step("a/b", n)
        Event.objects.create(workflow_id="a/b", key=f"k{n // 2}", seq=n, value="1", created_at=NOON)
        StepAttempt.objects.create(
            workflow_id="a/b", seq=n // 2, n=n % 2 + 1, name="charge", error="{}", started_at=NOON, ended_at=NOON
        )
        Attempt.objects.create(id=2**40 + n, workflow_id="a/b", epoch=n, ended_at=NOON, outcome="lost")
        Message.objects.create(id=2**40 + n, workflow_id="a/b", key=f"k{n}", body="1", created_at=NOON)
        make_entries("a/b", f"s{n}", "1", "2")
        Queue.objects.create(name=f"q/{n}")
        Schedule.objects.create(name=f"s{n}", workflow="w", cron="0 0 * * *")
        Version.objects.create(application=conf().APPLICATION_NAME, name=f"v{n}", promoted_at=NOON)
        make_executor(f"e{n}", started_at=NOON)
    for path, more, key, expected in (
        (f"{LIST}/a~2Fb/steps", "", "seq", [0, 1, 2, 3, 4]),
        (f"{LIST}/a~2Fb/step-attempts", "", "seq", [0, 0, 1, 1, 2]),
        (f"{LIST}/a~2Fb/attempts", "", "epoch", [0, 1, 2, 3, 4]),
        (f"{LIST}/a~2Fb/events", "&history=1", "seq", [0, 1, 2, 3, 4]),
        (f"{LIST}/a~2Fb/messages", "", "key", ["k0", "k1", "k2", "k3", "k4"]),
        (f"{LIST}/a~2Fb/streams", "", "key", ["s0", "s1", "s2", "s3", "s4"]),
        ("/api/v1/queues", "", "name", ["q/0", "q/1", "q/2", "q/3", "q/4"]),
        ("/api/v1/schedules", "&workflow=w", "name", ["s0", "s1", "s2", "s3", "s4"]),
        ("/api/v1/versions", "", "name", ["v4", "v3", "v2", "v1", "v0"]),
        ("/api/v1/executors", "", "id", ["e4", "e3", "e2", "e1", "e0"]),
    ):
        found = list(pages(viewer, f"{path}?limit=2{more}"))
        assert [len(page) for page in found] == [2, 2, 1]
        assert [row[key] for page in found for row in page] == expected


def test_no_page_asks_the_database_to_skip_rows(viewer: Client, django_assert_max_num_queries):
    for n in range(5):
        make_workflow(f"w-{n}")
    with django_assert_max_num_queries(30) as queries:
        list(pages(viewer, f"{LIST}?limit=2"))
    assert not [q for q in queries.captured_queries if "OFFSET" in q["sql"].upper()]


@pytest.mark.parametrize("limit", ["0", "-1", "501", "1e9", "1000000000", "", "ten", "１", "2 "])
def test_a_page_is_never_longer_than_the_cap(viewer: Client, limit: str):
    answer = viewer.get(LIST, {"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "limit")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "null",
        "é",
        "e30",
        "W10",
        "W1tdXQ",
        "WyJzZXEiLCAxXQ",
        "A" * 9000,
        "WyJjcmVhdGVkX2F0IiwgImlkIiwgMSwgIngiXQ",
    ],
)
def test_a_cursor_from_elsewhere_is_refused(viewer: Client, cursor: str):
    make_workflow("w-1")
    answer = viewer.get(LIST, {"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_a_cursor_of_another_list_is_refused(viewer: Client):
    make_workflow("w-1")
    for n in range(3):
        make_step("w-1", n)
    following = viewer.get(f"{LIST}/w-1/steps?limit=1").json()["next"]
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    assert viewer.get(LIST, {"cursor": cursor}).status_code == 400
