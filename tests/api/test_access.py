"""Nothing is open that should be closed, whatever the host's own settings say."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.backends import BaseBackend
from django.test import Client, override_settings
from django.urls import get_resolver

from api.views.missing import Missing
from durable.models import AuditEntry, Workflow

from .conftest import OPERATE, RIGHTS, make_workflow
from .test_workflows import PARTS

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SUMMON")
OPEN = "/api/v1/healthz"


def routes() -> Iterator[tuple[str, Any]]:
    """Every address of the API, with the class that answers there."""
    for outer in get_resolver().url_patterns:
        if getattr(outer, "app_name", None) == "durable_api":
            for route in outer.url_patterns:
                path = str(route.pattern).replace("<durable_api_id:id>", "some-id").replace("<durable_api_id:key>", "k")
                yield "/api/v1/" + ("nowhere" if route.name == "missing" else path), route.callback.cls


def acts(view: Any, method: str) -> bool:
    """Whether a class answers a method, beside those that answer all in the same way."""
    return hasattr(view, method.lower()) and view is not Missing


def test_the_walk_over_the_routes_sees_them_all():
    assert len(list(routes())) == 39
    assert OPEN in dict(routes())


@pytest.mark.parametrize("method", METHODS)
def test_every_route_is_closed_to_strangers(database: str, method: str):
    make_workflow("some-id")
    stranger = Client()
    for path, _ in routes():
        if path == OPEN and method in ("GET", "HEAD"):
            continue
        answer = stranger.generic(method, path)
        expected = 405 if path == OPEN else 401
        assert answer.status_code == expected, (method, path)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert b"shop.checkout" not in answer.content


@pytest.mark.parametrize("method", METHODS)
def test_every_route_is_closed_to_users_without_a_permission(client_with: Callable[..., Client], method: str):
    client = client_with()
    for path, _ in routes():
        if path != OPEN:
            assert client.generic(method, path).status_code == 403, (method, path)


CHANGES = [
    (method, path) for path, view in routes() for method in ("POST", "PUT", "PATCH", "DELETE") if acts(view, method)
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_every_change_is_closed_to_who_may_only_look(client_with: Callable[..., Client], method: str, path: str):
    make_workflow("some-id")
    looks = [f"view_{noun}" for noun in ("workflow", "payload", "queue", "schedule", "version", "executor")]
    answer = client_with(*looks).generic(method, path, "{}", "application/json")
    assert (answer.status_code, answer.json()["type"]) == (403, "permission-denied")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_every_change_in_a_session_needs_the_csrf_token(client_with: Callable[..., Client], method: str, path: str):
    client = client_with(*RIGHTS, *OPERATE, enforce_csrf_checks=True)
    answer = client.generic(method, path, "{}", "application/json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_every_change_opens_with_the_permission_of_its_own_noun_alone(
    client_with: Callable[..., Client], method: str, path: str
):
    noun = path.removeprefix("/api/v1/").split("/")[0].removesuffix("s")
    right = f"operate_{noun if f'operate_{noun}' in OPERATE else 'workflow'}"
    others = [other for other in OPERATE if other != right]
    assert client_with(right).generic(method, path, "{}", "application/json").status_code != 403
    assert client_with(*others).generic(method, path, "{}", "application/json").status_code == 403


def test_the_walk_over_the_changes_sees_them_all():
    assert len(CHANGES) == 27
    assert {method for method, _ in CHANGES} == {"POST", "PATCH", "DELETE"}


def test_every_view_names_its_own_permissions():
    for path, view in routes():
        assert "permission_classes" in vars(view), path
        assert view.permission_classes, path


@pytest.mark.parametrize(
    "path", ["healthz/", "healthz/x", "healthz%2F..%2Fworkflows", "x/healthz", "HEALTHZ", "healthz.json"]
)
def test_only_the_exact_path_of_the_probe_is_open(database: str, path: str):
    assert Client().get(f"/api/v1/{path}").status_code == 401


def test_a_workflow_that_is_named_like_an_open_path_is_closed(database: str):
    for pk in ("healthz", "../healthz", "/healthz"):
        make_workflow(pk)
        assert Client().get(f"/api/v1/workflows/{pk}").status_code == 401


def test_looking_takes_the_permission_to_view(client_with: Callable[..., Client]):
    make_workflow("w-1")
    viewer, other = client_with("view_workflow"), client_with(*OPERATE, "view_payload")
    for path in (
        "workflows",
        "workflows/w-1",
        *(f"workflows/w-1/{part}" for part in PARTS),
        "queues",
        "schedules",
        "versions",
        "executors",
        "schema",
    ):
        assert viewer.get(f"/api/v1/{path}").status_code == 200
        assert other.get(f"/api/v1/{path}").status_code == 403


def test_acting_takes_the_permission_to_operate(client_with: Callable[..., Client]):
    client = client_with("view_workflow", "view_payload")
    for path in ("workflows", "workflows/w-1/cancel", "workflows/w-1/resume"):
        answer = client.post(f"/api/v1/{path}", {"name": "x"}, content_type="application/json")
        assert (answer.status_code, answer.json()["type"]) == (403, "permission-denied")


def test_no_get_changes_anything(client_with: Callable[..., Client]):
    make_workflow("some-id", status="PENDING")
    before = list(Workflow.objects.values())
    client = client_with(*RIGHTS)
    for path, _ in routes():
        for method in ("GET", "HEAD"):
            client.generic(method, path)
    assert list(Workflow.objects.values()) == before


def test_a_session_needs_the_csrf_token_to_act(client_with: Callable[..., Client]):
    client = client_with(*RIGHTS, enforce_csrf_checks=True)
    for path in ("workflows", "workflows/w-1/cancel", "workflows/w-1/resume"):
        answer = client.post(f"/api/v1/{path}", {"name": "x"}, content_type="application/json")
        assert answer.status_code == 403
        assert "CSRF" in answer.json()["detail"]


def test_a_form_of_a_foreign_page_cannot_act(client_with: Callable[..., Client]):
    answer = client_with(*RIGHTS).post("/api/v1/workflows", {"name": "x"})
    assert answer.status_code == 415


def test_a_user_who_is_no_longer_active_is_a_stranger(
    client_with: Callable[..., Client], user_with: Callable[..., Any]
):
    client, user = Client(), user_with(*RIGHTS)
    client.force_login(user)
    user.is_active = False
    user.save()
    assert client.get("/api/v1/workflows").status_code == 401


class Generous(BaseBackend):
    """A host's backend that grants everything to everybody."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return True


