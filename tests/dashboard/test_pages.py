"""The frame and the lists: who sees them, that they render, and what they carry."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from dashboard.armour import HEADERS

from .crowd import HOSTILE, PAGES, make_crowd, make_hostile_crowd, make_workflow
from .markup import Markup

HTMX = {"HX-Request": "true"}


def every_address() -> list[str]:
    """Each address of the console but the login, with ids where it takes some."""
    found = []
    for outer in get_resolver().url_patterns:
        if getattr(outer, "app_name", None) == "durable_dashboard":
            for route in outer.url_patterns:
                name = f"durable_dashboard:{route.name}"
                for ids in ([], ["some-id"], ["some-id", "some-id"]):
                    with suppress(NoReverseMatch):
                        found.append(reverse(name, args=ids))
    return [address for address in found if address != reverse("durable_dashboard:login")]


def page(name: str) -> str:
    return reverse("durable_dashboard:overview") + name


def test_the_walk_over_the_addresses_sees_them_all():
    assert len(every_address()) == 34


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_strangers_see_only_the_login_page(database: str, method: str):
    make_workflow("some-id")
    for address in every_address():
        answer = Client().generic(method, address)
        logout = address == reverse("durable_dashboard:logout")
        assert answer.status_code in ((302, 405) if logout else (302,)), address
        if answer.status_code == 302:
            assert answer.url.startswith(reverse("durable_dashboard:login")), address
        assert b"some-id" not in answer.content


def test_a_part_asked_by_a_stranger_makes_the_page_load_again(database: str):
    answer = Client().get(page("workflows/"), headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")


def test_someone_without_the_right_is_told_which(database: str):
    client = Client()
    client.force_login(get_user_model().objects.create_user("guest"))
    for name in PAGES:
        answer = client.get(page(name))
        assert answer.status_code == 403
        assert "durable.view_workflow" in answer.text
        assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_a_viewer_sees_pages_and_types_of_errors_but_no_payload(viewer_client: Client):
    make_crowd()
    for name in PAGES:
        assert viewer_client.get(page(name)).status_code == 200
    answer = viewer_client.get(page("workflows/"), {"phase": "failed"})
    assert "CardDeclined" in answer.text
    assert "The card was declined" not in answer.text


def test_the_first_line_of_an_error_is_shown_to_those_who_may_see_payloads(operator_client: Client):
    make_crowd()
    answer = operator_client.get(page("workflows/"), {"phase": "failed"})
    assert "The card was declined" in answer.text
    assert "in line two" not in answer.text


def refuse_all(request: object, right: str) -> bool:
    return False


def welcome_all(request: object, right: str) -> bool:
    return right == "view"


@pytest.mark.parametrize(("rule", "status"), [("refuse_all", 403), ("welcome_all", 200)])
def test_a_host_project_decides_who_may(operator_client: Client, settings, rule: str, status: int):
    settings.DURABLE = {**settings.DURABLE, "DASHBOARD": {"ACCESS": f"{__name__}.{rule}"}}
    assert operator_client.get(page("workflows/")).status_code == status


@pytest.mark.parametrize("fill", [lambda: None, make_crowd, make_hostile_crowd], ids=["empty", "crowded", "hostile"])
def test_every_page_renders_with_strict_headers_and_nothing_inline(operator_client: Client, fill):
    fill()
    for name in (*PAGES, "workflows/?phase=failed", "workflows/?queue=none&name=x", "workflows/?q=status:nonsense"):
        answer = operator_client.get(page(name))
        assert answer.status_code in (200, 400), name
        for header, value in HEADERS.items():
            assert answer.headers[header] == value, name
        markup = Markup(answer.text)
        assert markup.problems == [], name
        assert len(markup.ids) == len(set(markup.ids)), name
        part = operator_client.get(page(name), headers=HTMX)
        assert Markup(part.text).problems == []
        assert part.status_code != 200 or "<html" not in part.text


def test_the_login_page_carries_the_headers_and_nothing_inline(database: str):
    answer = Client().get(reverse("durable_dashboard:login"))
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert Markup(answer.text).problems == []


def test_hostile_text_stays_text(operator_client: Client):
    make_hostile_crowd()
    queue = reverse("durable_dashboard:queue", args=[HOSTILE])
    for address in (
        *map(page, PAGES),
        page("workflows/?phase=failed"),
        queue,
        f"{queue}?why=<script>alert(1)</script>",
    ):
        markup = Markup(operator_client.get(address).text)
        assert markup.tags.count("img") == 0
        assert markup.tags.count("script") == 2
        assert not any(value.startswith("javascript:") for value in markup.values("href"))


@pytest.mark.parametrize(
    "pk", ["a", "a/cancel", "a/b/resume/", "..", ".", "~", "~2F", "ü ö%41?x=1#y", HOSTILE, "a+b&c=d;e"]
)
def test_any_id_has_one_address_that_leads_back_to_it(operator_client: Client, pk: str):
    make_workflow(pk)
    address = reverse("durable_dashboard:workflow", args=[pk])
    assert address.startswith(page("workflows/"))
    assert address.count("/") == page("workflows/").count("/") + 1
    found = get_resolver().resolve(operator_client.get(address).request["PATH_INFO"])
    assert (found.url_name, found.kwargs) == ("workflow", {"pk": pk})


def test_what_does_not_exist_is_said_to_be_missing(operator_client: Client):
    answer = operator_client.get(page("queues/nobody/"))
    assert answer.status_code == 404
    assert "There is no queue nobody." in answer.text
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_signing_in_leads_back_to_the_page_but_never_elsewhere(database: str):
    get_user_model().objects.create_superuser("maria", password="a long secret")
    secret = {"username": "maria", "password": "a long secret"}
    login = reverse("durable_dashboard:login")
    assert Client().post(login, {**secret, "next": page("queues/")}).url == page("queues/")
    assert Client().post(login, {**secret, "next": "https://evil.example/"}).url == page("")
    assert Client(enforce_csrf_checks=True).post(login, secret).status_code == 403


def test_signing_out_takes_a_post(operator_client: Client):
    logout = reverse("durable_dashboard:logout")
    assert operator_client.get(logout).status_code == 405
    assert operator_client.post(logout).url == reverse("durable_dashboard:login")
    assert operator_client.get(page("")).status_code == 302


def test_the_theme_is_kept_in_a_cookie_and_set_on_the_page(operator_client: Client):
    assert "data-theme" not in operator_client.get(page("")).text
    answer = operator_client.post(page("theme/"), {"theme": "dark", "next": page("queues/")})
    assert answer.url == page("queues/")
    assert '<html lang="en" data-theme="dark">' in operator_client.get(page("")).text
    operator_client.post(page("theme/"), {"theme": '"><script>', "next": "//evil.example"})
    assert 'data-theme="dark"' in operator_client.get(page("")).text


def test_the_navigation_says_where_one_is(operator_client: Client):
    make_crowd()
    places = (
        ("", "Overview"), ("workflows/", "Workflows"), ("workflows/parked-1/cancel/", "Workflows"),
        ("queues/orders/", "Queues"), ("schedules/nightly/", "Schedules"), ("versions/", "Versions"),
    )  # fmt: skip
    for name, word in places:
        assert f'<a href="{page(name.split("/")[0] + "/" if name else "")}" aria-current="page">{word}</a>' in (
            operator_client.get(page(name)).text
        )


@pytest.mark.parametrize(("name", "most"), [("", 16), ("workflows/", 16), ("queues/", 8), ("executors/", 7),
                                            ("schedules/", 8), ("versions/", 8)])  # fmt: skip
def test_a_page_asks_the_same_few_queries_however_much_it_shows(operator_client: Client, name: str, most: int):
    make_crowd()
    few = operator_client.get(page(name)).wsgi_request.durable_console.queries
    for n in range(60):
        make_workflow(f"more-{n}")
    assert operator_client.get(page(name)).wsgi_request.durable_console.queries <= few <= most
