"""Streams: which there are, their values by offset, and their values as they are written."""

import json
from typing import Any

import pytest
from django.test import Client

from api.views import streams
from durable.models import Workflow

from .conftest import make_entries, make_workflow

LIST = "/api/v1/workflows"


def parsed(text: str) -> list[dict[str, Any]]:
    """The events of a text/event-stream, comments left out, as a browser reads them."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            fields["data"] = json.loads(fields["data"])
            events.append(fields)
    return events


def test_a_workflow_lists_its_streams(viewer: Client):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_workflow("w-2")
    make_entries("w-1", "tokens/eu", "1", "2", "3")
    make_entries("w-1", "log", '"a"', None)
    make_entries("w-2", "other", "1")
    streams = viewer.get(f"{LIST}/w-1/streams").json()["results"]
    assert [(s["key"], s["entries"], s["closed"]) for s in streams] == [("log", 1, True), ("tokens/eu", 3, False)]
    assert streams[1]["first_at"] == "2026-11-20T12:00:00Z"
    assert streams[1]["last_at"] == "2026-11-20T12:00:02Z"
    assert [row["value"] for row in viewer.get(streams[1]["url"]).json()["results"]] == [1, 2, 3]
    assert viewer.get(f"{LIST}/w-1").json()["streams"] == f"{LIST}/w-1/streams"


def test_values_come_by_offset_and_say_where_to_go_on(viewer: Client):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_entries("w-1", "k", *[str(n) for n in range(5)])
    first = viewer.get(f"{LIST}/w-1/streams/k?limit=2").json()
    assert [row["offset"] for row in first["results"]] == [0, 1]
    assert (first["offset"], first["closed"]) == (2, False)
    second = viewer.get(first["next"]).json()
    assert [row["value"] for row in second["results"]] == [2, 3]
    last = viewer.get(second["next"]).json()
    assert ([row["value"] for row in last["results"]], last["next"]) == ([4], None)
    assert (last["offset"], last["closed"]) == (5, False)
    nothing = viewer.get(f"{LIST}/w-1/streams/k?offset=99").json()
    assert nothing == {"results": [], "offset": 99, "next": None, "closed": False}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_closed_stream_says_so_on_its_last_page_and_shows_no_entry_for_it(viewer: Client, limit: int):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_entries("w-1", "k", "1", "null", None)
    page = viewer.get(f"{LIST}/w-1/streams/k?limit={limit}").json()
    values = page["results"]
    while page["next"]:
        assert page["closed"] is False
        page = viewer.get(page["next"]).json()
        values += page["results"]
    assert [row["value"] for row in values] == [1, None]
    assert (page["closed"], page["offset"]) == (True, 2)
    assert viewer.get(f"{LIST}/w-1/streams/k?offset=7").json()["closed"] is True


def test_the_end_of_a_workflow_closes_its_streams(viewer: Client):
    make_workflow("w-1", status="ERROR", failure="ERROR")
    make_entries("w-1", "k", "1")
    assert viewer.get(f"{LIST}/w-1/streams/k").json()["closed"] is True
    assert viewer.get(f"{LIST}/w-1/streams/never-written").json()["closed"] is True


@pytest.mark.parametrize(
    "query",
    ["offset=-1", "offset=x", "offset=", "offset=99999999999", "offset=2147483648", "limit=0", "cursor=x", "a=1"],
)
def test_a_place_that_is_none_is_refused(viewer: Client, query: str):
    make_workflow("w-1")
    answer = viewer.get(f"{LIST}/w-1/streams/k?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, query.split("=")[0])


@pytest.mark.parametrize("key", ["a/b", "live", "a/live", "streams", "é ~ %2F", "..", "?#", "\n", "x" * 500])
def test_a_stream_may_have_any_key(viewer: Client, key: str):
    make_workflow("w/1")
    make_entries("w/1", key, "7")
    row = viewer.get(f"{LIST}/w~2F1/streams").json()["results"][0]
    assert row["key"] == key
    assert [r["value"] for r in viewer.get(row["url"]).json()["results"]] == [7]
    assert [e["data"].get("value") for e in parsed(viewer.get(row["live"]).getvalue().decode())] == [7, None]


def test_under_wsgi_a_live_stream_tells_what_is_there_and_when_to_ask_again(viewer: Client):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_entries("w-1", "k", *[str(n) for n in range(250)])
    answer = viewer.get(f"{LIST}/w-1/streams/k/live")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    text = answer.getvalue().decode()
    assert text.startswith("retry: 2000\n\n")
    events = parsed(text)
    assert [e["id"] for e in events] == [str(n) for n in range(250)]
    assert set(events[0]["data"]) == {"offset", "seq", "created_at", "payload", "value"}


def test_a_reader_goes_on_after_the_event_that_came_last(viewer: Client):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_entries("w-1", "k", "10", "11", "12")
    for path, headers, expected in (
        ("?offset=1", {}, [11, 12]),
        ("", {"Last-Event-ID": "0"}, [11, 12]),
        ("?offset=0", {"Last-Event-ID": "1"}, [12]),
        ("", {"Last-Event-ID": "2"}, []),
        ("", {"Last-Event-ID": ""}, [10, 11, 12]),
    ):
        answer = viewer.get(f"{LIST}/w-1/streams/k/live{path}", headers=headers)
        assert [e["data"]["value"] for e in parsed(answer.getvalue().decode())] == expected


@pytest.mark.parametrize(
    ("status", "closing", "reason"),
    [("PENDING", (None,), "closed"), ("SUCCESS", (), "ended"), ("ERROR", (None,), "closed")],
)
def test_the_end_is_told_and_then_there_is_nothing_to_ask_for(
    viewer: Client, status: str, closing: tuple[None, ...], reason: str
):
    make_workflow("w-1", status=status)
    make_entries("w-1", "k", "1", *closing)
    events = parsed(viewer.get(f"{LIST}/w-1/streams/k/live").getvalue().decode())
    assert events[-1]["event"] == "end"
    assert events[-1]["data"] == {"offset": 1, "reason": reason, "status": status}
    again = viewer.get(f"{LIST}/w-1/streams/k/live", headers={"Last-Event-ID": events[-1]["id"]})
    assert (again.status_code, again.getvalue()) == (204, b"")


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "End", "99999999999", "2147483647", "\x00", "1 2"])
def test_an_event_that_is_none_is_refused(viewer: Client, last: str):
    make_workflow("w-1")
    answer = viewer.get(f"{LIST}/w-1/streams/k/live", headers={"Last-Event-ID": last})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


def test_a_value_that_is_written_just_before_the_end_is_not_missed(viewer: Client, monkeypatch: pytest.MonkeyPatch):
    make_workflow("w-1", status="PENDING", completed_at=None)
    look = streams.found

    def late(*args: Any) -> Any:
        """The workflow writes its last value and ends at the moment at which its status is read."""
        make_entries("w-1", "k", '"last"')
        Workflow.objects.update(status="SUCCESS")
        return look(*args)

    monkeypatch.setattr(streams, "found", late)
    last, end = parsed(viewer.get(f"{LIST}/w-1/streams/k/live").getvalue().decode())
    assert (last["data"]["value"], end["event"]) == ("last", "end")


def test_text_with_line_breaks_stays_one_event(viewer: Client):
    make_workflow("w-1")
    make_entries("w-1", "k", json.dumps("a\n\nid: 99\ndata: x\r\u2028"))
    [entry, _] = parsed(viewer.get(f"{LIST}/w-1/streams/k/live").getvalue().decode())
    assert entry["data"]["value"] == "a\n\nid: 99\ndata: x\r\u2028"


def test_looking_at_a_head_reads_nothing(viewer: Client):
    make_workflow("w-1")
    answer = viewer.head(f"{LIST}/w-1/streams/k/live")
    assert (answer.status_code, answer.getvalue()) == (200, b"")
    assert Workflow.objects.count() == 1
