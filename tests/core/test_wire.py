"""Statements on PostgreSQL past the driver's cursor: what goes in comes out, and what fails breaks nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest
from django.db import DataError, OperationalError, ProgrammingError, connection

from durable.backends.backend import backend
from durable.backends.session import Own, is_passing
from durable.executor import Executor
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import wait_until

ONE = ("select %(n)s::int", {"n": 1})
LATCH = 4711
INSERT = "insert into tests_app_effect (key, detail) values (%(k)s, '')"

WAYS: dict[str, Callable[[Own, str, dict[str, Any]], Any]] = {
    "run": lambda session, sql, params: session.run(sql, params),
    "together": lambda session, sql, params: session.together([ONE, (sql, params)])[1],
}


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
def session(database: str, settings: Any, request: pytest.FixtureRequest) -> Iterator[Own]:
    if database != "postgresql":
        pytest.skip("SQLite has no wire")
    settings.DURABLE = {**settings.DURABLE, "PREPARED_STATEMENTS": request.param}
    own = backend().own()
    yield own
    own.close()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Any:
    return WAYS[request.param]


def ask(sql: str, **params: Any) -> list[Any]:
    """On Django's connection, which none of this may harm."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def pid(session: Own) -> int:
    return session.run("select pg_backend_pid()", {})[0][0]


def cut(pid: int) -> None:
    """The server ends a session, as in a restart."""
    ask("select pg_terminate_backend(%(pid)s)", pid=pid)
    wait_until(lambda: not ask("select 1 from pg_stat_activity where pid = %(pid)s", pid=pid))


# --- values

TEXTS = [
    "", " ", "it's", 'say "no"', "back\\slash", "\\N", "{a,b}", "NULL", "null", "a,b", "ä€😀", "tab\tnew\nline",
    "%s %%",
]  # fmt: skip
VALUES = [
    *zip(repeat("boolean"), (True, False, None)),
    *zip(repeat("bigint"), (0, -1, 2**31, 2**62, -(2**63))),
    *zip(repeat("float8"), (0.0, 1e-7, -1.5, 1e300, 0.1 + 0.2, 1_800_000_000.123456, float("inf"))),
    *zip(repeat("text"), (*TEXTS, "x" * 100_000)),
    *zip(repeat("text[]"), ([], [*TEXTS, None, "end"], None)),
    *zip(repeat("bigint[]"), ([1, -2, 2**62, None], [])),
    *zip(repeat("float8[]"), ([1e-7, 2.0],)),
    *zip(repeat("boolean[]"), ([True, False, None],)),
]


def test_every_value_comes_back_as_it_went_in(session, way):
    for kind, value in VALUES:
        [(back,)] = way(session, f"select %(v)s::{kind}", {"v": value})
        assert (back, type(back)) == (value, type(value)), kind


def test_a_tuple_goes_in_as_a_list(session):
    assert session.run("select %(v)s::text[]", {"v": ("a", "b,c")}) == [(["a", "b,c"],)]


def test_names_may_come_twice_in_any_order_and_percent_signs_are_themselves(session, way):
    sql = "select %(b)s::int - %(a)s::int, %(b)s::int %% %(c)s::int, '100%%'"
    assert way(session, sql, {"a": 3, "b": 17, "c": 5, "unused": object()}) == [(14, 2, "100%")]


def test_a_type_that_no_statement_takes_is_named(session):
    with pytest.raises(TypeError, match=r"dict: \{'a': 1\}"):
        session.run("select %(v)s::json", {"v": {"a": 1}})


@pytest.mark.parametrize("value", ["a\0b", ["fine", "\0"]], ids=["text", "list"])
def test_text_that_the_database_cannot_hold_is_refused_and_the_connection_goes_on(session, way, value):
    before = pid(session)
    with pytest.raises(DataError, match="NUL"):
        way(session, "select %(v)s", {"v": value})
    with pytest.raises(DataError, match="NUL"), session.transaction():
        session.run(INSERT, {"k": "rolled back"})
        way(session, "select %(v)s", {"v": value})
    assert (pid(session), Effect.objects.count()) == (before, 0)


def test_what_returns_nothing_gives_no_rows(session, way):
    assert way(session, INSERT, {"k": "a"}) == way(session, "select 1 where false", {}) == []


