"""Databases as DBOS 3.x names them: datasources, and migrations by an address."""

from __future__ import annotations

import itertools
from contextlib import suppress

import psycopg
import pytest
from django.db import connections

from durable.addresses import described
from durable.compat.dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource
from durable.compat.dbos.error import DBOSException, DBOSInitializationError
from durable.models import Workflow
from tests.app.models import Effect
from tests.support.waiting import run_async

from .running import address_of, changed

numbers = itertools.count(1)


@DBOS.workflow()
def newer_returns(n):
    return n


@pytest.fixture
def url(database):
    alias = connections.settings["default"]
    return f"sqlite:///{alias['NAME']}" if database == "sqlite" else address_of(alias, alias["NAME"])


# --- datasources


def test_a_datasource_writes_exactly_once_on_djangos_connection(dbos, url):
    from sqlalchemy import text
    from sqlalchemy.orm import Session, sessionmaker

    class Ours(Session):
        pass

    datasource = SQLAlchemyDatasource.create(url, sessionmaker=sessionmaker(class_=Ours))
    table = Effect._meta.db_table

    @datasource.transaction(name="newer-write", isolation_level="REPEATABLE READ")
    def writes(key, fails):
        assert isinstance(datasource.sql_session(), Ours)
        datasource.sql_session().execute(text(f"insert into {table} (key, detail) values (:key, '')"), {"key": key})
        if fails:
            raise ValueError(key)
        return datasource.sql_session().execute(text(f"select count(*) from {table}")).scalar()

    @datasource.transaction
    def counts():
        return datasource.sql_session().execute(text(f"select count(*) from {table}")).scalar()

    @DBOS.workflow()
    def uses():
        with suppress(ValueError):
            writes("a", True)
        return [writes("b", False), datasource.run_tx_step({"name": "newer-ad-hoc"}, writes, "c", False), counts()]

    with SetWorkflowID("uses"):
        assert uses() == [1, 2, 2]
    recorded = [step["function_name"] for step in DBOS.list_workflow_steps("uses")]
    assert recorded[:3] == ["newer-write", "newer-write", "newer-ad-hoc"] and len(recorded) == 4
    assert writes("d", False) == 3, "a plain call outside a workflow"
    assert datasource.run_tx_step(None, counts) == 3
    with pytest.raises(DBOSException, match="its datasource"):
        datasource.sql_session()


def test_a_coroutine_workflow_calls_a_datasource_as_it_is(dbos, url):
    datasource = SQLAlchemyDatasource.create(url)

    def adds(key):
        Effect.objects.create(key=key)
        return Effect.objects.count()

    @DBOS.workflow()
    async def coroutine():
        return [datasource.run_tx_step({"isolation_level": "SERIALIZABLE"}, adds, key) for key in "ab"]

    assert run_async(coroutine()) == [1, 2]


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda ds: SQLAlchemyDatasource.create("sqlite:///elsewhere.sqlite"), r"durable\.transaction\(using=alias\)"),
        (lambda ds: SQLAlchemyDatasource.create("mysql://host/db"), "postgresql://"),
        (lambda ds: SQLAlchemyDatasource.create(None), "address"),
        (lambda ds: ds.transaction(isolation_level="READ ALL"), "READ ALL"),
        (lambda ds: ds.run_tx_step({"isolation_level": "READ ALL"}, len, ""), "READ ALL"),
        (lambda ds: ds.run_tx_step({"retries": 3}, len, ""), "retries"),
        (lambda ds: ds.run_tx_step(None, run_coroutine), "coroutine"),
        (lambda ds: ds.transaction(run_coroutine), "coroutine"),
    ],
)
def test_what_a_datasource_cannot_do_is_refused(dbos, url, use, words):
    with pytest.raises(DBOSException, match=words):
        use(SQLAlchemyDatasource.create(url))


async def run_coroutine():
    """Never run."""


SOURCE = """
from dbos import DBOS, SQLAlchemyDatasource
from sqlalchemy import text

ds = SQLAlchemyDatasource.create({source!r})

@ds.transaction()
def counts():
    return ds.sql_session().execute(text("select count(*) from durable_workflow")).scalar()

@DBOS.workflow()
def outer():
    return counts()

DBOS(config={{"name": "newer", "system_database_url": {url!r}}})
DBOS.launch()
print("workflows", outer())
"""


