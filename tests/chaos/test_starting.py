"""An executor process that cannot start says why, and how to help it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.db import connection

from tests.support.processes import ROOT, environment


def runexecutor(**changes: object) -> subprocess.CompletedProcess[str]:
    """The command, on this test's database with `changes` to how it is reached."""
    given = environment()
    given["DURABLE_TEST_DATABASE"] = json.dumps({**json.loads(given["DURABLE_TEST_DATABASE"]), **changes})
    command = [sys.executable, "manage.py", "runexecutor"]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=30)


def refusal(process: subprocess.CompletedProcess[str]) -> str:
    """What it says to a person; a crash of the command is none."""
    assert process.returncode == 1
    assert process.stderr.startswith("CommandError: ")
    assert "Traceback" not in process.stderr
    return process.stderr


def test_a_database_that_cannot_be_reached_is_named(database, tmp_path):
    if database == "sqlite":
        changes = {"NAME": str(tmp_path / "no such folder" / "db.sqlite3")}
    else:
        changes = {"HOST": "127.0.0.1", "PORT": "1"}
    said = refusal(runexecutor(**changes))
    assert "Database 'default' cannot be reached" in said
    assert "DATABASES['default']" in said


@pytest.fixture
def bare(database, tmp_path):
    """The name of a database without any tables."""
    if database == "sqlite":
        yield str(tmp_path / "bare.sqlite3")
        return
    name = f"durable_bare_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f'create database "{name}" template template0')
        yield name
        cursor.execute(f'drop database "{name}" with (force)')


def test_missing_tables_are_named_with_the_command_that_makes_them(bare):
    assert "Run: manage.py migrate --database default" in refusal(runexecutor(NAME=bare))
