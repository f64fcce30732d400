"""System checks: what would go wrong later, said when Django starts. Each has an id, a reason and a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from .conf import Settings, conf
from .errors import InvalidSettings


@register(Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """`durable.E001`: settings.DURABLE is not valid. The others need it to be."""
    try:
        settings = conf()
    except (InvalidSettings, TypeError) as error:
        return [Error(str(error), id="durable.E001")]
    database = django_settings.DATABASES[settings.DATABASE]
    return [*_check_database(settings, database), *_check_serializer(settings)]


def _check_database(settings: Settings, database: dict[str, Any]) -> Iterator[CheckMessage]:
    vendor = connections[settings.DATABASE].vendor
    options = database.get("OPTIONS", {})
    if vendor not in ("postgresql", "sqlite"):
        yield Error(
            f"DATABASES[{settings.DATABASE!r}] is {vendor}; Durable runs on PostgreSQL and SQLite.",
            hint='Add a PostgreSQL or SQLite database and name it in DURABLE["DATABASE"].',
            id="durable.E002",
        )
    if vendor == "sqlite":
        yield from _check_sqlite(settings, options)
    if vendor == "postgresql":
        yield from _check_pool(settings, options)
    if database.get("ATOMIC_REQUESTS"):
        yield Warning(
            f"DATABASES[{settings.DATABASE!r}] sets ATOMIC_REQUESTS: a view cannot call a workflow directly or wait "
            "for a result, because what it started is not committed before it answers.",
            hint="Use start(), which commits with the request; or mark such views transaction.non_atomic_requests.",
            id="durable.W003",
        )


def _check_sqlite(settings: Settings, options: dict[str, Any]) -> Iterator[CheckMessage]:
    if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
        yield Error(
            f"DATABASES[{settings.DATABASE!r}] is SQLite without transaction_mode IMMEDIATE: a transaction that reads "
            'before it writes fails with "database is locked" as soon as another process writes.',
            hint='Set OPTIONS = {"transaction_mode": "IMMEDIATE", ...}.',
            id="durable.E004",
        )
    if "journal_mode" not in str(options.get("init_command", "")).lower():
        yield Warning(
            f"DATABASES[{settings.DATABASE!r}] is SQLite without write-ahead logging: readers and writers "
            "stop each other.",
            hint='Set OPTIONS = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", ...}.',
            id="durable.W005",
        )


def _check_pool(settings: Settings, options: dict[str, Any]) -> Iterator[CheckMessage]:
    pool = options.get("pool")
    if not pool:
        return
    size = pool.get("max_size", pool.get("min_size", 4)) if isinstance(pool, dict) else 4
    if size is not None and size < settings.CONCURRENCY + 2:
        yield Warning(
            f"The connection pool of DATABASES[{settings.DATABASE!r}] holds {size} connections; an executor runs up to "
            f"{settings.CONCURRENCY} workflows at once, which may each use one, and the engine needs some of its own.",
            hint=f'Set OPTIONS["pool"]["max_size"] to at least {settings.CONCURRENCY + 8}, or lower CONCURRENCY.',
            id="durable.W006",
        )


def _check_serializer(settings: Settings) -> Iterator[CheckMessage]:
    if "pickle" in settings.SERIALIZER.lower():
        yield Warning(
            f"SERIALIZER = {settings.SERIALIZER!r}: whoever can write to the database and knows SECRET_KEY can run "
            "code in executors.",
            hint='Use "json", and register your own types with durable.register().',
            id="durable.W007",
        )
