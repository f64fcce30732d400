"""Running a workflow again from a step: the page says first what is kept, what runs again, and what is taken back."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from durable.models import AuditEntry, Event, Message, Step, Workflow

from .crowd import ended, make_executor, make_stream, make_workflow, parked
from .forms import act, address, entry, filled, seen
from .journals import Journal, failed_checkout
from .markup import Markup


def recorded(pk: str) -> list[int]:
    return list(Step.objects.filter(workflow=pk).order_by("seq").values_list("seq", flat=True))


def test_a_fork_says_first_which_steps_are_kept(operator_client: Client):
    failed_checkout()
    page = operator_client.get(address("checkout-1", "fork"))
    assert "Fork shop.checkout from step 9" in seen(page), "the step that failed is the likely one"
    page = operator_client.get(address("checkout-1", "fork", "?step=4"))
    text = seen(page)
    assert "3 recorded steps are kept: what is before step 4 will not run again." in text
    assert "6 recorded steps run again, from step 4 on" in text
    rows = dict(re.findall(r'title="Begin here">(\d+)</a>.*?<td><span class="d-st d-s-(\w+)"', page.text))
    assert rows == {**dict.fromkeys("123", "success"), **dict.fromkeys("456789", "backoff")}
    assert "3 recorded steps are kept" in seen(operator_client.get(address("checkout-1", "fork", "?step=4.1")))
    for nonsense in ("0", "x", "-1", "9999999999", "99", "%00", ""):
        assert operator_client.get(address("checkout-1", "fork", f"?step={nonsense}")).status_code == 200, nonsense


def test_a_fork_runs_from_its_step_and_leads_to_the_new_one(operator_client: Client):
    failed_checkout()
    answer = act(operator_client, "checkout-1", "fork", "?step=4", workflow_id="again/1")
    assert answer.redirect_chain == [(address("again/1", "workflow"), 302)]
    assert "Forked from step 4. This is the fork." in seen(answer)
    fork = Workflow.objects.get(pk="again/1")
    assert (fork.status, fork.forked_from) == ("ENQUEUED", "checkout-1") and recorded("again/1") == [1, 2, 3]
    assert Workflow.objects.get(pk="checkout-1").status == "ERROR" and len(recorded("checkout-1")) == 9
    assert entry().detail == {"start_step": 4, "fork": "again/1"}
    assert "1 fork" in seen(operator_client.get(address("checkout-1", "workflow")))
    assert f'href="{address("checkout-1", "workflow")}"' in answer.text


def test_an_output_is_edited_as_the_json_that_is_stored(operator_client: Client):
    failed_checkout()
    page = operator_client.get(address("checkout-1", "fork", "?step=6"))
    assert "edit=5#id_output_5" in page.text and "edit=1#" in page.text
    assert "edit=2#" not in page.text, "what sets an event gives no value"
    assert "edit=6#" not in page.text, "what runs again has no output to edit"
    page = operator_client.get(address("checkout-1", "fork", "?step=6&edit=5,3,7"))
    assert filled(page.text)["output_5"] == Step.objects.get(workflow="checkout-1", seq=5).output
    assert "output_7" not in page.text
    text = '{"charge": "ch_2", "balance": 9007199254740993, "price": {"$": "decimal", "v": "1.10"}}'
    act(operator_client, "checkout-1", "fork", "?step=6&edit=5,3", output_5=text, workflow_id="edited")
    assert json.loads(Step.objects.get(workflow="edited", seq=5).output) == json.loads(text)
    assert Step.objects.get(workflow="edited", seq=3).output == '{"paid": true}', "left as it was"
    assert json.loads(Step.objects.get(workflow="checkout-1", seq=5).output)["charge"] == "ch_1"
    assert entry().detail["outputs"] == [5]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{'a': 1}", "This is no JSON, at line 1, column 2"),
        ("", "This field is required"),
        ("NaN", "NaN is no number of JSON"),
        ('{"$": "pickle", "v": "x"}', "belongs to a type of the application"),
        ('{"$": ["x"], "v": 1}', "belongs to a type of the application"),
        ('{"$": "decimal", "v": {"a": 1}}', "cannot be read"),
        ("[" * 100_000, "nested too deeply"),
        ('"\\ud800"', ""),
    ],
)
def test_an_output_that_cannot_be_read_forks_nothing(operator_client: Client, text: str, why: str):
    failed_checkout()
    answer = act(operator_client, "checkout-1", "fork", "?step=6&edit=5", output_5=text, workflow_id="edited")
    if why:
        assert answer.status_code == 400 and why in seen(answer)
        assert Markup(answer.text).problems == []
    assert Workflow.objects.filter(pk="edited").exists() is not bool(why)


def test_an_id_that_is_taken_forks_nothing(operator_client: Client):
    failed_checkout()
    answer = act(operator_client, "checkout-1", "fork", "?step=4", workflow_id="ship-1")
    assert answer.status_code == 409 and "is taken" in seen(answer) and not AuditEntry.objects.exists()
    assert Workflow.objects.get(pk="ship-1").forked_from is None


def test_without_the_right_to_payloads_no_output_is_shown_or_edited(database: str):
    failed_checkout()
    user = get_user_model().objects.create_user("operator")
    for codename in ("view_workflow", "operate_workflow"):
        user.user_permissions.add(Permission.objects.get(content_type__app_label="durable", codename=codename))
    client = Client()
    client.force_login(user)
    page = client.get(address("checkout-1", "fork", "?step=6&edit=5"))
    assert page.status_code == 200 and "ch_1" not in page.text and "output_5" not in page.text
    act(client, "checkout-1", "fork", "?step=6&edit=5", output_5='"mine"', workflow_id="edited")
    assert "ch_1" in Step.objects.get(workflow="edited", seq=5).output


def test_outputs_that_are_no_json_cannot_be_edited(operator_client: Client):
    failed_checkout()
    Workflow.objects.filter(pk="checkout-1").update(serialization="pickle")
    page = operator_client.get(address("checkout-1", "fork", "?step=6&edit=5"))
    assert page.status_code == 200 and "output_5" not in page.text and "Edit output" not in page.text


def test_a_long_journal_is_shown_around_the_cut(operator_client: Client):
    journal = Journal("long", **ended("SUCCESS"))
    Step.objects.bulk_create(
        Step(workflow_id="long", seq=n, name=f"poll_{n}", epoch=1, started_at=journal.at(n), completed_at=journal.at(n))
        for n in range(1, 1001)
    )
    page = operator_client.get(address("long", "fork", "?step=500"))
    assert "499 recorded steps are kept" in seen(page) and "501 recorded steps run again" in seen(page)
    assert page.text.count("Begin here") == 40 and "poll_480" in page.text and "poll_479" not in page.text


def test_it_can_be_forked_onto_the_version_that_runs_now(operator_client: Client):
    make_executor("worker-1")
    make_workflow("old", version="a00000", **ended("ERROR"))
    page = operator_client.get(address("old", "fork")).text
    assert "b20c44e, which runs now" in page and "the version it has, a00000" in page
    act(operator_client, "old", "fork", workflow_id="new", version="b20c44e")
    assert Workflow.objects.get(pk="new").version == "b20c44e"
    assert operator_client.post(address("old", "fork"), {"start_step": 1, "version": "other"}).status_code == 400


def test_a_restart_runs_everything_under_a_new_id(operator_client: Client):
    failed_checkout()
    answer = act(operator_client, "checkout-1", "restart", workflow_id="again")
    assert "Restarted. This is the new one." in seen(answer)
    assert recorded("again") == [] and Workflow.objects.get(pk="again").forked_from == "checkout-1"
    assert Workflow.objects.get(pk="again").input == Workflow.objects.get(pk="checkout-1").input
    make_workflow("parked", **parked("sleep"))
    assert "both will run" in seen(operator_client.get(address("parked", "restart")))


def test_a_rewind_says_what_it_takes_back_and_takes_it_back(operator_client: Client):
    failed_checkout()
    make_stream("checkout-1", "log", 4)
    text = seen(operator_client.get(address("checkout-1", "rewind", "?step=3")))
    assert "1 child that was started there is deleted" in text
    assert "1 message is given back" in text
    assert "2 values of events and streams are taken back" in text
    answer = act(operator_client, "checkout-1", "rewind", "?step=3")
    assert "Rewound. It runs again from step 3" in seen(answer)
    row = Workflow.objects.get(pk="checkout-1")
    assert (row.status, row.generation) == ("ENQUEUED", 1) and recorded("checkout-1") == [1, 2]
    assert not Workflow.objects.filter(pk="ship-1").exists()
    assert Message.objects.get().consumed_seq is None and Event.objects.count() == 1
    assert entry().detail == {"start_step": 3}


def test_a_selected_step_offers_to_begin_there(operator_client: Client, viewer_client: Client):
    failed_checkout()
    page = operator_client.get(address("checkout-1", "workflow", "?step=5"))
    assert f'href="{address("checkout-1", "fork")}?step=5">' in page.text and "Fork from here…" in page.text
    assert f'href="{address("checkout-1", "rewind")}?step=5">' in page.text and "Rewind to here…" in page.text
    for query in ("?step=0", "?step=6.1&open=6", "?step=99"):
        assert "from here…" not in operator_client.get(address("checkout-1", "workflow", query)).text
    assert "from here…" not in viewer_client.get(address("checkout-1", "workflow", "?step=5")).text