@override_settings(AUTHENTICATION_BACKENDS=["tests.api.test_access.Generous"])
def test_a_backend_that_grants_strangers_everything_does_not_open_the_api(database: str):
    assert Client().get("/api/v1/workflows").status_code == 401


def test_settings_of_the_host_for_its_own_api_change_nothing(viewer: Client):
    loose = {
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "0/day"},
        "EXCEPTION_HANDLER": "nowhere.at_all",
        "URL_FORMAT_OVERRIDE": "format",
        "DATETIME_FORMAT": "%Y",
        "UNAUTHENTICATED_USER": None,
        "PAGE_SIZE": 1,
    }
    make_workflow("w-1")
    plain = viewer.get("/api/v1/workflows").json()
    with override_settings(REST_FRAMEWORK=loose):
        assert viewer.get("/api/v1/workflows").json() == plain
        assert viewer.get("/api/v1/workflows", headers={"accept": "text/html;version=9"}).json() == plain
        assert Client().get("/api/v1/workflows").status_code == 401
        assert Client().get("/api/v1/workflows").headers["Content-Type"] == "application/problem+json"


class Nobody:
    """A host's own way to authenticate, which lets nobody in."""

    def authenticate(self, request: Any) -> None:
        return None

    def authenticate_header(self, request: Any) -> str:
        return "Badge"


def test_durables_own_setting_replaces_the_ways_to_authenticate(viewer: Client):
    with override_settings(DURABLE={"API": {"AUTHENTICATION_CLASSES": ["tests.api.test_access.Nobody"]}}):
        answer = viewer.get("/api/v1/workflows")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Badge")


def test_answers_are_not_stored_sniffed_or_framed(viewer: Client):
    make_workflow("w-1")
    for path in ("workflows", "workflows/w-1", "workflows/w-1/streams/k/live", "nowhere", "schema", "docs"):
        headers = viewer.get(f"/api/v1/{path}").headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers
