"""A second database, for clients; and deploys in one process: executors of one version after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as project
from django.core.management import call_command
from django.db import connection, connections

from durable import Client
from durable.executor import Executor
from tests.support.addresses import address_of

from .deploying import code, gate


@pytest.fixture(scope="module")
def other_address(database: str, tmp_path_factory: Any, django_db_blocker: Any) -> Iterator[str]:
    """The address of a second database, of the same kind, with tables."""
    with django_db_blocker.unblock():
        here = project.DATABASES["default"]
        if database == "sqlite":
            there = here | {"NAME": str(tmp_path_factory.mktemp("other") / "other.sqlite3")}
            Path(there["NAME"]).touch()
        else:
            there = here | {"NAME": f"{here['NAME']}_other"}
            with connection.cursor() as cursor:
                cursor.execute(f'create database "{there["NAME"]}" template template0')
        address = address_of(there)
        client = Client(address)
        alias = client._place.alias
        call_command("migrate", database=alias, verbosity=0, interactive=False)
        try:
            yield address
        finally:
            client.close()
            connections.settings.pop(alias)
            if database == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f'drop database "{there["NAME"]}" with (force)')


@pytest.fixture
def other_client(other_address: str) -> Iterator[Client]:
    """A client of the second database, which is empty."""
    with Client(other_address) as client:
        yield client
        for model in apps.get_app_config("durable").get_models():
            model.objects.using(client._place.alias).all().delete()


@pytest.fixture
def deploy(database: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Executor]]:
    """Starts executors of a version of the code: `deploy("v2", VERSIONS="strict")`; the one before has ended then."""
    monkeypatch.setattr("durable.executor.executor.STOP_SECONDS", 0)
    monkeypatch.setattr(code, "now", "v1")
    gate.clear()
    started: list[Executor] = []

    def start(version: str, *, crash: bool = False, **changes: Any) -> Executor:
        if started:
            started[-1].stop() if crash else started[-1].drain(1)
        code.now = version
        settings.DURABLE = {**settings.DURABLE, "APPLICATION_VERSION": version, "PARK_AFTER_SECONDS": 0, **changes}
        started.append(Executor().start())
        return started[-1]

    yield start
    gate.set()
    for executor in started:
        executor.drain(1)
