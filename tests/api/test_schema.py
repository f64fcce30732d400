"""The description of the API is complete, valid and closed; its page works without the network."""

import json
import re
import threading
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from durable.conf import conf
from durable.filters import CRITERIA
from durable.models import Attempt, Event, Message, Queue, Schedule, StepAttempt, Version

from .conftest import NOON, make_entries, make_executor, make_step, make_workflow
from .test_access import routes

SCHEMA = "/api/v1/schema"


@pytest.fixture
def schema(viewer: Client) -> Any:
    return viewer.get(SCHEMA).json()


def test_it_is_valid_openapi_3_1(schema: Any):
    assert schema["openapi"] == "3.1.0"
    validate_schema(schema)
    assert schema["servers"] == [{"url": "/api/v1"}]


def test_it_is_made_without_warnings(tmp_path: Any):
    for custom in ({}, {"custom_settings": "api.views.schema.OPENAPI"}):
        path = tmp_path / "schema.yaml"
        call_command("spectacular", urlconf="api.urls", file=str(path), validate=True, fail_on_warn=True, **custom)
        assert path.read_text().startswith("openapi: 3.")


def test_it_describes_every_route_and_method(schema: Any):
    described = {("/api/v1" + path, method) for path, methods in schema["paths"].items() for method in methods}
    existing = {
        (path.replace("some-id", "{id}").replace("/streams/k", "/streams/{key}"), method)
        for path, view in routes()
        if view.schema is not None
        for method in view.http_method_names
        if method != "head" and hasattr(view, method)
    }
    assert described == existing
    assert ("/api/v1/workflows/{id}/cancel", "post") in described


def test_it_says_how_to_authenticate_everywhere_but_at_the_probe(schema: Any):
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            ways = {way for security in operation.get("security", []) for way in security}
            assert ways == (set() if path == "/healthz" else {"knoxApiToken", "cookieAuth"})


def test_it_describes_problems(schema: Any):
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            refused = {code: r for code, r in operation["responses"].items() if code[0] in "45"}
            assert "503" in refused
            assert path == "/healthz" or {"401", "403"} <= set(refused)
            assert all(list(r["content"]) == ["application/problem+json"] for r in refused.values())


def test_answers_have_exactly_the_fields_that_it_promises(schema: Any, viewer: Client):
    make_workflow("w-1")
    make_step("w-1", 1)
    make_executor("e-1")
    make_entries("w-1", "k", "1")
    error = {"name": "charge", "error": "{}", "started_at": NOON, "ended_at": NOON}
    StepAttempt.objects.create(workflow_id="w-1", seq=1, n=1, **error)
    Attempt.objects.create(workflow_id="w-1", epoch=1, ended_at=NOON, outcome="lost")
    Event.objects.create(workflow_id="w-1", key="k", seq=1, value="1", created_at=NOON)
    Message.objects.create(workflow_id="w-1", key="k", body="1", created_at=NOON)
    Queue.objects.create(name="q")
    Schedule.objects.create(name="s", workflow="w", cron="0 0 * * *")
    Version.objects.create(application=conf().APPLICATION_NAME, name="v")
    known = schema["components"]["schemas"]
    for path, name in (
        ("workflows", "Workflow"),
        ("workflows/w-1/steps", "Step"),
        ("workflows/w-1/step-attempts", "StepAttempt"),
        ("workflows/w-1/attempts", "Attempt"),
        ("workflows/w-1/events", "Event"),
        ("workflows/w-1/messages", "Message"),
        ("workflows/w-1/streams", "Stream"),
        ("workflows/w-1/streams/k", "StreamEntry"),
        ("queues", "Queue"),
        ("schedules", "Schedule"),
        ("versions", "Version"),
        ("executors", "Executor"),
    ):
        row = viewer.get(f"/api/v1/{path}").json()["results"][0]
        assert set(row) == set(known[name]["properties"]), name
    for path, name in (
        ("workflows/w-1", "WorkflowDetail"),
        ("workflows/w-1/streams/k", "StreamPart"),
        ("queues/q", "QueueDetail"),
        ("schedules/s", "Schedule"),
        ("schedules/s/ticks", "Ticks"),
    ):
        assert set(viewer.get(f"/api/v1/{path}").json()) == set(known[name]["properties"]), name


def test_it_describes_every_criterion_of_the_list(schema: Any):
    described = {parameter["name"]: parameter for parameter in schema["paths"]["/workflows"]["get"]["parameters"]}
    assert set(described) == {*CRITERIA, "q", "cursor", "limit"}
    assert all(parameter["description"] for parameter in described.values())


def test_it_describes_the_key_of_every_request_that_makes_something(schema: Any):
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            if "201" in operation["responses"]:
                headers = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"]
                assert headers == ["Idempotency-Key"], path


def test_it_describes_streams_of_events(schema: Any):
    live = schema["paths"]["/workflows/{id}/streams/{key}/live"]["get"]
    assert list(live["responses"]["200"]["content"]) == ["text/event-stream"]
    assert "204" in live["responses"]


def test_settings_of_the_host_for_its_own_schema_change_nothing(viewer: Client, schema: Any, settings: Any):
    from api.views.schema import described

    described.cache_clear()
    settings.SPECTACULAR_SETTINGS = {
        "TITLE": "Shop",
        "CAMELIZE_NAMES": True,
        "OAS_VERSION": "3.0.3",
        "SCHEMA_PATH_PREFIX": "/x",
    }
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema"}
    assert viewer.get(SCHEMA).json() == schema
    described.cache_clear()


def test_it_can_be_asked_for_by_many_at_once(viewer: Client):
    from api.views.schema import described

    described.cache_clear()
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(described("/api/v1", ()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert all(json.loads(one)["openapi"] == "3.1.0" for one in made)


def test_the_page_holds_nothing_inline_and_nothing_foreign(viewer: Client):
    page = viewer.get("/api/v1/docs")
    text = page.content.decode()
    assert page.status_code == 200
    assert not re.search(r"<style|style=|<script>|\son\w+=|https?://", text)
    sources = re.findall(r'(?:src|href)="([^"]+)"', text)
    for source in sources:
        if source.startswith(django_settings.STATIC_URL):
            assert finders.find(source.removeprefix(django_settings.STATIC_URL)), source
        else:
            assert source == SCHEMA
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_the_page_is_missing_where_its_files_are_not_installed(viewer: Client, settings: Any):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "drf_spectacular_sidecar"]
    assert viewer.get("/api/v1/docs").status_code == 404
