"""What a person can do with one workflow: each action says what it will do, does it, and leaves a row in the audit."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from durable.models import AuditEntry, Message, Queue, Step, Workflow

from .crowd import HOSTILE, ended, make_crowd, make_executor, make_hostile_crowd, make_workflow, parked
from .forms import act, address, entry, filled, seen
from .journals import Journal, failed_checkout
from .markup import Markup

ACTIONS = ("cancel", "resume", "restart", "fork", "rewind", "send", "delay", "delete")


# --- each page


@pytest.mark.parametrize("fill", [make_crowd, failed_checkout, make_hostile_crowd], ids=["crowd", "story", "hostile"])
def test_every_action_of_every_state_is_a_page_without_script(operator_client: Client, fill: Any):
    fill()
    for pk in Workflow.objects.values_list("pk", flat=True):
        for action in ACTIONS:
            answer = operator_client.get(address(pk, action, "?tab=steps&step=2&edit=1,2,x&source=y"))
            markup = Markup(answer.text)
            assert (answer.status_code, markup.problems) == (200, []), (pk, action)
            assert len(markup.ids) == len(set(markup.ids)), (pk, action)
            assert markup.tags.count("img") == 0 and markup.tags.count("script") == 2


def test_the_page_of_a_workflow_offers_each_action_or_says_why_not(operator_client: Client):
    failed_checkout()
    page = operator_client.get(address("checkout-1", "workflow"))
    for action in ("fork", "send", "restart", "rewind", "delete"):
        assert f'href="{address("checkout-1", action)}"' in page.text
    for action in ("cancel", "resume", "delay"):
        assert f'href="{address("checkout-1", action)}"' not in page.text
    text = seen(page)
    assert "a resume would only raise it again. Fork or rewind it to before that step." in text
    assert "It has ended: there is nothing to cancel." in text
    make_workflow("parked", **parked("sleep"))
    assert "It has not ended: cancel it first, then rewind it." in seen(
        operator_client.get(address("parked", "workflow"))
    )


def test_an_action_leads_back_to_the_page_as_it_was(operator_client: Client):
    make_workflow("parked", **parked("sleep"))
    page = operator_client.get(address("parked", "workflow", "?tab=steps&only=errors"))
    query = "?tab=steps&amp;only=errors"
    assert f'href="{address("parked", "cancel")}{query}"' in page.text
    page = operator_client.get(address("parked", "cancel", "?tab=steps&only=errors"))
    assert f'href="{address("parked", "workflow")}{query}"' in page.text


def test_who_may_only_look_sees_no_button_and_cannot_act(viewer_client: Client):
    make_workflow("parked", **parked("sleep"))
    page = viewer_client.get(address("parked", "workflow")).text
    assert "d-acts" not in page
    for action in ACTIONS:
        assert address("parked", action) not in page
        assert viewer_client.get(address("parked", action)).status_code == 403
        assert viewer_client.post(address("parked", action)).status_code == 403
    assert Workflow.objects.get(pk="parked").status == "PENDING" and not AuditEntry.objects.exists()


def test_an_action_needs_a_token_against_forgery(database: str):
    make_workflow("parked", **parked("sleep"))
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.create_superuser("operator"))
    assert client.post(address("parked", "cancel")).status_code == 403
    client.post(address("parked", "cancel"), filled(client.get(address("parked", "cancel")).text))
    assert Workflow.objects.get(pk="parked").status == "CANCELLED"


def test_a_reason_is_kept_in_the_audit(operator_client: Client):
    make_workflow("parked", **parked("sleep"))
    act(operator_client, "parked", "cancel", reason=f"wrong segment {HOSTILE}")
    assert entry().detail["reason"] == f"wrong segment {HOSTILE}"
    assert Markup(operator_client.get(address("parked", "workflow", "?tab=audit")).text).tags.count("img") == 0
    assert operator_client.post(address("parked", "send"), {"reason": "x" * 301}).status_code == 400


# --- cancel and resume


def test_cancel_cancels_and_says_who_did(operator_client: Client):
    make_workflow("parked", **parked("sleep"))
    assert "It ends at once" in seen(operator_client.get(address("parked", "cancel")))
    answer = act(operator_client, "parked", "cancel", "?tab=steps")
    assert answer.redirect_chain == [(address("parked", "workflow", "?tab=steps"), 302)]
    assert Workflow.objects.get(pk="parked").status == "CANCELLED"
    assert "What it recorded stays" in answer.text
    assert "Cancelled by operator from the dashboard" in seen(answer)
    assert (entry().actor, entry().action, entry().target, entry().source) == (
        "operator", "cancel", "parked", "dashboard",
    )  # fmt: skip


def test_cancel_takes_children_only_when_asked(operator_client: Client):
    for pk in ("parent-1", "parent-2"):
        make_workflow(pk, **parked("sleep"))
        make_workflow(f"child-of-{pk}", **parked("sleep", parent=pk))
    assert "1 child has not ended" in seen(operator_client.get(address("parent-1", "cancel")))
    act(operator_client, "parent-1", "cancel")
    act(operator_client, "parent-2", "cancel", children="on")
    statuses = dict(Workflow.objects.values_list("pk", "status"))
    assert statuses["child-of-parent-1"] == "PENDING" and statuses["child-of-parent-2"] == "CANCELLED"
    assert AuditEntry.objects.get(target="parent-2").detail == {"children": True, "changed": True}


def test_what_cannot_be_done_says_so_and_leaves_no_row(operator_client: Client):
    make_workflow("over", **ended("SUCCESS"))
    make_workflow("parked", **parked("sleep"))
    for pk, action, why in (
        ("over", "cancel", "nothing to cancel"),
        ("over", "resume", "nothing to resume"),
        ("over", "delay", "It has ended."),
        ("parked", "rewind", "cancel it first"),
        ("parked", "resume", "nothing to resume"),
        ("parked", "delay", "only what waits for its start"),
    ):
        page = operator_client.get(address(pk, action))
        assert why in seen(page) and "<button class" not in page.text.split("h-ask")[-1], (pk, action)
        answer = operator_client.post(address(pk, action), {"start_step": 1})
        assert answer.status_code == 409 and why in seen(answer), (pk, action)
    assert not AuditEntry.objects.exists()
    assert dict(Workflow.objects.values_list("pk", "status")) == {"over": "SUCCESS", "parked": "PENDING"}


def test_resume_lets_it_go_on_and_says_who_did(operator_client: Client):
    make_executor("worker-1")
    journal = Journal("stopped", **ended("CANCELLED"))
    journal.step(1, "charge", 2, 3)
    assert "Resume goes on at step 2; step 1 stays recorded." in seen(
        operator_client.get(address("stopped", "workflow"))
    )
    page = seen(operator_client.get(address("stopped", "resume")))
    assert "Step 1 stays recorded and will not run again." in page and "It goes on at step 2." in page
    answer = act(operator_client, "stopped", "resume")
    assert Workflow.objects.get(pk="stopped").status == "ENQUEUED" and "Resumed." in answer.text
    assert entry().action == "resume" and entry().detail == {"changed": True}


def test_resume_can_wait_its_turn_in_a_queue(operator_client: Client):
    Queue.objects.create(name="orders")
    make_workflow("stopped", **ended("CANCELLED"))
    answer = act(operator_client, "stopped", "resume", queue="orders")
    assert "It waits in orders" in answer.text
    assert Workflow.objects.get(pk="stopped").queue == "orders"
    assert operator_client.post(address("stopped", "resume"), {"queue": "nobody"}).status_code == 400


def test_what_is_delayed_starts_now(operator_client: Client):
    make_workflow("later", status="DELAYED", run_after=None, wake_at=timezone.now() + timedelta(days=3))
    assert "Start now shop.checkout?" in seen(operator_client.get(address("later", "resume")))
    act(operator_client, "later", "resume")
    assert Workflow.objects.get(pk="later").status == "ENQUEUED"


# --- delete, send, delay


def test_a_deleted_workflow_is_gone_with_its_children_if_wanted(operator_client: Client):
    failed_checkout()
    assert "1 child of it stays" in seen(operator_client.get(address("checkout-1", "delete")))
    answer = act(operator_client, "checkout-1", "delete", children="on")
    assert answer.redirect_chain == [(reverse("durable_dashboard:workflows"), 302)]
    assert "Deleted shop.checkout checkout-1." in seen(answer)
    assert not Workflow.objects.exists() and not Step.objects.exists()
    assert entry().detail == {"name": "shop.checkout", "status": "ERROR", "children": True, "changed": True}


def test_a_message_is_sent_once_however_often_the_form_is(operator_client: Client):
    make_workflow("parked", **parked("message:payment"))
    page = operator_client.get(address("parked", "send"))
    assert "It waits for a message with topic payment" in seen(page)
    form = filled(page.text)
    assert form["topic"] == "payment"
    for _ in range(2):
        operator_client.post(address("parked", "send"), {**form, "body": '{"paid": true}'})
    message = Message.objects.get()
    assert (message.workflow_id, message.topic, message.body) == ("parked", "payment", '{"paid":true}')
    assert AuditEntry.objects.filter(action="send", detail__topic="payment").count() == 2
    assert "true" not in json.dumps([each.detail for each in AuditEntry.objects.all()]), "a body is a payload"


@pytest.mark.parametrize("body", ["", "paid", "{", '"a', '{"$": "no-such-tag", "v": 1}', "Infinity", "\0"])
def test_a_message_that_cannot_be_read_is_not_sent(operator_client: Client, body: str):
    make_workflow("parked", **parked("message:payment"))
    answer = act(operator_client, "parked", "send", body=body)
    assert answer.status_code == 400 and Markup(answer.text).problems == []
    assert not Message.objects.exists() and not AuditEntry.objects.exists()


def test_a_message_to_what_has_ended_says_that_nobody_reads_it(operator_client: Client):
    make_workflow("over", **ended("SUCCESS"))
    assert "nobody reads the message" in seen(operator_client.get(address("over", "send")))
    act(operator_client, "over", "send", body="1", topic="")
    assert Message.objects.get().topic == ""


def test_a_delay_takes_a_length_or_a_time(operator_client: Client):
    make_workflow("waiting")
    act(operator_client, "waiting", "delay", until="2h")
    row = Workflow.objects.get(pk="waiting")
    assert row.status == "DELAYED" and timedelta(minutes=119) < row.wake_at - timezone.now() < timedelta(hours=2)
    answer = act(operator_client, "waiting", "delay", until="2099-11-20 14:32")
    assert f"{Workflow.objects.get(pk='waiting').wake_at:%Y-%m-%d %H:%M}" == "2099-11-20 14:32"
    assert "Delayed until" in seen(answer)
    for nonsense in ("", "soon", "99999999999d", "999999999w", "\0", "2026-99-99", HOSTILE):
        assert act(operator_client, "waiting", "delay", until=nonsense).status_code == 400, nonsense
    assert f"{Workflow.objects.get(pk='waiting').wake_at:%Y}" == "2099"
