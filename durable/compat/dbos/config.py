"""DBOSConfig: what each key means here."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from .error import DBOSInitializationError
from .serializer import Serializer

NAME = re.compile(r"[a-z0-9_-]{3,256}")
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
DEFAULT_NAME, DEFAULT_EXECUTOR_ID = "dbos-app", "local"
CONCURRENCY = 256
"""How many workflows one process runs at once. DBOS sets no bound; a workflow that waits is none of them for long."""


class DBOSConfig(TypedDict, total=False):
    """The configuration of a DBOS program. All keys but `name` are optional."""

    name: str
    system_database_url: str | None
    application_database_url: str | None
    database_url: str | None
    system_database_engine: Any
    dbos_system_schema: str | None
    sys_db_pool_size: int | None
    sys_db_polling_concurrency: int | None
    sys_db_idle_transaction_timeout_sec: float | None
    db_engine_kwargs: dict[str, Any] | None
    run_migrations: bool | None
    use_listen_notify: bool | None
    notification_listener_polling_interval_sec: float | None
    notification_coalesce_sec: float | None
    scheduler_polling_interval_sec: float | None
    observability_query_timeout_sec: float | None
    max_executor_threads: int | None
    application_version: str | None
    executor_id: str | None
    serializer: Serializer | str | None
    enable_patching: bool | None
    log_level: str | None
    console_log_level: str | None
    otlp_log_level: str | None
    enable_otlp: bool | None
    otlp_traces_endpoints: list[str] | None
    otlp_logs_endpoints: list[str] | None
    otlp_attributes: dict[str, str] | None
    otel_attribute_format: str | None
    run_admin_server: bool | None
    admin_port: int | None
    conductor_key: str | None
    conductor_url: str | None
    conductor_executor_metadata: dict[str, Any] | None
    conductor_metadata_only_mode: bool | None


WITHOUT_EFFECT = {
    "run_admin_server": "there is no admin server in the process; Durable's REST API does its work",
    "admin_port": "there is no admin server in the process; Durable's REST API does its work",
    "conductor_key": "there is no Conductor; any living executor recovers work, and Durable's dashboard shows it",
    "conductor_url": "there is no Conductor; any living executor recovers work, and Durable's dashboard shows it",
    "conductor_executor_metadata": "there is no Conductor",
    "conductor_metadata_only_mode": "there is no Conductor",
    "otlp_log_level": "logs are not exported",
    "otlp_logs_endpoints": "logs are not exported",
    "otlp_traces_endpoints": "traces are not exported",
    "otlp_attributes": "traces are not exported",
    "otel_attribute_format": "traces are not exported",
    "enable_otlp": "traces are not exported; receivers of durable.signals can make them",
}
"""Keys that change nothing that a program computes: they are said in a warning, and the program runs."""

TUNING = {
    "sys_db_pool_size", "sys_db_polling_concurrency", "sys_db_idle_transaction_timeout_sec", "db_engine_kwargs",
    "notification_listener_polling_interval_sec", "notification_coalesce_sec", "scheduler_polling_interval_sec",
    "observability_query_timeout_sec", "enable_patching",
}  # fmt: skip
"""Keys that tune what Durable does not have: pools of SQLAlchemy, threads that poll."""

REFUSED = {
    "auto_upgrade": "move workflows with DBOS.fork_workflow, or with durable.move_to_version",
    "sharding": "one PostgreSQL database holds all",
    "transact_enterprise_key": "nothing here needs a licence key",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """A configuration that has been read and checked. `url` is None when the program gives none."""

    name: str
    url: str | None = None
    application_url: str | None = None
    schema: str | None = None
    version: str | None = None
    executor_id: str = DEFAULT_EXECUTOR_ID
    serializer: Serializer | str | None = None
    log_level: str = "INFO"
    concurrency: int = CONCURRENCY
    listens: bool = True
    migrates: bool = True
    without_effect: tuple[str, ...] = ()

    @property
    def database_url(self) -> str:
        return self.url or f"sqlite:///{self.name}.sqlite"


def read(given: Mapping[str, Any] | None) -> Config:
    """Check a configuration. Raises `DBOSInitializationError` that names the key, its value and what to do."""
    said = {key: value for key, value in dict(given or {}).items() if value is not None}
    for key in said:
        if key in REFUSED:
            raise _refused(key, said[key], REFUSED[key])
        if key not in DBOSConfig.__annotations__:
            near = difflib.get_close_matches(key, DBOSConfig.__annotations__, 1)
            raise _refused(key, said[key], f"did you mean {near[0]}?" if near else "no such key is known")
    level = str(said.get("console_log_level") or said.get("log_level") or "INFO").upper()
    if level not in LEVELS:
        raise _refused("log_level", level, f"one of {', '.join(LEVELS)}")
    idle = [key for key in WITHOUT_EFFECT if said.get(key) not in (None, False)]
    return Config(
        name=_name(said),
        url=_url(said),
        application_url=said.get("application_database_url"),
        schema=_schema(said),
        version=_version(said),
        executor_id=str(os.environ.get("DBOS__VMID") or said.get("executor_id") or DEFAULT_EXECUTOR_ID),
        serializer=_serializer(said),
        log_level=level,
        concurrency=_concurrency(said),
        listens=bool(said.get("use_listen_notify", True)),
        migrates=bool(said.get("run_migrations", True)),
        without_effect=tuple(idle),
    )


def _name(said: Mapping[str, Any]) -> str:
    if "name" not in said:
        return DEFAULT_NAME
    name = said["name"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _refused("name", name, "give 3 to 256 of the characters a-z, 0-9, - and _")
    return name


def _url(said: Mapping[str, Any]) -> str | None:
    engine = said.get("system_database_engine")
    if engine is not None:
        url = getattr(engine, "url", None)
        if url is None:
            raise _refused("system_database_engine", engine, "give an SQLAlchemy engine, or system_database_url")
        return str(url.render_as_string(hide_password=False))
    # An application's own database is where DBOS keeps its state when nothing else is said.
    for key in ("system_database_url", "database_url", "application_database_url"):
        if url := said.get(key):
            if not isinstance(url, str) or "://" not in url:
                raise _refused(key, url, "write sqlite:///file.sqlite or postgresql://user:password@host:5432/name")
            return url
    return None


def _schema(said: Mapping[str, Any]) -> str | None:
    schema = said.get("dbos_system_schema")
    if schema is not None and not (isinstance(schema, str) and SCHEMA.fullmatch(schema)):
        raise _refused("dbos_system_schema", schema, "give a name of at most 63 of the characters a-z, 0-9 and _")
    return schema


def _version(said: Mapping[str, Any]) -> str | None:
    version = os.environ.get("DBOS__APPVERSION") or said.get("application_version")
    if version is not None and (not isinstance(version, str) or not version.strip()):
        raise _refused("application_version", version, "give text that is not blank")
    return version


def _serializer(said: Mapping[str, Any]) -> Serializer | str | None:
    serializer = said.get("serializer")
    if serializer is None or isinstance(serializer, str) or hasattr(serializer, "serialize"):
        return serializer
    raise _refused("serializer", serializer, "give an instance with the methods serialize and deserialize")


def _concurrency(said: Mapping[str, Any]) -> int:
    threads = said.get("max_executor_threads", CONCURRENCY)
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise _refused("max_executor_threads", threads, "give an integer of at least 1")
    return threads


def _refused(key: str, value: Any, hint: str) -> DBOSInitializationError:
    return DBOSInitializationError(f"the configuration has {key} = {value!r}: {hint}")
