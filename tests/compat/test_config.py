"""Reading a DBOSConfig."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from durable.compat.dbos import DBOSConfig
from durable.compat.dbos.config import TUNING, WITHOUT_EFFECT, read
from durable.compat.dbos.error import DBOSInitializationError

DOCUMENTED = [
    "name", "system_database_url", "application_database_url", "sys_db_pool_size", "db_engine_kwargs",
    "dbos_system_schema", "system_database_engine", "conductor_key", "enable_otlp", "otlp_traces_endpoints",
    "otlp_logs_endpoints", "otlp_attributes", "log_level", "run_admin_server", "admin_port", "application_version",
    "executor_id", "serializer", "database_url",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("DBOS__VMID", "DBOS__APPVERSION"):
        monkeypatch.delenv(name, raising=False)


def test_every_key_of_the_documents_is_taken():
    assert set(DOCUMENTED) <= set(DBOSConfig.__annotations__)
    assert read(dict.fromkeys(DOCUMENTED)).name == "dbos-app"


def test_the_defaults_are_those_of_dbos():
    config = read({"name": "my-app"})
    assert config.database_url == "sqlite:///my-app.sqlite"
    assert (config.executor_id, config.version, config.log_level, config.migrates) == ("local", None, "INFO", True)


def test_an_address_is_found_under_each_of_its_keys():
    url = "postgresql://ada@host/db"
    for key in ("system_database_url", "database_url", "application_database_url"):
        assert read({"name": "app", key: url}).url == url
    engine = SimpleNamespace(url=SimpleNamespace(render_as_string=lambda hide_password: url))
    assert read({"name": "app", "system_database_engine": engine}).url == url
    with pytest.raises(DBOSInitializationError, match="SQLAlchemy engine"):
        read({"name": "app", "system_database_engine": object()})


def test_the_environment_names_version_and_executor(monkeypatch):
    monkeypatch.setenv("DBOS__VMID", "vm-1")
    monkeypatch.setenv("DBOS__APPVERSION", "v9")
    config = read({"name": "app", "executor_id": "other", "application_version": "other"})
    assert (config.executor_id, config.version) == ("vm-1", "v9")


def test_keys_that_change_nothing_are_told_apart():
    config = read({"name": "app", **dict.fromkeys(WITHOUT_EFFECT, True), **dict.fromkeys(TUNING, 1)})
    assert set(config.without_effect) == set(WITHOUT_EFFECT)
    assert read({"name": "app", **dict.fromkeys(WITHOUT_EFFECT, False)}).without_effect == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_executor_threads", 0),
        ("max_executor_threads", "many"),
        ("application_version", " "),
        ("database_url", "x"),
        ("dbos_system_schema", "a; drop table b"),
        ("dbos_system_schema", "Upper"),
    ],
)
def test_a_value_that_means_nothing_is_refused(key, value):
    with pytest.raises(DBOSInitializationError, match=key):
        read({"name": "app", key: value})
