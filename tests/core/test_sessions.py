"""Where statements run: on Django's connection of the calling thread, or on one of the engine's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, close_old_connections, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

import durable
from durable.backends import libpq
from durable.backends import session as sessions
from durable.backends.backend import backend
from durable.backends.session import Own, is_passing
from durable.backends.writing import Verdict, write
from durable.engine import commands as c
from durable.models import Event, Step, Workflow
from durable.models.fields import Now
from tests.app.models import Effect
from tests.support import databases, wait_until

INSERT = "insert into tests_app_effect (key, detail) values (%(k)s, '')"
BAD = (INSERT, {"k": None})

line = durable.Queue("sessions")


@durable.workflow(name="sessions.nothing")
def nothing(n: int = 0) -> None: ...


def insert(key: str) -> tuple[str, dict[str, Any]]:
    return INSERT, {"k": key}


def stored() -> list[str]:
    return sorted(Effect.objects.values_list("key", flat=True))


@pytest.fixture
def session(database: str) -> Iterator[Own]:
    own = backend().own()
    yield own
    own.close()


@pytest.fixture
def past_the_cursor(database: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of this thread that go past the cursor of the driver, from now on."""
    if database != "postgresql":
        pytest.skip("SQLite's cursor is as quick")
    seen: list[str] = []
    run, here = libpq.Wire.run, threading.current_thread()

    def noted(wire: Any, sql: str, params: Any) -> Any:
        if threading.current_thread() is here:
            seen.append(" ".join(sql.split()))
        return run(wire, sql, params)

    monkeypatch.setattr(libpq.Wire, "run", noted)
    return seen


# --- the connection that Django has open in this thread


@pytest.mark.parametrize("first", [None, Effect.objects.count], ids=["before any other statement", "after another"])
def test_what_is_enqueued_commits_and_rolls_back_with_the_block_it_is_in(database, first):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        if first:
            first()
        line.enqueue(nothing)
        Effect.objects.create(key="with it")
        raise ZeroDivisionError
    assert not Workflow.objects.exists() and not Effect.objects.exists()
    with transaction.atomic():
        if first:
            first()
        line.enqueue(nothing)
        Effect.objects.create(key="with it")
    assert Workflow.objects.count() == Effect.objects.count() == 1


def test_a_savepoint_takes_back_what_was_enqueued_in_it_and_nothing_else(database):
    with transaction.atomic():
        kept = line.enqueue(nothing)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            line.enqueue(nothing)
            raise ZeroDivisionError
    assert list(Workflow.objects.values_list("id", flat=True)) == [kept.workflow_id]


def refused_by_the_database() -> None:
    with pytest.raises(IntegrityError):
        Effect.objects.create(key=None)


def refused_by_the_code() -> None:
    """An inner block that is no savepoint fails: to Django the transaction is broken, to the database it is not."""
    Effect.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic(savepoint=False):
        raise ZeroDivisionError


@pytest.mark.parametrize("breaks", [refused_by_the_database, refused_by_the_code])
def test_nothing_is_enqueued_in_a_transaction_that_is_broken(database, breaks):
    with transaction.atomic():
        breaks()
        with pytest.raises(TransactionManagementError):
            line.enqueue(nothing)
        transaction.set_rollback(True)
    assert not Workflow.objects.exists()
    line.enqueue(nothing)
    assert Workflow.objects.count() == 1


def test_djangos_log_of_queries_shows_every_statement(database):
    with CaptureQueriesContext(connection) as seen:
        line.enqueue(nothing)
        with transaction.atomic():
            line.enqueue(nothing)
    inserts = [each["sql"] for each in seen.captured_queries if "insert into durable_workflow" in each["sql"]]
    assert len(inserts) == 2


