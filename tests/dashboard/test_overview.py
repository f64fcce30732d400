"""What needs a person, what holds a queue, who is alive."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from durable.models import Executor, Queue, Workflow

from .crowd import ended, failed, make_crowd, make_executor, make_workflow, parked

OVERVIEW = "durable_dashboard:overview"


def seen(client: Client, name: str, *args: str, **query: str) -> str:
    return " ".join(client.get(reverse(f"durable_dashboard:{name}", args=args), query).text.split())


def test_nothing_needs_a_person_where_all_is_well(operator_client: Client):
    make_executor("worker-1")
    make_workflow("o-1", **ended("SUCCESS"))
    text = seen(operator_client, "overview")
    assert "Nothing needs a person." in text
    assert "All is well" in text


@pytest.mark.parametrize(
    "sentence",
    [
        "shop.checkout failed with CardDeclined",
        "dead-1 crashed its executor 100 times",
        "1 workflow of video.transcode waits, and no living executor knows video.transcode",
        "1 workflow of old.thing waits, and no living executor knows old.thing",
        "Queue imports is paused, 1 waits",
        "Executor lost was lost",
    ],
)
def test_the_overview_says_what_needs_attention(operator_client: Client, sentence: str):
    make_crowd()
    assert sentence in seen(operator_client, "overview")


def test_failures_are_grouped_by_name_and_type(operator_client: Client):
    make_executor("worker-1")
    for kind, count in (("A", 4), ("B", 3), ("C", 2), ("D", 1), ("E", 1)):
        for n in range(count):
            make_workflow(f"{kind}-{n}", **failed(kind, "…"))
    old = timezone.now() - timedelta(hours=25)
    make_workflow("old", created_at=old, **failed("Old", "…", completed_at=old))
    text = seen(operator_client, "overview")
    assert "Four things need a person." in text
    assert "shop.checkout failed 4 times with A" in text
    assert "2 workflows failed in 2 other ways" in text
    assert "with Old" not in text
    assert "<b>11</b>in 24 h" in text


def test_many_dead_letters_are_one_concern(operator_client: Client):
    make_executor("worker-1")
    for n in range(5):
        make_workflow(f"d-{n}", **ended("MAX_RECOVERY_ATTEMPTS_EXCEEDED"))
    assert "5 workflows are set aside as dead letters" in seen(operator_client, "overview")


def test_work_that_waits_long_in_a_served_queue_is_named(operator_client: Client):
    make_executor("worker-1")
    make_workflow("o-1", run_after=timezone.now() - timedelta(minutes=40))
    assert "The oldest of 1 in orders waits for 40 m" in seen(operator_client, "overview")


def test_every_page_says_when_no_executor_takes_work(operator_client: Client):
    make_executor("worker-1", lease_until=timezone.now() - timedelta(seconds=1))
    make_workflow("o-1")
    for name in ("overview", "workflows", "queues", "executors"):
        assert "No executor takes work; the last one ended" in seen(operator_client, name)
    Executor.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    assert "No executor takes work" not in seen(operator_client, "overview")


@pytest.mark.parametrize(
    ("change", "word", "sentence"),
    [
        ({"paused": True}, "Paused", "The queue is paused."),
        ({"concurrency": 1}, "At its limit", "The only slot of orders is in use."),
        ({"rate_limit": 1, "rate_period": 60.0}, "At rate limit", "1 start were made in the window"),
        ({"worker_concurrency": 1}, "Waits", "Every executor that knows it is at its limit."),
        ({}, "Waits", "It is next and starts in a moment."),
    ],
)
def test_a_queue_says_why_its_first_workflow_waits(operator_client: Client, change: dict, word: str, sentence: str):
    make_executor("worker-1")
    Queue.objects.create(name="orders", starts=[time.time() - 5], **change)
    make_workflow("held", status="PENDING", executor="id-worker-1", admitted="orders", started_at=timezone.now())
    make_workflow("waits")
    text = seen(operator_client, "queue", "orders")
    assert f"<em>{word}</em> orders" in text
    assert "Why is waits queued?" in text
    assert sentence in text


def test_a_queue_that_nobody_serves_says_so(operator_client: Client):
    make_executor("worker-1", queues=["mail"])
    make_workflow("waits")
    text = seen(operator_client, "queue", "orders")
    assert "<em>Unserved</em> orders" in text
    assert "No living executor serves queue orders." in text


def test_a_parked_workflow_keeps_its_place(operator_client: Client):
    make_executor("worker-1")
    Queue.objects.create(name="orders", concurrency=2)
    make_workflow("sleeps", **parked("sleep", admitted="orders"))
    make_workflow("runs", status="PENDING", executor="id-worker-1", admitted="orders", started_at=timezone.now())
    make_workflow("waits")
    text = seen(operator_client, "queue", "orders")
    assert "<b>2</b> of 2" in text
    assert "1 run; 1 parked keep their place." in text
    assert "All 2 slots of orders are in use." in text


def test_the_place_in_line_follows_priority_then_arrival(operator_client: Client):
    make_executor("worker-1")
    for position, (pk, priority) in enumerate((("c", 5), ("a", 1), ("b", 1), ("d", 5))):
        make_workflow(pk, priority=priority, position=position)
    for place, pk in enumerate("abcd", 1):
        assert f"<b>{place}</b> of 4" in seen(operator_client, "queue", "orders", why=pk)
    assert "x does not wait here." in seen(operator_client, "queue", "orders", why="x")


def test_a_queue_shows_what_is_declared_and_what_an_operator_set(operator_client: Client):
    Queue.objects.create(name="orders", declared={"concurrency": 8}, override={"concurrency": 10}, concurrency=10)
    assert "overridden, declared 8" in seen(operator_client, "queue", "orders")
    assert "10 at once" in seen(operator_client, "queues")


def test_executors_are_shown_in_the_state_they_are_in(operator_client: Client):
    make_crowd()
    text = seen(operator_client, "executors")
    assert "4 executors are alive, 2 of them take new work; 1 was lost." in text
    for word in ("Alive", "Draining", "Lost", "Stopped", "only its own direct calls", "running-1", "charge"):
        assert word in text


def test_the_census_says_when_it_stopped_counting(operator_client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dashboard.census.CAP", 5)
    make_executor("worker-1")
    for n in range(9):
        make_workflow(f"o-{n}")
    assert "<b>5+</b>queued" in seen(operator_client, "overview")
    Workflow.objects.filter(pk__gte="o-3").delete()
    assert "<b>3</b>queued" in seen(operator_client, "overview")
