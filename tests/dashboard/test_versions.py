"""Versions of the code as people see and steer them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from durable.models import AuditEntry, Version, Workflow

from .crowd import HOSTILE, ended, make_crowd, make_executor, make_hostile_crowd, make_version, make_workflow, parked
from .forms import entry, filled, seen
from .markup import Markup


def address(name: str = "", action: str = "", query: str = "") -> str:
    names = [name] if action else []
    return reverse(f"durable_dashboard:version{'_' if action else 's'}{action}", args=names) + query


def act(client: Client, name: str, action: str, query: str = "", **given: Any) -> Any:
    form = filled(client.get(address(name, action, query)).text)
    return client.post(address(name, action, query), {**form, **given}, follow=True)


def old_work(count: int = 3) -> None:
    """Work of a version that nobody runs: waiting, parked, running, ended."""
    make_executor("worker-1")
    for n in range(count):
        make_workflow(f"old-{n}", version="a00000", created_at=timezone.now() - timedelta(hours=n))
    make_workflow("old-parked", version="a00000", **parked("sleep"))
    make_workflow("old-aside", version="a00000", **parked("executor:shop.checkout", status="ENQUEUED"))
    make_workflow("old-running", version="a00000", status="PENDING", executor="id-worker-1")
    make_workflow("old-over", version="a00000", **ended("SUCCESS"))
    make_workflow("new", version="b20c44e")
    make_workflow("free", version=None)


def test_without_a_version_the_page_teaches(operator_client: Client):
    text = seen(operator_client.get(address()))
    assert "No version has run yet." in text and "python manage.py runexecutor" in text


def test_it_says_who_runs_what_and_what_waits_for_nobody(operator_client: Client):
    old_work()
    answer = operator_client.get(address())
    text = seen(answer)
    assert "5 workflows wait for code that nobody runs." in text
    assert "shop.checkout a00000 Nobody runs it 0 1 4 1" in text
    assert "shop.checkout b20c44e Runs 1 0 1 0" in text
    assert "shop.checkout any Runs 1 0 1 0" in text
    assert "name=shop.checkout&amp;version=a00000" in answer.text
    assert f'href="{address("shop.checkout", "move", "?source=a00000")}"' in answer.text
    assert Markup(answer.text).problems == []


def test_the_latest_stands_first_and_another_can_be_promoted(operator_client: Client):
    make_executor("worker-1")
    make_version("a00000", promoted_at=timezone.now() - timedelta(days=1))
    make_version("b20c44e")
    text = seen(operator_client.get(address()))
    assert text.index("b20c44e Latest") < text.index("a00000 Past")
    assert "It is the latest already." in seen(operator_client.get(address("b20c44e", "promote")))
    page = seen(operator_client.get(address("a00000", "promote")))
    assert "It takes the place of b20c44e." in page and "No living executor runs it." in page
    answer = act(operator_client, "a00000", "promote", reason="roll back")
    assert "Version a00000 is the latest." in seen(answer)
    assert Version.objects.order_by("-promoted_at").first().name == "a00000"
    assert (entry().kind, entry().action, entry().target) == ("version", "promote", "a00000")
    for answer in (operator_client.get(address("c", "promote")), operator_client.post(address("c", "promote"))):
        assert answer.status_code == 404 and "Known: a00000, b20c44e" in seen(answer)


def test_a_move_shows_first_what_it_moves(operator_client: Client):
    old_work()
    page = operator_client.get(address("shop.checkout", "move", "?source=a00000"))
    text = seen(page)
    assert "5 workflows of version a00000 that no executor holds." in text
    assert all(f"old-{n} " in text for n in range(3)) and "old-running" not in text and "old-over" not in text
    answer = act(operator_client, "shop.checkout", "move", "?source=a00000")
    assert "Moved 5 workflows to version b20c44e." in seen(answer)
    moved = Workflow.objects.filter(version="b20c44e").order_by("pk").values_list("pk", flat=True)
    assert list(moved) == ["new", "old-0", "old-1", "old-2", "old-aside", "old-parked"]
    assert Workflow.objects.get(pk="old-aside").run_after is not None, "what was set aside is ready again"
    assert entry().detail == {"from": "a00000", "to": "b20c44e", "moved": 5, "changed": True}
    assert "Nothing of it waits any more." in seen(
        operator_client.get(address("shop.checkout", "move", "?source=a00000"))
    )


def test_nothing_is_moved_where_nobody_can_run_it(operator_client: Client):
    make_workflow("old", version="a00000")
    for name in ("shop.checkout", "nobody", HOSTILE):
        answer = operator_client.post(address(name, "move", "?source=a00000"), {"version": "b", "source": "a00000"})
        assert answer.status_code == 409 and "Start one first" in seen(answer)
    old_work(0)
    given = {"version": "unheard of", "source": "a00000"}
    answer = operator_client.post(address("shop.checkout", "move"), given)
    assert answer.status_code == 400 and not AuditEntry.objects.exists()
    assert Workflow.objects.get(pk="old").version == "a00000"


@pytest.mark.parametrize("fill", [make_crowd, make_hostile_crowd], ids=["crowd", "hostile"])
def test_every_page_renders_whatever_stands_in_the_rows(operator_client: Client, fill: Any):
    fill()
    names = [*Version.objects.values_list("name", flat=True), *Workflow.objects.values_list("name", flat=True)[:1]]
    for where in (
        address(),
        address(names[0], "promote"),
        *(address(name, "move", "?source=%3Cimg%3E%00") for name in names),
    ):
        markup = Markup((answer := operator_client.get(where)).text)
        assert (answer.status_code, markup.problems, markup.tags.count("img")) == (200, [], 0), where


def test_only_with_its_right_a_version_is_steered(viewer_client: Client):
    old_work()
    make_version("a00000")
    make_version("b20c44e")
    page = viewer_client.get(address())
    assert page.status_code == 200 and "Move…" not in page.text and "Promote…" not in page.text
    for name, action in (("a00000", "promote"), ("shop.checkout", "move")):
        for answer in (viewer_client.get(address(name, action)), viewer_client.post(address(name, action))):
            assert answer.status_code == 403 and "durable.operate_version" in answer.text
    assert not AuditEntry.objects.exists()


def test_where_versions_are_strict_stranded_work_needs_a_person(operator_client: Client, settings: Any):
    settings.DURABLE = {**settings.DURABLE, "VERSIONS": "strict"}
    old_work()
    overview = seen(operator_client.get(reverse("durable_dashboard:overview")))
    assert "5 workflows wait for version a00000 of shop.checkout, which nobody runs" in overview
    page = seen(operator_client.get(reverse("durable_dashboard:workflow", args=["old-0"])))
    assert "Queued, and no living executor runs version a00000 of shop.checkout." in page
    page = seen(operator_client.get(reverse("durable_dashboard:workflows") + "?id=old-1"))
    assert "No living executor runs version a00000 of shop.checkout" in page
    assert "Versions are strict" in seen(operator_client.get(address()))


def test_where_they_are_not_it_is_taken_over(operator_client: Client):
    old_work()
    overview = seen(operator_client.get(reverse("durable_dashboard:overview")))
    assert "which nobody runs" not in overview
    page = seen(operator_client.get(reverse("durable_dashboard:workflow", args=["old-0"])))
    assert "no living executor runs version" not in page
