"""DBOS's names in a Django project: its settings and its database hold."""

from __future__ import annotations

import sys
import threading

import pytest

import durable
from durable.compat.dbos import DBOS, Queue
from durable.compat.dbos.error import DBOSException, DBOSInitializationError
from durable.models import Workflow
from durable.registry import registry


@DBOS.workflow()
def compat_in_a_project(n):
    return n


@pytest.fixture
def after(database):
    yield
    DBOS.destroy()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"system_database_url": "sqlite:///elsewhere.sqlite"}, "not the one of this Django project"),
        ({"application_version": "other"}, "settings.DURABLE"),
        ({"serializer": "pickle"}, "settings.DURABLE"),
    ],
)
def test_a_configuration_that_says_otherwise_is_refused(after, config, words):
    with pytest.raises(DBOSInitializationError, match=words):
        DBOS(config={"name": "compat", **config})
    assert not DBOS.is_launched()


def test_a_decorated_function_is_a_definition_of_the_project(executor):
    """Without `DBOS()` too: executors of the project run it."""
    assert registry.get("compat_in_a_project").name == "compat_in_a_project"
    assert compat_in_a_project(1) == 1
    assert DBOS.start_workflow(compat_in_a_project, 2).get_result() == 2
    native = compat_in_a_project.declared.native()
    assert native.start(3).get_result(10) == 3
    assert isinstance(native, durable.definition.Definition)


def test_workflows_of_both_spellings_call_each_other(dbos):
    @durable.workflow(name="compat-native")
    def native(n):
        return compat_in_a_project(n) + 1

    @DBOS.workflow()
    def spelled(n):
        return native(n) + 1

    assert spelled(1) == 3
    assert Workflow.objects.count() == 3


def test_a_patient_end_waits_for_what_runs_and_takes_nothing_more(after):
    DBOS(config={"name": "compat", "log_level": "WARNING"})
    DBOS.launch()
    queue = Queue("compat-patient", concurrency=1)
    started, go_on = threading.Event(), threading.Event()

    @DBOS.step()
    def step(n):
        return n

    @DBOS.workflow()
    def takes_its_time():
        started.set()
        go_on.wait(10)
        return [step(1), step(2)]

    running, waiting = queue.enqueue(takes_its_time), queue.enqueue(compat_in_a_project, 1)
    assert started.wait(10)
    threading.Timer(0.2, go_on.set).start()
    DBOS.destroy(workflow_completion_timeout_sec=20)
    assert running.get_status().status == "SUCCESS" and running.get_status().output == [1, 2]
    assert waiting.get_status().status == "ENQUEUED"
    DBOS(config={"name": "compat", "log_level": "WARNING"})
    DBOS.launch()
    assert waiting.get_result() == 1


def test_a_reset_empties_the_tables_before_the_launch_only(after):
    DBOS(config={"name": "compat", "log_level": "WARNING"})
    DBOS.launch()
    compat_in_a_project(1)
    with pytest.raises(DBOSException, match="before"):
        DBOS.reset_system_database()
    DBOS.destroy()
    DBOS(config={"name": "compat", "log_level": "WARNING"})
    DBOS.reset_system_database()
    assert Workflow.objects.count() == 0


def test_a_transaction_uses_the_projects_own_connection(dbos):
    from tests.app.models import Effect

    @DBOS.transaction()
    def writes(n):
        Effect.objects.create(key=str(n))
        if n < 0:
            raise ValueError(n)
        return Effect.objects.count()

    @DBOS.workflow()
    def transacts():
        try:
            writes(-1)
        except ValueError:
            return writes(1)

    assert transacts() == 1 and writes(2) == 2
    with pytest.raises(DBOSException, match="sql_session"):
        DBOS.sql_session  # noqa: B018


def test_a_session_of_sqlalchemy_is_on_djangos_connection_and_ends_with_its_transaction(dbos):
    from sqlalchemy import text

    from tests.app.models import Effect

    @DBOS.transaction()
    def writes_both_ways(fails):
        Effect.objects.create(key="by Django")
        count = DBOS.sql_session.execute(text(f"select count(*) from {Effect._meta.db_table}")).scalar()
        DBOS.sql_session.execute(text(f"update {Effect._meta.db_table} set detail = 'by SQLAlchemy'"))
        DBOS.sql_session.commit()  # not its to end
        if fails:
            raise ValueError(fails)
        return count

    @DBOS.workflow()
    def both_ways():
        try:
            writes_both_ways(True)
        except ValueError:
            return writes_both_ways(False)

    assert both_ways() == 1
    assert list(Effect.objects.values_list("key", "detail")) == [("by Django", "by SQLAlchemy")]


def test_without_sqlalchemy_its_session_is_refused_in_words(dbos, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy.orm", None)

    @DBOS.transaction()
    def asks():
        return DBOS.sql_session

    with pytest.raises(DBOSException, match="not installed"):
        asks()
