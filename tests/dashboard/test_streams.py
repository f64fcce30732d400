"""Streams as people read them: the end of one that grows, any part of a long one, and word of news as it happens."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard.armour import HEADERS
from dashboard.pages import news
from durable.models import Event, Message, Step, StreamEntry, Workflow

from .crowd import HOSTILE, ended, make_stream, make_workflow, parked
from .forms import seen
from .journals import Journal, failed_checkout
from .markup import Markup

HTMX = {"HX-Request": "true"}


def address(pk: str, key: str, query: str = "") -> str:
    return reverse("durable_dashboard:stream", args=[pk, key]) + query


def page(client: Client, pk: str, query: str = "") -> Any:
    return client.get(reverse("durable_dashboard:workflow", args=[pk]) + query)


def offsets(html: str) -> list[int]:
    return [int(offset) for offset in re.findall(r'id="e(\d+)"', html)]


def write(pk: str, key: str, offset: int, value: Any) -> None:
    text = None if value is None else json.dumps(value)
    StreamEntry.objects.create(workflow_id=pk, key=key, offset=offset, seq=offset + 1, value=text)


def test_the_page_of_a_workflow_shows_each_stream_with_its_newest_values(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 30)
    make_stream("talker", "log", 2, closed=True)
    make_workflow("over", **ended("SUCCESS"))
    make_stream("over", "words", 1)
    answer = page(operator_client, "talker", "?tab=streams")
    text = seen(answer)
    assert "words 30 values OpenFollow" in text and "log 2 values ClosedRead" in text and "Streams 2" in text
    assert offsets(answer.text) == [0, 1, *range(22, 30)]
    assert Markup(answer.text).problems == []
    assert "words 1 value OverRead" in seen(page(operator_client, "over", "?tab=streams"))
    make_workflow("silent", **ended("SUCCESS"))
    assert "It has written no stream" in seen(page(operator_client, "silent", "?tab=streams"))


def test_a_step_that_writes_is_named_after_its_stream(operator_client: Client):
    journal = Journal("talker", **ended("SUCCESS"))
    journal.step(1, "write_stream", 1, 1.1, "stream")
    make_stream("talker", "words", 1)
    text = seen(page(operator_client, "talker", "?step=1"))
    assert "write_stream words" in text and "Stream words" in text and "writes to a stream" in text


def test_a_stream_that_grows_is_read_on_from_where_it_was(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 2)
    html = operator_client.get(address("talker", "words")).text
    assert offsets(html) == [0, 1] and 'hx-get="?after=1"' in html and 'hx-trigger="every 1s, durable:news"' in html
    still = operator_client.get(address("talker", "words", "?after=1"), headers=HTMX)
    assert (still.status_code, still.content) == (204, b"")
    write("talker", "words", 2, "hello")
    part = operator_client.get(address("talker", "words", "?after=1"), headers=HTMX)
    assert offsets(part.text) == [2] and 'hx-get="?after=2"' in part.text and "<html" not in part.text
    assert Markup(part.text).problems == [] and "hello" in part.text


@pytest.mark.parametrize("end", ["closed", "workflow"])
def test_following_ends_when_the_stream_does(operator_client: Client, end: str):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 2)
    if end == "closed":
        write("talker", "words", 2, None)
    else:
        Workflow.objects.filter(pk="talker").update(**ended("CANCELLED"))
    part = operator_client.get(address("talker", "words", "?after=1"), headers=HTMX)
    assert part.status_code == 200 and "hx-get" not in part.text and offsets(part.text) == []
    assert ("slot 3 closed it" if end == "closed" else "its workflow has ended") in seen(part)
    html = operator_client.get(address("talker", "words")).text
    assert "data-poll" not in html and "Follow" not in html


def test_more_than_one_answer_holds_is_asked_for_at_once(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 250)
    part = operator_client.get(address("talker", "words", "?after=9"), headers=HTMX).text
    assert offsets(part) == list(range(10, 110)) and 'hx-trigger="load"' in part and 'hx-get="?after=109"' in part
    part = operator_client.get(address("talker", "words", "?after=209"), headers=HTMX).text
    assert offsets(part) == list(range(210, 250)) and 'hx-trigger="every' in part
    write("talker", "words", 250, None)
    part = operator_client.get(address("talker", "words", "?after=9"), headers=HTMX).text
    assert 'hx-trigger="load"' in part, "the end of the stream is not the end of what there is to read"
    part = operator_client.get(address("talker", "words", "?after=209"), headers=HTMX).text
    assert offsets(part) == list(range(210, 250)) and "hx-get" not in part


def test_who_does_not_follow_is_left_alone(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 2)
    html = operator_client.get(address("talker", "words", "?follow=0")).text
    assert "hx-get" not in html and 'aria-checked="false" href="?"' in html


def test_any_part_of_a_long_stream_has_an_address_and_a_steady_price(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 20)
    with CaptureQueriesContext(connection) as few:
        operator_client.get(address("talker", "words"))
    make_stream("talker", "long", 1050)
    with CaptureQueriesContext(connection) as many:
        html = operator_client.get(address("talker", "long")).text
    assert len(many) == len(few) <= 8
    assert offsets(html) == list(range(950, 1050)) and 'href="?from=850"' in html
    html = operator_client.get(address("talker", "long", "?from=300")).text
    assert offsets(html) == list(range(300, 400)) and "hx-get" not in html
    assert 'href="?from=200"' in html and 'href="?from=400"' in html
    html = operator_client.get(address("talker", "long", "?from=0")).text
    assert offsets(html)[0] == 0 and 'href="?from=100"' in html and "Before</span>" in html
    for nonsense in ("x", "-1", "99999999999", "%00", "999999999"):
        assert operator_client.get(address("talker", "long", f"?from={nonsense}")).status_code == 200, nonsense


def test_without_the_right_no_value_is_shown(viewer_client: Client):
    make_workflow("talker", **parked("sleep"))
    write("talker", "words", 0, "a secret")
    Event.objects.create(workflow_id="talker", key="k", seq=1, value='"a secret"')
    for answer in (
        viewer_client.get(address("talker", "words")),
        viewer_client.get(address("talker", "words", "?after=-1"), headers=HTMX),
        page(viewer_client, "talker", "?tab=streams"),
        page(viewer_client, "talker", "?tab=events"),
    ):
        assert answer.status_code == 200 and "a secret" not in answer.text and "hidden, 10 B" in answer.text


@pytest.mark.parametrize("key", [HOSTILE, "", "a/b", "~", ".", "ü %41"])
def test_any_key_has_an_address_and_stays_text(operator_client: Client, key: str):
    make_workflow("talker", **parked("sleep"))
    write("talker", key, 0, HOSTILE)
    write("talker", key, 1, {HOSTILE: HOSTILE * 3})
    StreamEntry.objects.create(workflow_id="talker", key=key, offset=2, seq=3, value=HOSTILE)
    tab = page(operator_client, "talker", "?tab=streams")
    assert address("talker", key) in Markup(tab.text).values("href")
    for answer in (operator_client.get(address("talker", key)), tab):
        markup = Markup(answer.text)
        assert (answer.status_code, markup.problems, offsets(answer.text)) == (200, [], [0, 1, 2])
        assert markup.tags.count("img") == 0 and markup.tags.count("script") == 2


def test_a_stream_that_nobody_wrote_is_missing_once_nobody_can(operator_client: Client):
    make_workflow("over", **ended("SUCCESS"))
    make_workflow("talker", **parked("sleep"))
    assert operator_client.get(address("over", "words")).status_code == 404
    assert operator_client.get(address("nobody", "words")).status_code == 404
    assert "0 values; more may come" in seen(operator_client.get(address("talker", "words")))


def test_a_step_that_writes_to_a_stream_makes_the_tab_new(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    make_stream("talker", "words", 1)
    query = re.search(r'hx-get="([^"]+)"', page(operator_client, "talker", "?tab=streams").text)[1]
    at = reverse("durable_dashboard:workflow", args=["talker"]) + query.replace("&amp;", "&")
    assert operator_client.get(at, headers=HTMX).status_code == 204
    write("talker", "words", 1, "more")
    assert "more" in operator_client.get(at, headers=HTMX).text


# --- events and messages


def test_an_event_shows_its_value_and_those_before(operator_client: Client):
    make_workflow("w", **ended("SUCCESS"))
    for seq, value in ((2, "queued"), (5, "running"), (9, "done")):
        Event.objects.create(workflow_id="w", key="stage", seq=seq, value=json.dumps(value))
    Event.objects.create(workflow_id="w", key="url", seq=3, value='"https://x.example"')
    html = page(operator_client, "w", "?tab=events").text
    assert Markup(html).problems == []
    table = html[html.index("<tbody>") :]
    assert [
        table.index(each) for each in ("&quot;done&quot;", "2 values before", "&quot;running&quot;", "&quot;queued")
    ]
    assert re.findall(r"done|2 values before|running&|queued&|x\.example", table) == [
        "done", "2 values before", "running&", "queued&", "x.example",
    ]  # fmt: skip
    assert 'href="?step=5"' in table


def test_only_the_newest_of_many_values_are_read(operator_client: Client):
    make_workflow("w", **ended("SUCCESS"))
    Event.objects.bulk_create(
        Event(workflow_id="w", key="n", seq=n, value=str(n), created_at=timezone.now()) for n in range(1, 301)
    )
    text = seen(page(operator_client, "w", "?tab=events"))
    assert "The newest 200 of 300 values." in text and " 300 " in text


def test_a_message_names_the_slot_that_received_it(operator_client: Client):
    failed_checkout()
    Message.objects.create(workflow_id="checkout-1", topic="late", key="2", body="1")
    html = page(operator_client, "checkout-1", "?tab=messages").text
    assert 'href="?step=3">slot 3</a>' in html and "nobody yet" in html


# --- news


def test_a_server_that_can_hold_no_connection_says_so_and_the_page_asks_on_a_clock(operator_client: Client):
    make_workflow("talker", **parked("sleep"))
    assert operator_client.get(reverse("durable_dashboard:news", args=["talker"])).status_code == 204
    assert "data-news" not in page(operator_client, "talker").text


def test_who_may_not_look_hears_nothing(database: str):
    make_workflow("talker", **parked("sleep"))
    client = Client()
    assert client.get(reverse("durable_dashboard:news", args=["talker"])).status_code == 302
    client.force_login(get_user_model().objects.create_user("guest"))
    assert client.get(reverse("durable_dashboard:news", args=["talker"])).status_code == 403


class Listener:
    """An open page of a browser, which hears news."""

    def __init__(self, answer: Any):
        self.answer, self.chunks = answer, aiter(answer.streaming_content)

    async def next(self) -> str:
        """The next event; comments and settings are not told to pages."""
        while True:
            chunk = (await asyncio.wait_for(anext(self.chunks), 20)).decode()
            if chunk.startswith("event: "):
                return chunk.split("\n")[0].removeprefix("event: ")

    async def close(self) -> None:
        await self.chunks.aclose()


def login() -> AsyncClient:
    client = AsyncClient()
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


def test_news_come_while_a_stream_is_written_and_end_with_it(database: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(news, "LOOK_PARKED_SECONDS", 0.05)
    make_workflow("talker", **parked("sleep"))
    client = login()
    later = sync_to_async(write)

    async def listen() -> list[str]:
        html = (await client.get(address("talker", "words"))).text
        at = re.search(r'data-news="([^"]+)"', html)[1]
        answer = await client.get(at)
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        listener, heard = Listener(answer), []
        heard.append(await listener.next())
        await later("talker", "words", 0, "one")
        heard.append(await listener.next())
        await later("talker", "words", 1, "two")
        heard.append(await listener.next())
        await sync_to_async(Workflow.objects.filter(pk="talker").update)(**ended("SUCCESS"))
        heard.append(await listener.next())
        return heard

    assert asyncio.run(listen()) == ["changed", "changed", "changed", "over"]


def test_a_new_step_is_news_and_a_deleted_workflow_the_end(database: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(news, "LOOK_PARKED_SECONDS", 0.05)
    journal = Journal("w", **parked("sleep"))
    client = login()

    async def listen() -> list[str]:
        listener = Listener(await client.get(reverse("durable_dashboard:news", args=["w"])))
        heard = [await listener.next()]
        await sync_to_async(journal.step)(1, "a", 2, 3)
        heard.append(await listener.next())
        await sync_to_async(Step.objects.all().delete)()
        await sync_to_async(Workflow.objects.all().delete)()
        heard += [await listener.next()] if heard[-1] != "over" else []
        while heard[-1] != "over":
            heard.append(await listener.next())
        return heard

    heard = asyncio.run(listen())
    assert heard[:2] == ["changed", "changed"] and heard[-1] == "over"


def test_a_page_that_is_closed_stops_the_looking(database: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(news, "LOOK_PARKED_SECONDS", 0.01)
    make_workflow("w", **parked("sleep"))
    client = login()
    looks: list[str] = []
    real = news.look
    monkeypatch.setattr(news, "look", lambda *asked: looks.append("look") or real(*asked))

    async def listen() -> int:
        listener = Listener(await client.get(reverse("durable_dashboard:news", args=["w"])))
        await listener.next()
        await listener.close()
        before = len(looks)
        await asyncio.sleep(0.1)
        return len(looks) - before

    assert asyncio.run(listen()) == 0
