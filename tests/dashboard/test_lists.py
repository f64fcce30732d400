"""The list of workflows: search, chips, causes, and rows that stay live."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from durable.models import Executor, Queue, Workflow
from durable.states import Status

from .crowd import ended, make_crowd, make_executor, make_workflow
from .markup import Markup

HTMX = {"HX-Request": "true"}


@pytest.fixture
def workflows() -> str:
    return reverse("durable_dashboard:workflows")


def poll_of(text: str) -> str | None:
    """The address that the rows ask for news, None when they do not."""
    match = re.search(r'<div id="rows"(?: data-poll hx-get="([^"]*)" hx-trigger="every 2s")?', text)
    return unescape(match[1]) if match and match[1] else None


def test_words_of_the_search_become_an_address(operator_client: Client, workflows: str):
    answer = operator_client.get(workflows, {"q": "status:failed name:shop.* since:24h", "queue": "orders"})
    assert answer.status_code == 302
    assert answer.url == f"{workflows}?phase=failed&queue=orders&name=shop.%2A&created_after=24h"


def test_a_pasted_id_leads_to_its_workflow(operator_client: Client, workflows: str):
    make_workflow("order/1")
    assert operator_client.get(workflows, {"q": "order/1"}).url == reverse(
        "durable_dashboard:workflow", args=["order/1"]
    )
    make_workflow("order/10")
    assert operator_client.get(workflows, {"q": "order/1"}).url == f"{workflows}?id_prefix=order%2F1"


def test_a_search_that_cannot_be_read_is_explained(operator_client: Client, workflows: str):
    for query in (
        {"q": "status:fialed"},
        {"created_after": "x"},
        {"older": "x"},
        {"phase": "<script>"},
        {"name": "\0"},
    ):
        answer = operator_client.get(workflows, query)
        assert answer.status_code == 400
        assert "This search cannot be read." in answer.text
        assert Markup(answer.text).problems == []


def test_each_part_of_a_filter_can_be_taken_away(operator_client: Client, workflows: str):
    make_crowd()
    text = operator_client.get(workflows, {"phase": "failed", "queue": "orders"}).text
    assert 'href="?queue=orders" aria-label="Remove status failed"' in text
    assert 'href="?phase=failed" aria-label="Remove queue orders"' in text


def test_a_search_without_result_offers_wider_ones(operator_client: Client, workflows: str):
    make_crowd()
    text = operator_client.get(workflows, {"phase": "failed", "queue": "imports"}).text
    assert "Nothing matches." in text
    assert re.search(r'href="\?queue=imports">1 matches', text)
    text = operator_client.get(workflows, {"id_prefix": "shop"}).text
    assert 'href="?name=shop%2A"' in text


def test_the_side_counts_every_phase_among_what_is_chosen(operator_client: Client, workflows: str):
    make_crowd()
    text = operator_client.get(workflows, {"name": "shop.checkout"}).text
    for key, count in (("queued", 3), ("message", 2), ("failed", 1), ("running", 2), ("ready", 2), ("dead", 1)):
        assert re.search(rf'phase={key}&amp;name=shop.checkout.*?<span class="d-num">{count}</span>', text), key
    assert "phase=unserved&amp;name" not in text


@pytest.mark.parametrize(
    ("pk", "cause"),
    [
        ("queued-1", "Waits for room in orders, priority 5"),
        ("queued-2", "Queue imports is paused"),
        ("queued-3", "No living executor knows video.transcode"),
        ("queued-4", "Waits for an executor with room"),
        ("unserved-1", "No living executor knows old.thing"),
        ("delayed-1", "Starts "),
        ("running-1", "Step 2 charge, attempt 3 on worker-1"),
        ("running-2", "Its executor id-lost is lost; another takes it over"),
        ("parked-0", "Until "),
        ("parked-1", "Topic payment, until "),
        ("parked-2", "A message without a topic, until "),
        ("parked-3", "Event closed of ledger, until "),
        ("parked-4", "Workflow invoice-1"),
        ("parked-5", "Step push again at "),
        ("failed-1", "CardDeclined The card was declined"),
        ("cancelled-1", "By jonas"),
        ("cancelled-2", "Its timeout of 1 m 00 s passed"),
        ("dead-1", "100 crashes of executors that held it"),
    ],
)
def test_a_row_says_its_cause_in_words(operator_client: Client, workflows: str, pk: str, cause: str):
    make_crowd()
    text = operator_client.get(workflows, {"id": pk}).text
    cell = re.search(r'<td class="d-c-why">(.*?)</td>', text)
    assert unescape(re.sub("<[^>]+>", "", cell[1])).startswith(cause)


def test_rows_answer_204_until_something_changes(operator_client: Client, workflows: str):
    make_executor("worker-1")
    workflow = make_workflow("o-1")
    poll = poll_of(operator_client.get(workflows).text)
    still = operator_client.get(workflows + poll, headers=HTMX)
    assert (still.status_code, still.content) == (204, b"")
    assert "durable:fresh" in still.headers["HX-Trigger"]
    for change in (
        lambda: Workflow.objects.filter(pk="o-1").update(status="PENDING", executor="id-worker-1", epoch=1),
        lambda: Executor.objects.update(activity=[{"workflow": "o-1", "seq": 1, "step": "charge"}]),
        lambda: Workflow.objects.filter(pk="o-1").update(**ended(Status.SUCCESS)),
        lambda: make_workflow("o-2"),
        lambda: Queue.objects.create(name="orders", paused=True),
        lambda: workflow.delete(),
    ):
        assert operator_client.get(workflows + poll, headers=HTMX).status_code == 204
        change()
        answer = operator_client.get(workflows + poll, headers=HTMX)
        assert answer.status_code == 200
        assert answer.text.strip().startswith('<div id="rows"')
        poll = poll_of(answer.text)


def test_an_unchanged_poll_is_cheap(operator_client: Client, workflows: str):
    make_crowd()
    poll = poll_of(operator_client.get(workflows).text)
    answer = operator_client.get(workflows + poll, headers=HTMX)
    assert answer.status_code == 204
    assert answer.wsgi_request.durable_console.queries <= 5


def test_a_page_of_finished_workflows_asks_for_no_news(operator_client: Client, workflows: str):
    for n in range(51):
        make_workflow(f"old-{n:02}", **ended("SUCCESS"))
    first = operator_client.get(workflows)
    assert poll_of(first.text)
    older = re.search(r'href="(\?older=[^"]*)"', first.text)
    second = operator_client.get(workflows + unescape(older[1]))
    assert poll_of(second.text) is None
    assert "old-00" in second.text
    Workflow.objects.filter(pk="old-00").update(status="PENDING", run_after=None)
    assert poll_of(operator_client.get(workflows + unescape(older[1])).text)


def test_the_rows_of_a_part_are_the_rows_of_the_page(operator_client: Client, workflows: str):
    make_crowd()
    whole = operator_client.get(workflows).text
    part = operator_client.get(workflows, headers=HTMX).text

    def rows(text: str) -> list[str]:
        passing = re.compile(r"<svg aria-hidden.*?</svg>|data-tick.*?</time>", re.S)
        return [passing.sub("", row) for row in re.findall(r"<tr>.*?</tr>", text, re.S)]

    assert rows(part) == rows(whole)
    assert len(rows(part)) > 10


def test_an_unused_database_shows_how_to_begin(operator_client: Client, workflows: str):
    for address in (workflows, reverse("durable_dashboard:overview")):
        text = operator_client.get(address).text
        assert "No workflow has run yet." in text
        assert "No executor has ever connected" in text
    asked = reverse("durable_dashboard:overview") + "?part=unused"
    assert "HX-Refresh" not in operator_client.get(asked, headers=HTMX).headers
    make_workflow("o-1")
    assert operator_client.get(asked, headers=HTMX).headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("name", ["overview", "queues", "executors", "queue"])
def test_a_part_that_has_been_seen_is_not_sent_again(operator_client: Client, name: str):
    make_executor("worker-1")
    make_workflow("o-1")
    address = reverse(f"durable_dashboard:{name}", args=["orders"] if name == "queue" else [])

    def poll(text: str) -> str:
        return unescape(re.search(r'data-poll hx-get="([^"]*seen=[^"]*)"', text)[1])

    asked = poll(operator_client.get(address).text)
    first = operator_client.get(asked, headers=HTMX)
    assert (first.status_code, "seen=unseen" in first.text) == (200, False)
    assert operator_client.get(poll(first.text), headers=HTMX).status_code == 204
    Executor.objects.update(running=9)
    make_workflow("o-2", queue="orders")
    assert operator_client.get(poll(first.text), headers=HTMX).status_code == 200