def test_eight_megabytes_each_way_in_one_go_do_not_stand_in_each_others_way(database, session):
    large = "x" * 8_000_000
    apart = backend().own()  # one that waits for ever could not be closed
    answers: list[Any] = []
    statements = [("select %(t)s::text", {"t": f"{n}{large}"}) for n in range(3)]
    thread = threading.Thread(target=lambda: answers.extend(apart.together(statements)), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "both sides send, and neither reads"
    assert [rows[0][0][:2] for rows in answers] == ["0x", "1x", "2x"]
    assert {len(rows[0][0]) for rows in answers} == {8_000_001}
    apart.close()


# --- errors


def test_an_error_in_one_of_several_undoes_them_all_and_the_connection_goes_on(session):
    before = pid(session)
    for wrong in ("select 1 / %(n)s::int", "select %(n)s from no_such_table"):
        with pytest.raises((DataError, ProgrammingError)):
            session.together([(INSERT, {"k": "a"}), (wrong, {"n": 0}), (INSERT, {"k": "b"})])
        assert session.together([ONE, ONE]) == [[(1,)], [(1,)]]
    assert (pid(session), Effect.objects.count()) == (before, 0)


def test_an_error_in_a_transaction_undoes_what_came_before_it_and_the_connection_goes_on(session, way):
    before = pid(session)
    with pytest.raises(DataError), session.transaction():
        session.run(INSERT, {"k": "a"})
        way(session, "select 1 / %(n)s::int", {"n": 0})
    with session.transaction():
        way(session, INSERT, {"k": "b"})
    assert pid(session) == before
    assert list(Effect.objects.values_list("key", flat=True)) == ["b"]


@pytest.mark.parametrize("warm", [True, False], ids=["known statements", "new statements"])
def test_a_lost_connection_is_djangos_error_and_worth_another_try(session, way, warm):
    sql = "select %(n)s::int + 1"
    if warm:
        way(session, sql, {"n": 1})
    cut(pid(session))
    with pytest.raises(OperationalError) as raised:
        way(session, sql, {"n": 1})
    assert is_passing(raised.value)
    session.close()
    assert way(session, sql, {"n": 1}) == [(2,)]


def test_a_transaction_whose_connection_is_lost_raises_that_and_is_not_half_done(session):
    with pytest.raises(OperationalError), session.transaction():
        session.run(INSERT, {"k": "a"})
        cut(pid(session))
        session.run(INSERT, {"k": "b"})
    session.close()
    with session.transaction():
        session.run(INSERT, {"k": "c"})
    assert list(Effect.objects.values_list("key", flat=True)) == ["c"]


def test_who_is_interrupted_while_it_waits_leaves_no_answer_behind(session, monkeypatch):
    session.connect()

    def interrupt(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr(session.wire, "_wait", interrupt)
        session.together([("select 2", {}), ("select 3", {})])
    assert session.raw.closed
    session.close()
    assert session.run(*ONE) == [(1,)]


# --- prepared statements


def prepared(session: Own) -> list[str]:
    rows = session.run("select name from pg_prepared_statements order by prepare_time", {})
    return [name for (name,) in rows]


def test_a_statement_is_prepared_at_its_second_use_unless_the_settings_say_never(session, settings):
    for n in range(3):
        session.run("select %(n)s::int + 10", {"n": n})
        session.together([("select %(n)s::int + 10", {"n": n}), ONE])
    expected = ["durable_1", "durable_2"] if settings.DURABLE["PREPARED_STATEMENTS"] else []
    assert prepared(session) == expected


def test_a_statement_that_the_server_has_forgotten_is_prepared_again(session):
    for _ in range(2):
        assert session.run(*ONE) == [(1,)]
    session.raw.execute("deallocate all")
    assert session.run(*ONE) == [(1,)]
    for _ in range(2):
        assert session.run(*ONE) == [(1,)]
    session.raw.execute("deallocate all")
    assert session.together([ONE, ONE]) == [[(1,)], [(1,)]]


def test_one_that_is_forgotten_within_a_transaction_fails_that_and_is_prepared_again_after_it(session, settings):
    session.run(INSERT, {"k": "known"})
    session.run(INSERT, {"k": "known again"})
    if settings.DURABLE["PREPARED_STATEMENTS"]:
        with pytest.raises(ProgrammingError, match="does not exist"), session.transaction():
            session.run("select 2", {})
            session.raw.execute("deallocate all")
            session.run(INSERT, {"k": "lost"})
    assert session.run(INSERT, {"k": "found"}) == []
    assert list(Effect.objects.values_list("key", flat=True)) == ["known", "known again", "found"]


def test_a_statement_whose_table_was_altered_is_prepared_again(session):
    session.run("create temp table altered (a int)", {})
    session.run("insert into altered values (%(a)s)", {"a": 1})
    for _ in range(2):
        assert session.run("select * from altered", {}) == [(1,)]
    session.run("alter table altered add column b int default 2", {})
    assert session.run("select * from altered", {}) == [(1, 2)]


def test_workflows_run_without_prepared_statements(database, session):
    executor = Executor(concurrency=4).start()
    assert [app.total.start(3).get_result(timeout=10), app.atotal.start(3).get_result(timeout=10)] == [3, 3]
    assert app.book.start("booked").get_result(timeout=10) == "booked"
    executor.drain(2)


# --- threads


@pytest.fixture
def latch(database: str) -> Iterator[Callable[[], None]]:
    """A lock that statements wait for, held by Django's connection; gives what opens it."""
    ask("select pg_advisory_lock(%(latch)s)", latch=LATCH)
    held = [True]

    def open_it() -> None:
        if held:
            held.pop()
            ask("select pg_advisory_unlock(%(latch)s)", latch=LATCH)

    yield open_it
    open_it()


def waits() -> bool:
    """Whether a statement waits for the latch."""
    return bool(ask("select 1 from pg_locks where locktype = 'advisory' and objid = %(o)s and not granted", o=LATCH))


def test_other_threads_run_while_a_statement_waits_for_the_server(session, way, latch):
    """Who held the interpreter meanwhile would never see the latch open: its statement fails after ten seconds."""
    session.run("set lock_timeout = '10s'", {})

    found: list[Any] = []

    def wait_for_it() -> None:
        sql = "select 1 from (select pg_advisory_lock(%(latch)s)) as held"
        found.extend(way(session, sql, {"latch": LATCH}))

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    wait_until(waits)
    latch()
    thread.join(15)
    assert found == [(1,)]


def test_a_connection_that_is_cut_while_a_statement_waits_raises_that(session, way, latch):
    mine, errors = pid(session), []

    def wait_for_it() -> None:
        try:
            way(session, "select pg_advisory_lock(%(latch)s)", {"latch": LATCH})
        except OperationalError as error:
            errors.append(error)

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    wait_until(waits)
    cut(mine)
    thread.join(15)
    assert len(errors) == 1 and is_passing(errors[0])
    session.close()
    assert session.run(*ONE) == [(1,)]
