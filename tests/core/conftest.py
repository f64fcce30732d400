"""A second database, for clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from durable import Client
from tests.support.addresses import address_of


@pytest.fixture(scope="module")
def other_address(database: str, tmp_path_factory: Any, django_db_blocker: Any) -> Iterator[str]:
    """The address of a second database, of the same kind, with tables."""
    with django_db_blocker.unblock():
        here = settings.DATABASES["default"]
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
