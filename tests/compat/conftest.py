"""What tests of DBOS's names may use: programs as processes, and DBOS launched in this project."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from durable.compat.dbos import DBOS

from .running import Program, address_of

ON_BOTH = (
    "test_the_simple_example_runs", "test_a_client_works_from_another_process", "test_transactions_use_sqlalchemy",
    "test_a_crashed_workflow", "test_programs_that_start_at_once", "test_postgresql_takes", "test_a_role_that_may_not",
)  # fmt: skip
"""Programs that run on PostgreSQL each time; the others do so with the long proofs, and on SQLite each time."""
numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        on = getattr(item, "callspec", None) and item.callspec.params.get("database")
        if "program" in getattr(item, "fixturenames", ()) and on == "postgresql" and not item.name.startswith(ON_BOTH):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def address(database: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database that does not exist yet."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path}/program.sqlite"
        return
    name = f"durable_program_{os.getpid()}_{next(numbers)}"
    yield address_of(connections.settings["default"], name)
    with connection.cursor() as cursor:
        cursor.execute(f'drop database if exists "{name}" with (force)')


@pytest.fixture
def program(address: str, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """A program by its file's name, written into a folder of its own; ended with the test."""
    made: list[Program] = []

    def make(name: str, **replaced: str) -> Program:
        made.append(Program(tmp_path, name, address, **replaced))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def dbos(database: str) -> Iterator[Any]:
    """DBOS, launched in this project."""
    DBOS(config={"name": "compat", "log_level": "WARNING"})
    DBOS.launch()
    yield DBOS
    DBOS.destroy()
