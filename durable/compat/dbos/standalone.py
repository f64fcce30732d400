"""A program in one file: Django configured from its DBOSConfig, its database made and migrated."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import django
from asgiref.sync import SyncToAsync
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.signals import setting_changed
from django.db import DatabaseError, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import OperationalError

from ... import reaching
from ...addresses import described, shown
from ...conf import conf
from .config import Config, read
from .declaring import APPLICATION
from .error import DBOSInitializationError
from .serializer import path_of

MIGRATING = 0x64626F73
"""The key of PostgreSQL's advisory lock behind which the tables are made: two programs may start at once."""

_ours: set[str] = set()
"""Aliases that were configured here. Clients add theirs."""


def is_ours() -> bool:
    """Whether Django was configured here, and not by a project."""
    return bool(_ours)


def is_project() -> bool:
    """Whether a Django project has settings of its own."""
    return not _ours and not reaching.was_added("default") and reaching.is_configured()


def configure(config: Config) -> None:
    """Let Django use the program's database; a second time, another one than before."""
    databases = {"default": _database(config.database_url, config.schema)}
    if config.application_url and config.application_url != config.database_url:
        databases[APPLICATION] = _database(config.application_url, None)
    if not reaching.is_configured():
        settings.configure(
            DATABASES=databases, DURABLE=_durable(config), INSTALLED_APPS=["durable"], USE_TZ=True, TIME_ZONE="UTC",
            SECRET_KEY=os.environ.get("DURABLE_SECRET_KEY") or secrets.token_urlsafe(50),
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", LOGGING_CONFIG=None,
        )  # fmt: skip
        _ours.update(databases)
        django.setup()
    else:
        _swap(databases)
        _say(_durable(config))
    conf()


def _say(durable: dict[str, Any]) -> None:
    settings.DURABLE = durable
    setting_changed.send(sender=Config, setting="DURABLE", value=durable, enter=True)


def _durable(config: Config) -> dict[str, Any]:
    serializer = config.serializer or "json"
    if serializer == "pickle" and not os.environ.get("DURABLE_SECRET_KEY"):
        raise DBOSInitializationError(
            "the configuration has serializer = 'pickle': set DURABLE_SECRET_KEY in the environment, because with "
            "another key nothing that was pickled can be read again"
        )
    return {
        "APPLICATION_NAME": config.name,
        "APPLICATION_VERSION": config.version,
        "EXECUTOR_ID": config.executor_id,
        "CONCURRENCY": config.concurrency,
        "LISTEN_NOTIFY": config.listens,
        "SERIALIZER": serializer if isinstance(serializer, str) else path_of(serializer),
        "VERSIONS": "strict",
    }


def _database(url: str, schema: str | None) -> dict[str, Any]:
    try:
        found = described(_plain(url))
    except Exception as error:
        raise DBOSInitializationError(f"the database {shown(url)} cannot be used: {error}") from error
    found |= reaching.KEPT_OPEN
    if "sqlite" in found["ENGINE"]:
        found["NAME"] = os.path.abspath(found["NAME"])  # the same file for all threads, wherever the program goes
    elif schema:
        found["OPTIONS"] = {**found.get("OPTIONS", {}), "options": f"-c search_path={schema},public"}
    return found


def _plain(url: str) -> str:
    """An address without the name of a driver, which is SQLAlchemy's business."""
    scheme, sign, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{sign}{rest}"


def _swap(databases: dict[str, Any]) -> None:
    """Let every new connection lead to `databases`. Those of this thread, and of the one for coroutines, are closed."""
    before = connections.settings
    if not _ours and reaching.where(before["default"]) != reaching.where(databases["default"]):
        raise DBOSInitializationError("a client of another database was made first; make DBOS before its clients")
    SyncToAsync.single_thread_executor.submit(_forget).result()
    _forget()
    others = {alias: each for alias, each in before.items() if alias not in _ours | {"default"}}
    settings.DATABASES = connections.configure_settings(dict(databases))
    connections.settings = {**others, **settings.DATABASES}
    _ours.clear()
    _ours.update(databases)


def _forget() -> None:
    for alias in _ours | {"default"}:
        with suppress(AttributeError):
            connections[alias].close()
            del connections[alias]


def prepare(config: Config) -> None:
    """Make the databases and their tables when they are missing. Programs that start at once wait for each other.

    Raises `DBOSInitializationError` when that cannot be done.
    """
    for alias in _ours:
        _prepare(connections[alias], config)


def _prepare(here: Any, config: Config) -> None:
    with suppress(OperationalError):  # said by what comes next, when it cannot be made either
        here.ensure_connection()
    if here.connection is None and here.vendor == "postgresql" and config.migrates:
        _create(here)
    try:
        _migrate(here, config)
    except DatabaseError as error:
        raise DBOSInitializationError(f"the database {_name(here)} cannot be used: {error}") from error


def migrate(url: str, schema: str | None = None, application_role: str | None = None) -> None:
    """Make a database and Durable's tables in it when they are missing, and let a role of PostgreSQL use them.

    In a Django project the database must be the project's. Raises `DBOSInitializationError`.
    """
    config = read({"system_database_url": url, "dbos_system_schema": schema})
    if is_project():
        check(config)
        _migrate_and_grant(connections[conf().DATABASE], config, application_role)
        return
    if not reaching.is_configured():
        configure(config)
    with _lent(_database(config.database_url, config.schema)) as here:
        _migrate_and_grant(here, config, application_role)


