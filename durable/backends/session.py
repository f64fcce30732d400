"""Connections for the hot statements: the engine's own, or the one that Django has open in this thread.

A statement is written once with `%(name)s` places. An own connection skips Django's cursor (measured: 258 µs against
382 µs a statement on PostgreSQL) and prepares its statements; a borrowed one keeps Django's, so that the statements
join the caller's transaction and appear in its query log.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connections, transaction
from django.db.utils import InterfaceError, OperationalError

from ..conf import conf

Rows = list[tuple[Any, ...]]
Statement = tuple[str, Mapping[str, Any]]

BEGIN: Statement = ("begin", {})
COMMIT: Statement = ("commit", {})
ROLLBACK: Statement = ("rollback", {})

LOCK_SECONDS = 5.0
LOCK_PAUSE_SECONDS = 0.001
"""On SQLite: how long a write may wait for the lock, and how often it tries."""

T = TypeVar("T")

PLACE = re.compile(r"%\((\w+)\)s")


class Session(ABC):
    """Where statements run: on a connection of the engine's own, or on the caller's."""

    @abstractmethod
    def run(self, sql: str, params: Mapping[str, Any]) -> Rows:
        """Run one statement; all its rows."""

    @abstractmethod
    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[Rows]:
        """Run statements in one transaction; the rows of each. `last`: they may take the end of it along."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """A transaction around several calls."""


class Borrowed(Session):
    """Django's own connection of the calling thread."""

    def __init__(self, alias: str):
        self.alias = alias

    def run(self, sql: str, params: Mapping[str, Any]) -> Rows:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[Rows]:
        """Run statements in one transaction, or in the caller's. A single statement is one by itself."""
        if len(statements) == 1:
            return [self.run(*statements[0])]
        with transaction.atomic(using=self.alias):
            return [self.run(sql, params) for sql, params in statements]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with transaction.atomic(using=self.alias):
            yield


class BorrowedPostgres(Borrowed):
    """Django's own connection, past its cursor: prepared, and half the time. Its log of queries and its wrappers are
    served by the cursor, and so is a transaction that the driver has yet to begin."""

    def run(self, sql: str, params: Mapping[str, Any]) -> Rows:
        wrapper = connections[self.alias]
        with wrapper.wrap_database_errors:
            wire = self._wire(wrapper)
            if wire is not None:
                return wire.run(sql, params)
        return super().run(sql, params)

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[Rows]:
        """One round trip where no transaction is open: the server makes them one."""
        wrapper = connections[self.alias]
        with wrapper.wrap_database_errors:
            wire = self._wire(wrapper)
            if wire is not None and len(statements) > 1 and not wire.is_in_transaction:
                return wire.together(statements)
        return super().together(statements)

    def _wire(self, wrapper: Any) -> Any:
        wrapper.close_if_health_check_failed()
        wrapper.ensure_connection()
        wrapper.validate_thread_sharing()
        wrapper.validate_no_broken_transaction()
        raw = wrapper.connection
        if wrapper.queries_logged or wrapper.execute_wrappers:
            return None
        if not hasattr(raw, "durable_wire"):
            from .libpq import Wire  # SQLite needs no driver of PostgreSQL's

            raw.durable_wire = Wire(raw, conf().PREPARED_STATEMENTS)
        wire = raw.durable_wire
        return wire if raw.autocommit or wire.is_in_transaction else None


class Own(Session):
    """A connection of the engine's, made by Django from the alias, outside its registry. One thread at a time."""

    def __init__(self, alias: str):
        self.lock = threading.RLock()
        self.wrapper = connections.create_connection(alias)
        # Of a pool it would take, and give back, connections with its own settings and statements.
        options = {name: value for name, value in self.wrapper.settings_dict["OPTIONS"].items() if name != "pool"}
        self.wrapper.settings_dict = {**self.wrapper.settings_dict, "OPTIONS": options}
        self.wrapper.inc_thread_sharing()
        self.raw: Any = None

    def connect(self) -> Any:
        """The driver's connection, opened when it is not."""
        if self.raw is None:
            off_the_loop(self.wrapper.ensure_connection)
            self.raw = self.wrapper.connection
            self.prepare()
        return self.raw

    def prepare(self) -> None:
        """Settings of a fresh connection."""

    def close(self) -> None:
        """Close it; the next statement opens another."""
        with self.lock:
            self.raw = None
            try:
                off_the_loop(self.wrapper.close)
            except (OperationalError, InterfaceError):
                self.wrapper.connection = None


