"""Statements on PostgreSQL through libpq itself: prepared at their second use, sent and answered in one call of C.

psycopg's cursor costs 45 µs of Python a statement, its `wait` for the answer most of it; a step is one statement, so
this is the floor of everything. The connection stays psycopg's (and Django's): its types load the rows, its errors are
raised, and whoever else uses it notices nothing. The calls used are those of the public `psycopg.pq`.
"""

from __future__ import annotations

import re
import selectors
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from psycopg import DataError, OperationalError, errors, pq
from psycopg.adapt import Transformer

Rows = list[tuple[Any, ...]]

PLACE = re.compile(r"%\((\w+)\)s|%%")
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
OUTDATED = ("26000", "0A000")
"""SQLSTATEs of a prepared statement that the server has forgotten, or whose tables were altered since."""


@lru_cache(maxsize=512)
def numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """A statement with `$1` in place of `%(name)s`, and the names in the order of their numbers."""
    names: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        name = found[1]
        return "%" if name is None else f"${names.setdefault(name, len(names) + 1)}"

    return PLACE.sub(place, sql).encode(), tuple(names)


class Types(NamedTuple):
    """The types of a connection without the connection: one that held itself would outlive its last user."""

    adapters: Any
    connection: None = None


class Wire:
    """What a psycopg connection speaks through. One thread at a time; not while a cursor of it is at work."""

    def __init__(self, connection: Any, prepares: bool):
        self.pg: pq.abc.PGconn = connection.pgconn
        self.prepares = prepares
        self._loading = Transformer(Types(connection.adapters))
        self._plans: dict[str, bytes | None] = {}
        self._numbers = count(1)

    @property
    def is_in_transaction(self) -> bool:
        return self.pg.transaction_status == pq.TransactionStatus.INTRANS

    @property
    def has_failed(self) -> bool:
        """Whether a transaction is open that can only be rolled back."""
        return self.pg.transaction_status == pq.TransactionStatus.INERROR

    def run(self, sql: str, params: Mapping[str, Any]) -> Rows:
        """All rows of one statement."""
        text, names = numbered(sql)
        values: Any = [encoded(params[name]) for name in names]  # psycopg's types know no None
        plan = self._plan(sql, text)
        if plan is None:
            return self._rows(self.pg.exec_params(text, values))
        result = self.pg.exec_prepared(plan, values)
        if result.status == pq.ExecStatus.FATAL_ERROR and self._is_outdated(result):
            result = self.pg.exec_params(text, values)
        return self._rows(result)

    def together(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Rows]:
        """The rows of several statements, sent at once: one round trip, and one transaction where none is open."""
        results = self._at_once(statements)
        if any(result.status == pq.ExecStatus.FATAL_ERROR and self._is_outdated(result) for result in results):
            results = self._at_once(statements)
        return [self._rows(result) for result in results]

    def _at_once(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> list[pq.abc.PGresult]:
        ready = []
        for sql, params in statements:
            text, names = numbered(sql)
            ready.append((text, self._plan(sql, text), [encoded(params[name]) for name in names]))
        self.pg.enter_pipeline_mode()
        try:
            for text, plan, values in ready:
                if plan is None:
                    self.pg.send_query_params(text, values)
                else:
                    self.pg.send_query_prepared(plan, values)
            self.pg.pipeline_sync()
            self._flush()
            results = self._until_synced()
            self.pg.exit_pipeline_mode()
        except BaseException:  # what the server still has to say must not be taken for the answer to something else
            self.pg.finish()
            raise
        return results

    def _plan(self, sql: str, text: bytes) -> bytes | None:
        """The name of a prepared statement; None at its first use, which is the last of many a short connection."""
        if not self.prepares:
            return None
        if sql not in self._plans:
            self._plans[sql] = None
        elif self._plans[sql] is None:
            name = b"durable_%d" % next(self._numbers)
            self._rows(self.pg.prepare(name, text))
            self._plans[sql] = name
        return self._plans[sql]

    def _is_outdated(self, result: pq.abc.PGresult) -> bool:
        state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
        if state.decode() not in OUTDATED or self.pg.transaction_status != pq.TransactionStatus.IDLE:
            return False
        self._plans.clear()
        return True

    def _flush(self) -> None:
        """Send all; while the server does not take more, read what it says, or neither would ever go on."""
        while self.pg.flush():
            if self._wait(READ | WRITE) & READ:
                self.pg.consume_input()

    def _until_synced(self) -> list[pq.abc.PGresult]:
        results: list[pq.abc.PGresult] = []
        while True:
            while self.pg.is_busy():
                self._wait(READ)
                self.pg.consume_input()
            result = self.pg.get_result()  # would hold the interpreter's lock while it waits
            if result is None:
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)

    def _wait(self, events: int) -> int:
        with Selector() as selector:
            selector.register(self.pg.socket, events)
            return selector.select()[0][1]

    def _rows(self, result: pq.abc.PGresult) -> Rows:
        if result.status == pq.ExecStatus.TUPLES_OK:
            if not (n := result.ntuples):
                return []
            self._loading.set_pgresult(result)
            return self._loading.load_rows(0, n, tuple)
        if result.status == pq.ExecStatus.COMMAND_OK:
            return []
        if self.pg.status != pq.ConnStatus.OK:
            raise self._lost()
        raise errors.error_from_result(result)

    def _lost(self) -> OperationalError:
        return OperationalError(self.pg.get_error_message().strip() or "the connection is lost")


def encoded(value: Any) -> bytes | None:
    """A parameter as PostgreSQL reads it; its type follows from where it stands. Raises `DataError` for what no text of
    PostgreSQL can hold."""
    match value:
        case None:
            return None
        case str():
            data = value.encode()
            if b"\0" in data:
                raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
            return data
        case bool():
            return b"t" if value else b"f"
        case int() | float():
            return repr(value).encode()
        case list() | tuple():
            return b"{" + b",".join(_element(each) for each in value) + b"}"
    raise TypeError(f"a statement cannot take {type(value).__name__}: {value!r}")


def _element(value: Any) -> bytes:
    data = encoded(value)
    if data is None:
        return b"NULL"
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