@contextmanager
def _lent(description: dict[str, Any]) -> Iterator[Any]:
    """A connection that nothing else uses, to a database that the program may not use at all."""
    alias, before = "durable-migrating", connections.settings
    connections.settings = {**before, **connections.configure_settings({"default": {}, alias: description})}
    here = connections[alias]
    try:
        yield here
    finally:
        here.close()
        del connections[alias]
        connections.settings = {name: each for name, each in connections.settings.items() if name != alias}


def _migrate_and_grant(here: Any, config: Config, role: str | None) -> None:
    _prepare(here, config)
    if role is None or here.vendor != "postgresql":
        return
    name, schema = here.ops.quote_name(role), here.ops.quote_name(config.schema or "public")
    tables = [model._meta.db_table for model in apps.get_app_config("durable").get_models()]
    named = ", ".join(here.ops.quote_name(table) for table in tables)
    recorded = here.ops.quote_name(MigrationRecorder.Migration._meta.db_table)
    try:
        with transaction.atomic(using=here.alias), here.cursor() as cursor:
            cursor.execute(f"grant usage on schema {schema} to {name}")
            cursor.execute(f"grant select, insert, update, delete on {named} to {name}")
            cursor.execute(f"grant select on {recorded} to {name}")
            cursor.execute(f"grant usage, select on sequence durable_position to {name}")
    except DatabaseError as error:
        raise DBOSInitializationError(f"the role {role!r} cannot be let use the tables: {error}") from error


def alias_of(url: str) -> str | None:
    """Django's name of the database at an address, the engine's own first; None when it has none."""
    wanted, known = reaching.where(described(_plain(url))), connections.settings
    return next((alias for alias in (conf().DATABASE, *known) if reaching.where(known[alias]) == wanted), None)


def _create(here: Any) -> None:
    from psycopg import connect, errors, sql

    params = {**here.get_connection_params(), "dbname": "postgres"}
    for django_only in ("cursor_factory", "context"):
        params.pop(django_only, None)
    try:
        with connect(**params, autocommit=True) as session, suppress(errors.DuplicateDatabase, errors.UniqueViolation):
            session.execute(sql.SQL("create database {}").format(sql.Identifier(here.settings_dict["NAME"])))
    except errors.Error as error:
        raise DBOSInitializationError(
            f"the database {_name(here)} cannot be reached, and cannot be made: {error}"
        ) from error


def _name(here: Any) -> str:
    host, name = here.settings_dict["HOST"], here.settings_dict["NAME"]
    return f"{str(name)!r} on {host}" if host else repr(str(name))


def _migrate(here: Any, config: Config) -> None:
    """All or nothing: the lock ends, and the tables are there, when the one transaction commits."""
    if not _is_behind(here):
        return
    if not config.migrates:
        raise DBOSInitializationError(
            f"the tables in the database {_name(here)} are missing or old, and run_migrations is False"
        )
    here.disable_constraint_checking()  # SQLite makes tables in a transaction only without them
    try:
        with transaction.atomic(using=here.alias):
            if here.vendor == "postgresql":
                with here.cursor() as cursor:
                    cursor.execute("select pg_advisory_xact_lock(%s)", [MIGRATING])
                    if config.schema and here.alias != APPLICATION:
                        cursor.execute(f"create schema if not exists {here.ops.quote_name(config.schema)}")
            call_command("migrate", "durable", database=here.alias, verbosity=0, interactive=False)
    finally:
        here.enable_constraint_checking()


def _is_behind(here: Any) -> bool:
    executor = MigrationExecutor(here)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes("durable")))


def settle_version(config: Config) -> None:
    """One version for the whole program, from its launch on: what is decorated later does not change it."""
    from ...registry import registry

    _say({**settings.DURABLE, "APPLICATION_VERSION": config.version or registry.version()})


def use_serializer(serializer: Any) -> None:
    """Let a process that has only clients read and write what its program does."""
    path = serializer if isinstance(serializer, str) else path_of(serializer)
    if path == conf().SERIALIZER:
        return
    if _ours or is_project():
        raise DBOSInitializationError("a client here uses the serializer of the program: leave it out")
    _say({**getattr(settings, "DURABLE", {}), "SERIALIZER": path})


def check(config: Config) -> None:
    """In a project its settings hold. Raises `DBOSInitializationError` for a configuration that says otherwise."""
    here = conf()
    project = connections.settings[here.DATABASE]
    if config.url and reaching.where(described(_plain(config.url))) != reaching.where(project):
        raise DBOSInitializationError(
            f"the configuration's database {shown(config.url)} is not the one of this Django project: leave it out, or "
            f"name the project's, which is DATABASES[{here.DATABASE!r}]"
        )
    for key, said, held in (
        ("application_version", config.version, here.APPLICATION_VERSION),
        ("serializer", config.serializer, here.SERIALIZER),
    ):
        if said is not None and said != held:
            raise DBOSInitializationError(
                f"the configuration has {key} = {said!r}, and this is a Django project: say it in its "
                f"settings.DURABLE[{key.upper()!r}], which is {held!r}"
            )


def empty() -> None:
    """Delete everything that is stored."""
    for alias in _ours or {conf().DATABASE}:
        with transaction.atomic(using=alias):
            for model in apps.get_app_config("durable").get_models():
                model._base_manager.using(alias)._raw_delete(alias)