def off_the_loop(act: Callable[[], None]) -> None:
    """Do what Django refuses where an event loop runs: a coroutine workflow may call a plain step, and that step be the
    first to need its connection."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        act()
    else:
        with ThreadPoolExecutor(1, thread_name_prefix="durable-connect") as apart:
            apart.submit(act).result()


class OwnPostgres(Own):
    prepared = True
    claims = False
    patience = 15.0
    """Seconds that a transaction of the engine may stand still."""
    _is_opening = False
    """Whether the next statement takes the beginning of its transaction along."""

    def prepare(self) -> None:
        from .libpq import Wire  # SQLite needs no driver of PostgreSQL's

        self.wire = Wire(self.raw, self.prepared)
        if not self.prepared:  # behind a pooler that shares sessions, theirs must stay as they are
            return
        # A frozen process must not hold a lock for ever: the server ends its session and rolls back.
        self.raw.execute(f"set idle_in_transaction_session_timeout = '{int(self.patience * 1000)}ms'")
        if self.claims:
            # Without statistics the planner sorts a whole queue instead of reading the front of its index:
            # 10 to 29 ms a claim at 100,000 ready rows instead of 0.6.
            self.raw.execute("set enable_sort = off")

    def run(self, sql: str, params: Mapping[str, Any]) -> Rows:
        if self._is_opening:
            return self.together([(sql, params)])[0]
        with self.lock, self.wrapper.wrap_database_errors:
            self.connect()
            return self.wire.run(sql, params)

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[Rows]:
        """Send all statements at once: one round trip, which also opens a transaction that has just begun."""
        if len(statements) == 1 and not last and not self._is_opening:
            return [self.run(*statements[0])]
        with self.lock, self.wrapper.wrap_database_errors:
            self.connect()
            before, self._is_opening = [BEGIN] * self._is_opening, False
            after = [COMMIT] * (last and (bool(before) or self.wire.is_in_transaction))
            return self.wire.together([*before, *statements, *after])[len(before) :][: len(statements)]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock, self.wrapper.wrap_database_errors:
            self.connect()
            if self._is_opening or self.wire.is_in_transaction:
                yield
                return
            self._is_opening = True
            try:
                yield
                if self.wire.is_in_transaction:
                    self.wire.run(*COMMIT)
            except BaseException:
                if self.wire.has_failed or self.wire.is_in_transaction:
                    self.wire.run(*ROLLBACK)
                raise
            finally:
                self._is_opening = False


class OwnSqlite(Own):
    def prepare(self) -> None:
        self.raw.execute("PRAGMA busy_timeout = 0")

    def run(self, sql: str, params: Mapping[str, Any]) -> Rows:
        with self.lock, self.wrapper.wrap_database_errors:
            raw = self.connect()
            if raw.in_transaction:
                return raw.execute(named(sql), params).fetchall()
            return self._in_turn(lambda: raw.execute(named(sql), params).fetchall())

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[Rows]:
        """Run statements in one IMMEDIATE transaction."""
        if len(statements) == 1:
            return [self.run(*statements[0])]
        with self.transaction():
            return [self.run(sql, params) for sql, params in statements]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock, self.wrapper.wrap_database_errors:
            raw = self.connect()
            if raw.in_transaction:
                yield
                return
            self._in_turn(lambda: raw.execute("BEGIN IMMEDIATE"))
            try:
                yield
                raw.execute("COMMIT")
            except BaseException:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                raise

    @staticmethod
    def _in_turn(write: Callable[[], T]) -> T:
        """Try until the file's one lock is free. SQLite's own waiting grows to 100 ms a time, so that a process which
        writes without a pause would leave nothing to one that has waited for long."""
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return write()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)


@lru_cache(maxsize=512)
def named(sql: str) -> str:
    """`%(name)s` as sqlite3 spells it."""
    return PLACE.sub(r":\1", sql).replace("%%", "%")


PASSING_STATES = ("08", "40", "53", "55", "57")
"""SQLSTATE classes of connection loss, conflicts, lack of resources, locks, and an operator's shutdown."""
PASSING_WORDS = ("locked", "busy", "unable to open", "disk i/o", "disk is full", "closed")


def is_passing(error: BaseException) -> bool:
    """Whether a database error may go away by itself, so that the same statement is worth another try."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    cause = error.__cause__
    if type(cause).__module__.startswith("sqlite3"):
        return any(word in str(error).lower() for word in PASSING_WORDS)
    state = getattr(cause, "sqlstate", None)
    return state is None or state[:2] in PASSING_STATES