def test_a_datasource_is_made_before_anything_is_configured(runs, address):
    assert "workflows 1" in runs(SOURCE.format(source=address, url=address))
    said = runs(SOURCE.format(source="sqlite:///elsewhere.sqlite", url=address), code=1)
    assert "elsewhere.sqlite is neither the system database" in said and "workflows" not in said


TWO = """
from dbos import DBOS, SQLAlchemyDatasource
from sqlalchemy import text

DBOS(config={{"name": "newer", "system_database_url": {url!r}, "application_database_url": {application!r}}})
system, application = SQLAlchemyDatasource.create({url!r}), SQLAlchemyDatasource.create({application!r})

def where(datasource):
    try:
        return str(datasource.sql_session().execute(text("select count(*) from made_by_the_application")).scalar())
    except Exception as error:
        return type(error).__name__

@system.transaction()
def in_the_system():
    return [where(system), where(application)]

@application.transaction()
def in_the_application():
    application.sql_session().execute(text("create table made_by_the_application (n int)"))
    return [where(application), where(system), *in_the_system()]

@DBOS.workflow()
def outer():
    return in_the_application()

DBOS.launch()
print(outer())
"""


def test_each_datasource_has_the_session_of_its_own_database(runs, address, tmp_path):
    application = f"sqlite:///{tmp_path}/application.sqlite"
    said = runs(TWO.format(url=address, application=application))
    missing = "OperationalError" if address.startswith("sqlite") else "ProgrammingError"
    assert str(["0", "DBOSException", missing, "DBOSException"]) in said


# --- databases

MIGRATE = """
import sys
from dbos import DBOS, run_dbos_database_migrations
{migrate}
DBOS(config={{"name": "newer", "system_database_url": {url!r}, "run_migrations": False{more}}})
DBOS.launch()

@DBOS.workflow()
def doubled(n):
    return 2 * n

print("doubled", doubled(4))
"""


def migrating(migrate, url, more=""):
    return MIGRATE.format(migrate=migrate, url=url, more=more)


@pytest.fixture
def runs(program, address):
    """What a program prints that is given to the interpreter as it is written."""

    def run(text, code=0):
        each = program("simple.py")
        each.log = each.folder / f"{next(numbers)}.log"
        each.path.write_text(changed(text))
        return each.run(code=code)

    return run


def test_a_database_is_migrated_by_its_address_before_anything_is_launched(runs, address, database):
    refused = "run_migrations is False" if database == "sqlite" else "does not exist"
    assert refused in runs(migrating("", address), code=1)
    migrate = f"run_dbos_database_migrations({address!r}); DBOS.migrate({address!r})"
    assert "doubled 8" in runs(migrating(migrate, address))
    assert "doubled 8" in runs(migrating("", address))


def test_a_role_that_may_not_change_tables_uses_those_that_were_made_for_it(runs, address, database):
    if database == "sqlite":
        assert "doubled 8" in runs(migrating(f"DBOS.migrate({address!r}, application_role='nobody')", address))
        return
    role = "durable_newer_role"
    with psycopg.connect(address_of(connections.settings["default"], "postgres"), autocommit=True) as session:
        session.execute(f"drop role if exists {role}")
        session.execute(f"create role {role} login")
        try:
            migrate = f"DBOS.migrate({address!r}, schema='newer', application_role={role!r})"
            as_role = address.replace(f"{connections.settings['default']['USER']}@", f"{role}@")
            assert as_role != address
            said = runs(migrating(migrate, as_role, ", 'dbos_system_schema': 'newer'"))
            assert "doubled 8" in said
        finally:
            session.execute(f'drop database if exists "{described(address)["NAME"]}" with (force)')
            session.execute(f"drop role {role}")


def test_in_a_project_only_its_own_database_is_migrated_or_emptied(database, url):
    DBOS.migrate(url)
    with pytest.raises(DBOSInitializationError, match="Django project"):
        DBOS.migrate("sqlite:///elsewhere.sqlite")
    newer_returns(0)
    with pytest.raises(DBOSException, match="not the database of this program"):
        DBOS.reset_system_database("sqlite:///elsewhere.sqlite")
    assert Workflow.objects.count() == 1
    DBOS.reset_system_database(url, truncate=True)
    assert Workflow.objects.count() == 0
