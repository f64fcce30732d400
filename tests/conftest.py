"""What every test may use. A test that names `database` runs on SQLite and on PostgreSQL, and finds it empty."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from durable import executor as engine
from durable import serializers
from durable.serializers import registry, tags

from .support import databases
from .support.processes import ExecutorProcess

LONG = frozenset(
    """compat/test_fragments compat/test_go_examples compat/test_guide_fragments compat/test_newer_databases
    compat/test_newer_names compat/test_programs compat/test_project compat/test_queues compat/test_schedules
    compat/test_standalone compat/test_web compat/test_values compat/test_client compat/test_messages
    core/test_scheduler core/test_steering_inside core/test_portability core/test_retention core/test_plans
    core/test_stream_readers core/test_debouncing core/test_events core/test_called_children core/test_step_options
    core/test_inherited_timeouts core/test_step_timeouts core/test_ids core/test_deleting core/test_rewinding
    core/test_client_alone core/test_dead_letters core/test_bulk core/test_delays tests/test_commands
    tests/test_health""".split()  # noqa: SIM905
)
"""Modules that prove at length: they run with --slow, which .ci/run gives, so that the README's command stays quick."""
ONE_DATABASE = frozenset("api dashboard compat browser".split())  # noqa: SIM905
"""Folders of tests that ask in the ORM's words or the facades': without --slow they run on SQLite alone."""
STOP_SECONDS = 3.0
"""How long threads of the engine may take to notice that they are to end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long proofs too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        folder, module = item.path.parent.name, item.path.stem
        is_second = folder in ONE_DATABASE and parameters.get("database") == "postgresql"
        if is_second or f"{folder}/{module}" in LONG:
            item.add_marker(pytest.mark.slow)
        if not config.getoption("--slow") and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="a long proof; run with --slow"))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[str]:
    """Its name, "sqlite" or "postgresql". The default alias leads to it, in all threads and started processes."""
    folder = tmp_path_factory.mktemp(request.param)
    make = getattr(databases, request.param)
    with django_db_blocker.unblock(), make(folder) as made, databases.as_default(made):
        databases.migrate()
        yield request.param


@pytest.fixture(autouse=True)
def _order(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that uses the database: no thread of the engine lives, and all tables are empty.

    Automatic, so that it is set up first and torn down last, when the test's own executors have been stopped.
    """
    if "database" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("database")
    yield
    leaked = stop_engine()
    databases.empty()
    assert not leaked, f"the test left threads behind that do not stop: {', '.join(leaked)}"


def stop_engine() -> list[str]:
    """Stop what this process runs of the engine. Names what should have been stopped before, or does not stop."""
    leaked = engine.stop_all()
    deadline = time.monotonic() + STOP_SECONDS
    while (left := _threads()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return [*leaked, *left]


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("durable")]


@pytest.fixture
def executor(database: str) -> Iterator[Any]:
    """An executor in this process, taking work; drained at the end."""
    running = engine.Executor().start()
    yield running
    running.drain()


@pytest.fixture
def executor_process(database: str, tmp_path: Path) -> Iterator[Callable[..., ExecutorProcess]]:
    """Starts `manage.py runexecutor` on this test's database: `executor_process("--queues", "a", LEASE_SECONDS=1)`.

    Returns when it takes work, unless `ready=False`. Positional arguments are for the command, named ones settings.
    """
    started: list[ExecutorProcess] = []
    numbers = itertools.count(1)

    def start(*arguments: str, ready: bool = True, **changes: Any) -> ExecutorProcess:
        process = ExecutorProcess(tmp_path / f"executor-{next(numbers)}.log", arguments, changes)
        started.append(process)
        if ready:
            process.wait_until_ready()
        return process

    yield start
    for process in started:
        process.end()


@pytest.fixture
def operator_client(database: str) -> Client:
    """A browser in which a superuser is logged in."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


@pytest.fixture
def viewer_client(database: str) -> Client:
    """A browser in which a user is logged in who may look at workflows, and no more."""
    viewer = get_user_model().objects.create_user("viewer")
    viewer.user_permissions.add(Permission.objects.get(content_type__app_label="durable", codename="view_workflow"))
    client = Client()
    client.force_login(viewer)
    return client


@pytest.fixture
def registered() -> Iterator[Callable[..., None]]:
    """`durable.serializers.register`, whose effects are forgotten after the test."""
    tables: tuple[dict[Any, Any], ...] = (registry.registered, tags.READERS)
    before = [dict(table) for table in tables]
    yield serializers.register
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)
