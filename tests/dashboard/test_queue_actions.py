"""Queues as people steer them: limits, declared and overridden; pause; partitions."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

import durable
from durable.models import AuditEntry, Queue, Workflow

from .crowd import HOSTILE, make_crowd, make_executor, make_hostile_crowd, make_workflow
from .forms import entry, filled, seen
from .markup import Markup

ACTIONS = ("limits", "clear", "pause", "resume")
EMPTY = {
    "concurrency": "",
    "worker_concurrency": "",
    "limiter": "",
    "limiter_period": "",
    "max_tasks_per_iteration": "",
}


def address(name: str, action: str = "", query: str = "") -> str:
    return reverse(f"durable_dashboard:queue{'_' if action else ''}{action}", args=[name]) + query


def act(client: Client, name: str, action: str, query: str = "", **given: Any) -> Any:
    form = filled(client.get(address(name, action, query)).text)
    return client.post(address(name, action, query), {**form, **given}, follow=True)


def orders(**limits: Any) -> Queue:
    return durable.register_queue("orders", **limits)


def row(name: str = "orders") -> Queue:
    return Queue.objects.get(pk=name)


def test_declared_and_overridden_limits_stand_side_by_side(operator_client: Client, viewer_client: Client):
    orders(concurrency=8, limiter={"limit": 50, "period": 30})
    durable.set_queue_limits("orders", concurrency=10)
    text = seen(operator_client.get(address("orders")))
    assert "Running everywhere 10 8 overridden back to 8" in text
    assert "Starts in a window 50 in 30 s 50 in 30 s no" in text
    assert "Running per executor none none no" in text
    looked = viewer_client.get(address("orders")).text
    assert "overridden" in looked and not [action for action in ACTIONS if address("orders", action) in looked]


def test_a_limit_is_changed_live_and_said_so(operator_client: Client):
    orders(concurrency=8, limiter={"limit": 50, "period": 30})
    form = filled(operator_client.get(address("orders", "limits")).text)
    assert (form["concurrency"], form["limiter"], form["limiter_period"]) == ("8", "50", "30")
    answer = act(operator_client, "orders", "limits", concurrency="10", limiter="5", limiter_period="0.5")
    assert "In force now: running everywhere 10, starts in a window 5 in 0.5 s." in seen(answer)
    assert row().override == {"concurrency": 10, "rate_limit": 5, "rate_period": 0.5}
    assert (row().concurrency, row().rate_limit) == (10, 5)
    assert (entry().kind, entry().action, entry().target) == ("queue", "limits", "orders")
    assert entry().detail["limits"] == {"concurrency": "10", "limiter": "5 in 0.5 s"}


def test_no_limit_is_an_override_and_the_declared_value_is_none(operator_client: Client):
    orders(concurrency=8)
    act(operator_client, "orders", "limits", concurrency="")
    assert row().override == {"concurrency": None} and row().concurrency is None
    answer = act(operator_client, "orders", "limits", concurrency="8")
    assert row().override == {} and row().concurrency == 8 and "In force now" in seen(answer)
    assert "Nothing was different" in seen(act(operator_client, "orders", "limits"))
    assert AuditEntry.objects.filter(detail__changed=False).count() == 1


def test_overrides_are_cleared_one_by_one_or_all(operator_client: Client):
    orders(concurrency=8, worker_concurrency=2)
    durable.set_queue_limits("orders", concurrency=10, worker_concurrency=3, limiter={"limit": 1, "period": 2})
    page = seen(operator_client.get(address("orders", "clear", "?limit=limiter")))
    assert "Starts in a window: no limit as declared, in place of 1 in 2 s." in page and "everywhere" not in page
    act(operator_client, "orders", "clear", "?limit=limiter")
    assert row().override == {"concurrency": 10, "worker_concurrency": 3}
    act(operator_client, "orders", "clear")
    assert row().override == {} and (row().concurrency, row().worker_concurrency) == (8, 2)
    for query in ("", "?limit=concurrency", "?limit=nonsense"):
        assert operator_client.post(address("orders", "clear", query)).status_code == 409


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"concurrency": "0"}, "greater than or equal to 1"),
        ({"concurrency": "many"}, "whole number"),
        ({"concurrency": "1.5"}, "whole number"),
        ({"concurrency": "99999999999"}, "less than or equal to"),
        ({"limiter": "5"}, "Give both, or neither"),
        ({"limiter_period": "5"}, "Give both, or neither"),
        ({"limiter": "5", "limiter_period": "0"}, "greater than or equal to 0.001"),
        ({"limiter": "5", "limiter_period": "nan"}, "Enter a number"),
        ({"concurrency": "2", "worker_concurrency": "3"}, "at most the concurrency"),
    ],
)
def test_a_limit_that_makes_no_sense_changes_nothing(operator_client: Client, given: dict[str, str], why: str):
    orders(concurrency=8)
    answer = operator_client.post(address("orders", "limits"), {**EMPTY, "concurrency": "8", **given})
    assert answer.status_code == 400 and why in seen(answer) and Markup(answer.text).problems == []
    assert row().override == {} and not AuditEntry.objects.exists()


def test_a_queue_is_paused_and_resumed(operator_client: Client):
    orders(concurrency=2)
    make_executor("worker-1")
    make_workflow("waiting")
    assert "1 workflow waits now" in seen(operator_client.get(address("orders", "pause")))
    answer = act(operator_client, "orders", "pause", reason="bank is down")
    assert row().paused and "Paused orders" in seen(answer) and entry().detail == {"reason": "bank is down"}
    assert operator_client.post(address("orders", "pause")).status_code == 409
    assert "within its limits: 2 at once" in seen(operator_client.get(address("orders", "resume")))
    act(operator_client, "orders", "resume")
    assert not row().paused and operator_client.post(address("orders", "resume")).status_code == 409


def test_only_with_its_right_a_queue_is_steered(viewer_client: Client):
    orders(concurrency=8)
    for action in ACTIONS:
        for answer in (viewer_client.get(address("orders", action)), viewer_client.post(address("orders", action))):
            assert answer.status_code == 403 and "durable.operate_queue" in answer.text
    assert not row().paused and not AuditEntry.objects.exists()


def test_a_queue_that_nobody_declared_cannot_be_steered(operator_client: Client):
    make_workflow("waiting", queue="ghost")
    page = operator_client.get(address("ghost"))
    assert page.status_code == 200 and "Change limits" not in page.text
    for action in ACTIONS:
        for answer in (operator_client.get(address("ghost", action)), operator_client.post(address("ghost", action))):
            assert answer.status_code == 404, action


def test_partitions_show_who_waits_and_what_holds_them(operator_client: Client):
    make_executor("worker-1")
    durable.register_queue("tenants", partition_queue=True, concurrency=1, limiter={"limit": 2, "period": 60})
    who = {"queue": "tenants", "name": "shop.checkout"}
    make_workflow("eu-1", **who, partition_key="eu", admitted="tenants", status="PENDING", executor="id-worker-1")
    for n in range(2, 5):
        make_workflow(f"eu-{n}", **who, partition_key="eu", position=n)
    make_workflow("us-1", **who, partition_key="us")
    Queue.objects.filter(pk="tenants").update(partition_starts={"us": [time.time(), time.time()], "eu": [1.0]})
    answer = operator_client.get(address("tenants", query="?why=eu-4"))
    text = seen(answer)
    assert "eu 3 1 of 1 0 of 2 At its limit" in text and "us 1 0 of 1 2 of 2 At rate limit" in text
    assert "4 wait because every partition of them is at a limit" in text
    assert "Partition eu is at its limit, and 2 are ahead of it." in text
    assert "A slot of its partition is free1 of 1 in use" in text
    page = seen(operator_client.get(reverse("durable_dashboard:workflow", args=["us-1"])))
    assert "Queued in tenants: partition us is at its rate limit." in page and "It is next." in page
    form = filled(operator_client.get(address("tenants", "limits")).text)
    assert form["partition_concurrency"] == "1" and form["partition_limiter_period"] == "60"
    act(operator_client, "tenants", "limits", partition_concurrency="3")
    assert row("tenants").override == {"partition_concurrency": 3}


@pytest.mark.parametrize("fill", [make_crowd, make_hostile_crowd], ids=["crowd", "hostile"])
def test_every_page_and_action_renders_whatever_stands_in_the_row(operator_client: Client, fill: Any):
    fill()
    for name in Queue.objects.values_list("pk", flat=True):
        for action in ("", *ACTIONS):
            for query in ("", f"?limit={HOSTILE[:8]}&why=%00"):
                markup = Markup((answer := operator_client.get(address(name, action, query))).text)
                assert (answer.status_code, markup.problems) == (200, []), (name, action)
                assert markup.tags.count("img") == 0 and len(markup.ids) == len(set(markup.ids))
    assert Workflow.objects.exists()
