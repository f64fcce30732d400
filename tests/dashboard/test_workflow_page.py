"""The page of one workflow."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from dashboard.armour import HEADERS
from dashboard.asked import TABS
from durable.models import AuditEntry, Event, Executor, Message, Queue, Step, Workflow

from .crowd import HOSTILE, ended, make_crowd, make_executor, make_hostile_crowd, make_workflow
from .journals import Journal, error_of, failed_checkout
from .markup import Markup

HTMX = {"HX-Request": "true"}
ACTIONS = ("cancel", "resume", "restart", "fork", "rewind", "send", "delay", "delete")
CAUSES = {
    "queued-1": "Queued: the only place of orders is in use.",
    "queued-2": "Queued: queue imports is paused.",
    "queued-3": "Queued, and no living executor",
    "queued-4": "Waits for an executor with room.",
    "unserved-1": "no living executor knows old.thing",
    "delayed-1": "Starts ",
    "running-1": "Step 2 charge runs on worker-1",
    "running-2": "Its executor lost is lost.",
    "parked-0": "Asleep until ",
    "parked-1": "Parked for a message on payment",
    "parked-2": "Parked for a message without a topic",
    "parked-3": "Parked for event closed of ledger",
    "parked-4": "Parked until invoice-1 ends",
    "parked-5": "Step push is tried again",
    "parked-6": "Due to go on",
    "parked-7": "Due to go on",
    "success-1": "with its result recorded: no steps.",
    "failed-1": "The workflow’s own code raised CardDeclined: The card was declined",
    "cancelled-1": "Cancelled by jonas from the dashboard",
    "cancelled-2": "Cancelled",
    "dead-1": "Set aside after 100 crashes",
}


def address(pk: str, query: str = "", action: str = "workflow") -> str:
    return reverse(f"durable_dashboard:{action}", args=[pk]) + query


def why(html: str) -> str:
    found = re.search(r'<p class="d-why">(.*?)</p>', html, re.DOTALL)
    assert found
    return strip_tags(found[1])


def everything() -> dict[str, list[Any]]:
    """All rows of the engine, to see that nothing has changed."""
    models = apps.get_app_config("durable").get_models()
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_every_state_says_its_cause_and_renders_in_every_tab(operator_client: Client):
    make_crowd()
    for pk, cause in CAUSES.items():
        for tab in TABS:
            answer = operator_client.get(address(pk, f"?tab={tab}"))
            assert answer.status_code == 200, (pk, tab)
            assert cause in why(answer.text), pk
            markup = Markup(answer.text)
            assert markup.problems == [] and len(markup.ids) == len(set(markup.ids)), (pk, tab)
            assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_a_failure_names_the_step_its_attempts_and_the_error(operator_client: Client):
    failed_checkout()
    said = why(operator_client.get(address("checkout-1")).text)
    assert "Step 9 send_receipt failed three times with SMTPServerDisconnected: Connection unexpectedly closed" in said
    assert "Steps 1 to 8 are recorded and will not run again." in said


def test_the_timeline_draws_the_whole_story(operator_client: Client):
    failed_checkout()
    html = operator_client.get(address("checkout-1", "?step=5&open=6")).text
    markup = Markup(html)
    assert markup.problems == []
    assert [f"s{n}" in markup.ids for n in range(10)] == [True] * 10 and "s6-1" in markup.ids
    drawing = html.partition('<ol class="d-tl"')[2].partition("</ol>")[0]
    assert drawing.count('class="d-fold"') == 3 and drawing.count('class="d-epoch"') == 1
    assert "timeout" in html and "recv <span" in html and "result of" in html
    assert "fra-1 lost" in html and "Succeeded on attempt 2" in html
    assert "9007199254740993" in html and "249.90" in html and "checkout-1:5" in html
    assert 'href="?step=5"' in html and "http-equiv" not in html


def test_a_child_opens_and_its_steps_have_their_own_inspector(operator_client: Client):
    failed_checkout()
    assert 'id="s6-1"' not in operator_client.get(address("checkout-1")).text
    html = operator_client.get(address("checkout-1", "?open=6&step=6.1")).text
    assert "book_courier" in html and "ship-1:1" in html and "DHL" in html
    assert operator_client.get(address("checkout-1", "?step=6.1")).status_code == 200
    for nonsense in ("99", "6.99", "1.1", "x", "0.0", "999999999"):
        assert operator_client.get(address("checkout-1", f"?step={nonsense}&open={nonsense}")).status_code == 200


def test_hostile_text_stays_text_everywhere(operator_client: Client):
    make_hostile_crowd()
    journal = Journal("hostile", name=HOSTILE, status="ERROR", failure="ERROR", error=error_of(HOSTILE, HOSTILE),
                      input=json.dumps({HOSTILE: HOSTILE}), attributes={HOSTILE: HOSTILE}, parent=HOSTILE)  # fmt: skip
    journal.step(1, HOSTILE, 2, 3, error=error_of(HOSTILE, HOSTILE, traceback=HOSTILE), attempts=2)
    journal.failure(1, 1, HOSTILE, 1, 2, error_of(HOSTILE, HOSTILE))
    journal.step(2, HOSTILE, 3, 4, "child", child=HOSTILE, output="{" + HOSTILE)
    journal.step(3, HOSTILE, 3, 4, HOSTILE, child=HOSTILE)
    Event.objects.create(workflow=journal.workflow, key=HOSTILE, seq=1, value=json.dumps(HOSTILE))
    Message.objects.create(workflow=journal.workflow, topic=HOSTILE, key="k", body=HOSTILE, sender=HOSTILE)
    AuditEntry.objects.create(
        actor=HOSTILE, action=HOSTILE, target="hostile", detail={HOSTILE: HOSTILE}, source=HOSTILE
    )
    for pk in Workflow.objects.values_list("pk", flat=True):
        for query in (*(f"?tab={tab}" for tab in TABS), "?step=1", "?step=2", "?step=0&find=<img>"):
            answer = operator_client.get(address(pk, query))
            markup = Markup(answer.text)
            assert (answer.status_code, markup.problems) == (200, []), (pk, query)
            assert markup.tags.count("img") == 0 and markup.tags.count("script") == 2
            assert "15" not in markup.values("data-copy"), "a template was rendered twice"


def test_without_the_right_no_payload_is_shown(viewer_client: Client, operator_client: Client):
    failed_checkout()
    secrets = (
        "FJ-88213",
        "9007199254740993",
        "Connection unexpectedly closed",
        "pay.example",
        "503 upstream",
        "server.send",
    )
    for query in (*(f"?tab={tab}&step={step}" for tab in TABS for step in (0, 2, 5, 8, 9)), "?open=6&step=6.1"):
        text = viewer_client.get(address("checkout-1", query)).text
        assert not [secret for secret in (*secrets, "DHL") if secret in text], query
    assert "SMTPServerDisconnected" in viewer_client.get(address("checkout-1")).text
    assert "durable.view_payload" in viewer_client.get(address("checkout-1", "?step=5")).text
    for name in ("input", "output", "error"):
        assert viewer_client.get(address("checkout-1", f"?download={name}&step=5")).status_code == 403


def test_a_payload_is_downloaded_as_a_file_that_nothing_renders(operator_client: Client):
    failed_checkout()
    answer = operator_client.get(address("checkout-1", "?download=output&step=5"))
    assert json.loads(answer.content)["balance"] == 9007199254740993
    assert answer.headers["Content-Disposition"] == 'attachment; filename="output-5.json"'
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert operator_client.get(address("checkout-1", "?download=output&step=6.1")).content == b'"DHL"'
    assert b"FJ-88213" in operator_client.get(address("checkout-1", "?download=input")).content
    for missing in ("?download=output&step=99", "?download=output", "?download=id", "?download=error&step=1.1"):
        assert operator_client.get(address("checkout-1", missing)).status_code == 404, missing


def test_a_large_payload_is_cut_until_all_of_it_is_asked_for(operator_client: Client):
    large = json.dumps({"n": 1, "text": ["x" * 100] * 2000, "last": "the very end"})
    make_workflow("large", **ended("SUCCESS", input=large, output="1"))
    html = operator_client.get(address("large", "?tab=raw")).text
    assert "The first 65.5 kB of" in html and "the very end" not in html
    html = operator_client.get(address("large", "?tab=raw&whole=input")).text
    assert "the very end" in html and "The first" not in html


def test_it_asks_for_news_until_it_has_ended(operator_client: Client):
    make_crowd()
    page = operator_client.get(address("parked-1", "?step=0")).text
    assert 'hx-trigger="every 2s, durable:news"' in page and "data-poll" in page
    poll = re.search(r'hx-get="([^"]+)"', page)
    assert poll
    query = poll[1].replace("&amp;", "&")
    with CaptureQueriesContext(connection) as asked:
        answer = operator_client.get(address("parked-1", query), headers=HTMX)
    assert (answer.status_code, answer.content) == (204, b"")
    assert len([q for q in asked if "durable_" in q["sql"]]) == 1
    Message.objects.create(workflow_id="parked-1", topic="payment", key="1", body="1")
    part = operator_client.get(address("parked-1", query), headers=HTMX)
    assert part.status_code == 200 and part.text.lstrip().startswith('<div id="workflow"') and "<html" not in part.text
    Workflow.objects.filter(pk="parked-1").update(**ended("SUCCESS"))
    part = operator_client.get(address("parked-1", query), headers=HTMX)
    assert part.status_code == 200 and "hx-get" not in part.text and "data-poll" not in part.text


def test_the_page_holds_the_very_part_that_a_poll_gets(operator_client: Client):
    failed_checkout()
    page = operator_client.get(address("checkout-1", "?step=5")).text
    part = operator_client.get(address("checkout-1", "?step=5"), headers=HTMX).text
    assert " ".join(part.split()) in " ".join(page.split())
    restored = operator_client.get(address("checkout-1"), headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert "<html" in restored.text


def test_a_new_step_changes_the_token(operator_client: Client):
    journal = Journal("running", status="PENDING", executor="e", epoch=1, run_after=timezone.now())
    query = re.search(r'hx-get="([^"]+)"', operator_client.get(address("running")).text)[1]  # type: ignore[index]
    assert query
    journal.step(1, "a", 2, 3)
    assert operator_client.get(address("running", query), headers=HTMX).status_code == 200


def test_looking_changes_nothing(operator_client: Client):
    make_crowd()
    failed_checkout()
    operator_client.get(address("checkout-1"))
    before = everything()
    for query in ("", "?tab=raw", "?step=5&open=6", "?download=input", "?since=x"):
        operator_client.get(address("checkout-1", query))
        operator_client.head(address("checkout-1", query))
        operator_client.get(address("checkout-1", query), headers=HTMX)
    for action in ACTIONS:
        assert operator_client.get(address("checkout-1", action=action)).status_code == 200
        operator_client.head(address("checkout-1", action=action))
        assert operator_client.put(address("checkout-1", action=action)).status_code == 405
    assert operator_client.post(address("checkout-1")).status_code == 405
    assert everything() == before


def test_a_long_journal_comes_in_windows_at_a_steady_price(operator_client: Client):
    journal = Journal("long", status="SUCCESS", completed_at=timezone.now())
    rows = [
        Step(
            workflow_id="long",
            seq=n,
            name=f"poll_{n}",
            epoch=1,
            started_at=journal.at(n),
            completed_at=journal.at(n + 0.5),
        )
        for n in range(1, 5203)
    ]
    Step.objects.bulk_create(rows[:450])
    html = operator_client.get(address("long")).text
    assert html.count('<li class="d-l1') == 200 and "Slots 1 to 200 of 450" in html
    html = operator_client.get(address("long", "?after=400")).text
    assert html.count('<li class="d-l1') == 50 and "Slots 401 to 450 of 450" in html and "poll_401" in html
    Step.objects.bulk_create(rows[450:])
    for query in ("?after=5100", "?after=300&step=400", "?find=poll_5100", "?only=errors", "?tab=steps&after=5100"):
        with CaptureQueriesContext(connection) as asked:
            html = operator_client.get(address("long", query)).text
        assert Markup(html).problems == [] and len(asked) <= 12, query
    assert "poll_5101" in html and "poll_5202" in html


def test_a_page_asks_at_most_twelve_times(operator_client: Client):
    make_crowd()
    failed_checkout()
    for query in ("checkout-1", "queued-1", "running-1", "parked-4", "dead-1"):
        with CaptureQueriesContext(connection) as asked:
            operator_client.get(address(query, "?step=6.1&open=6"))
        own = [q["sql"] for q in asked if "durable_" in q["sql"]]
        assert len(own) <= 12, own


def test_an_unknown_id_is_a_page_that_says_so(operator_client: Client):
    for answer in (
        operator_client.get(address("nobody")),
        operator_client.get(address("nobody"), headers=HTMX),
        operator_client.get(address("nobody", "?since=x"), headers=HTMX),
        *(operator_client.get(address("nobody", action=action)) for action in ACTIONS),
        *(operator_client.post(address("nobody", action=action)) for action in ACTIONS),
    ):
        assert answer.status_code == 404 and "nobody" in answer.text
    assert not AuditEntry.objects.exists()


def test_a_queue_says_how_many_stand_before(operator_client: Client):
    make_executor("worker-1")
    Queue.objects.create(name="orders", concurrency=2)
    now = timezone.now()
    for n in range(2):
        make_workflow(f"holder-{n}", status="PENDING", executor="id-worker-1", admitted="orders", started_at=now)
    for n in range(3):
        make_workflow(f"waiting-{n}", position=n)
    said = why(operator_client.get(address("waiting-2")).text)
    assert "all 2 places of orders are in use" in said and "2 stand before it" in said
    assert "It is next." in why(operator_client.get(address("waiting-0")).text)


def test_a_step_in_its_second_attempt_says_so(operator_client: Client):
    executor = make_executor("worker-1")
    journal = Journal("running", status="PENDING", executor="id-worker-1", epoch=1, run_after=timezone.now())
    journal.failure(1, 1, "charge", 2, 3, error_of("APIError", "503"))
    acts = [
        {"workflow": "running", "seq": 1, "step": "charge", "attempt": 2, "seconds": 4.5},
        5,
        {"workflow": "running", "seq": []},
    ]
    Executor.objects.filter(pk=executor.pk).update(activity=acts, heartbeat_at=timezone.now() - timedelta(seconds=1))
    html = operator_client.get(address("running", "?step=1")).text
    assert "Step 1 charge is in attempt 2 on worker-1. Attempt 1 failed with APIError: 503." in why(html)
    assert "d-g-live" in html and "not recorded yet" in html