def test_wrappers_of_execution_see_every_statement_and_may_refuse_it(database):
    seen = []

    def blocks(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        raise PermissionError("no statement here")

    with connection.execute_wrapper(blocks), pytest.raises(PermissionError):
        line.enqueue(nothing)
    assert len(seen) == 1 and not Workflow.objects.exists()


def test_without_a_log_or_wrappers_statements_go_past_the_cursor_also_in_a_transaction(past_the_cursor):
    line.enqueue(nothing)
    with transaction.atomic():
        Effect.objects.count()
        line.enqueue(nothing)
    assert [each.startswith("insert into durable_workflow") for each in past_the_cursor] == [True, True]
    past_the_cursor.clear()
    with CaptureQueriesContext(connection):
        line.enqueue(nothing)
    with transaction.atomic():  # the driver begins the transaction with its own first statement
        line.enqueue(nothing)
    assert past_the_cursor == []
    assert Workflow.objects.count() == 4


def cut_djangos_connection() -> None:
    """The server ends it; nobody in this thread knows yet."""
    own = backend().own()
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        [pid] = cursor.fetchone()
    own.run("select pg_terminate_backend(%(pid)s::int)", {"pid": pid})
    wait_until(lambda: not own.run("select 1 from pg_stat_activity where pid = %(pid)s::int", {"pid": pid}))
    own.close()


@pytest.fixture
def kept_open(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Django's connection as a web server keeps it from request to request; its settings."""
    if database != "postgresql":
        pytest.skip("nobody closes a file from the other side")
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close()
    yield connection.settings_dict
    connection.close()


def test_a_connection_that_the_server_closed_is_replaced_where_django_checks_its_health(kept_open, monkeypatch):
    monkeypatch.setitem(kept_open, "CONN_HEALTH_CHECKS", True)
    line.enqueue(nothing)
    cut_djangos_connection()
    close_old_connections()  # a new request begins
    line.enqueue(nothing)
    cut_djangos_connection()
    close_old_connections()
    with transaction.atomic():
        line.enqueue(nothing)
    assert Workflow.objects.count() == 3


def test_without_health_checks_it_is_an_error_once_and_replaced_for_the_next_request(kept_open):
    line.enqueue(nothing)
    cut_djangos_connection()
    with pytest.raises(OperationalError) as raised:
        line.enqueue(nothing)
    assert is_passing(raised.value)
    close_old_connections()
    line.enqueue(nothing)
    assert Workflow.objects.count() == 2


# --- connections that Django takes from a pool


@pytest.fixture
def pooled(database: str, settings: Any) -> Iterator[None]:
    """Django takes its connections from a pool, which has one."""
    if database != "postgresql":
        pytest.skip("SQLite has no pool")
    settings.DURABLE = {**settings.DURABLE, "LISTEN_NOTIFY": False}  # which would hold it
    here, pool = settings.DATABASES["default"], {"min_size": 1, "max_size": 1, "timeout": 10}
    with databases.as_default({**here, "OPTIONS": {**here["OPTIONS"], "pool": pool}}):
        yield
        connection.close()
        connection.close_pool()


def test_a_connection_of_a_pool_serves_one_session_after_another(pooled):
    for n in range(3):
        own = backend().own()
        assert own.run("select %(n)s::int", {"n": n}) == [(n,)]
        own.close()
        line.enqueue(nothing)
        connection.close()
    assert Workflow.objects.count() == 3


def test_a_connection_goes_back_to_its_pool_as_it_came(pooled):
    own = backend().own(claims=True)
    assert own.run("select 1", {}) == [(1,)]
    own.close()
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('enable_sort'), current_setting('idle_in_transaction_session_timeout')")
        assert cursor.fetchone() == ("on", "0")


# --- a transaction of the engine's own, and its end


class Sent:
    """What goes over the wire of an own connection: the number of statements of each round trip."""

    def __init__(self, wire: Any):
        self.trips: list[int] = []
        self.wire = wire
        self.run_one, self.run_several = wire.run, wire.together
        wire.run, wire.together = self.run, self.together

    def run(self, sql: str, params: Any) -> Any:
        self.trips.append(1)
        return self.run_one(sql, params)

    def together(self, statements: Any) -> Any:
        self.trips.append(len(statements))
        return self.run_several(statements)


def test_the_end_of_a_transaction_travels_with_its_last_statements(session, database):
    if database != "postgresql":
        pytest.skip("SQLite has no way to travel")
    session.connect()
    sent = Sent(session.wire)
    with session.transaction():
        session.together([insert("a"), insert("b")], last=True)
        assert stored() == ["a", "b"], "what is the last is committed"
    assert sent.trips == [4]
    with session.transaction():
        session.run(*insert("c"))
        assert "c" not in stored()
        session.together([insert("d")], last=True)
        assert stored() == ["a", "b", "c", "d"]
    assert sent.trips == [4, 2, 2]
    with session.transaction():
        pass
    assert sent.trips == [4, 2, 2], "an empty transaction asks nothing"


def test_what_follows_the_last_statements_stands_outside(session, database):
    if database != "postgresql":
        pytest.skip("on SQLite a transaction ends with its block")
    with pytest.raises(ZeroDivisionError), session.transaction():
        session.together([insert("inside")], last=True)
        session.run(*insert("after"))
        raise ZeroDivisionError
    assert stored() == ["after", "inside"]
    with pytest.raises(ZeroDivisionError), session.transaction():
        session.run(*insert("rolled back"))
        raise ZeroDivisionError
    assert stored() == ["after", "inside"]


def test_last_statements_without_a_transaction_are_one_by_themselves(session):
    session.together([insert("a"), insert("b")], last=True)
    session.together([insert("c")], last=True)
    with pytest.raises(IntegrityError):
        session.together([insert("d"), BAD], last=True)
    assert stored() == ["a", "b", "c"]


@pytest.mark.parametrize("before", [0, 1], ids=["at once", "after another statement"])
def test_an_error_among_the_last_statements_rolls_all_back(session, before):
    with pytest.raises(IntegrityError), session.transaction():
        for n in range(before):
            session.run(*insert(f"before {n}"))
        session.together([insert("a"), BAD, insert("b")], last=True)
    assert stored() == []
    with session.transaction():
        session.together([insert("c")], last=True)
    session.run(*insert("d"))
    assert stored() == ["c", "d"]


def test_a_transaction_within_another_is_part_of_it(session):
    with pytest.raises(ZeroDivisionError), session.transaction():
        with session.transaction():
            session.run(*insert("a"))
        with session.transaction():
            session.together([insert("b"), insert("c")])
        raise ZeroDivisionError
    assert stored() == []


def parent_and(child: str) -> c.Entry:
    """A parent's entry that starts a child under an id which may be in use, and publishes something."""
    new = c.NewWorkflow(child, nothing.name, "{}", "sessions", is_named=True, parent="parent")
    row = c.Row(1, nothing.name, "child", child=child)
    return c.Entry("parent", 1, c.Record((row,), (new, c.Publish("parent", "key", 1, "1"))), executor="e")


def test_a_child_that_is_refused_takes_nothing_of_its_entry_along(session):
    for each in ("parent", "other", "taken"):
        Workflow.objects.create(id=each, name="w", status="PENDING", epoch=1, executor="e", run_after=Now())
    refused = parent_and("taken")
    plain = c.Entry("other", 1, c.Record((c.Row(1, "step", "step"), c.Row(2, "step", "step"))), executor="e")
    written = write(backend(), session, [refused, plain])
    assert written.verdicts == {id(refused): Verdict.REFUSED, id(plain): Verdict.DONE}
    assert not Event.objects.exists() and not Step.objects.filter(workflow_id="parent").exists()
    free = parent_and("free")
    assert write(backend(), session, [free]).verdicts == {id(free): Verdict.DONE}
    assert Event.objects.count() == Step.objects.filter(workflow_id="parent", child="free").count() == 1
    assert Workflow.objects.get(pk="free").parent == "parent"


# --- SQLite's one lock


@pytest.fixture
def locked(database: str) -> Iterator[Own]:
    """Another session that holds the file's lock; when it closes, it lets go."""
    if database != "sqlite":
        pytest.skip("PostgreSQL locks rows")
    holder = backend().own()
    holder.connect().execute("BEGIN IMMEDIATE")
    yield holder
    holder.close()


WRITES = {
    "run": lambda session: session.run(*insert("mine")),
    "together": lambda session: session.together([insert("mine"), ("select 1", {})]),
}


@pytest.mark.parametrize("write_it", WRITES.values(), ids=WRITES)
def test_a_write_takes_its_turn_when_the_lock_is_let_go(session, locked, monkeypatch, write_it):
    tried = threading.Event()
    pauses = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: tried.set() or time.sleep(seconds))
    monkeypatch.setattr(sessions, "time", pauses)
    thread = threading.Thread(target=write_it, args=(session,))
    thread.start()
    assert tried.wait(10), "it found the lock held, and tries again"
    assert thread.is_alive() and stored() == []
    locked.raw.execute("COMMIT")
    thread.join(10)
    assert stored() == ["mine"]


@pytest.mark.parametrize("write_it", WRITES.values(), ids=WRITES)
def test_a_write_gives_up_when_the_lock_is_held_for_too_long(session, locked, monkeypatch, write_it):
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 0.01)
    with pytest.raises(OperationalError, match="locked") as raised:
        write_it(session)
    assert is_passing(raised.value)
    locked.raw.execute("COMMIT")
    write_it(session)
    assert stored() == ["mine"]


def test_another_error_is_not_waited_for(session, locked, monkeypatch):
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=time.monotonic))  # it has no sleep
    with pytest.raises(OperationalError, match="no such table"):
        session.run("insert into no_such_table values (1)", {})
    assert session.run("select count(*) from tests_app_effect", {}) == [(0,)], "whoever reads waits for nobody"
