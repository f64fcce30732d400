"""A program in one file: its database, its crashes, its versions, its end."""

from __future__ import annotations

import subprocess
import sys
import time

import psycopg
import pytest

from .running import address_of, changed

START = """
from dbos import DBOS
import sys
DBOS(config={config})
DBOS.launch()
print(DBOS.application_version)
"""


def test_the_default_database_is_a_file_named_after_the_program(program):
    simple = program("simple.py")
    simple.url = None
    simple.run()
    assert (simple.folder / "dbos-starter.sqlite").exists()


def test_a_crashed_workflow_goes_on_from_its_last_step_at_the_next_launch(program):
    crashing = program("crashes.py")
    crashing.run(START="w", CRASH="w", RESULT="w", code=7)
    started = time.monotonic()
    output = crashing.run(RESULT="w")
    assert output.count("\none\n") == 1 and output.count("\ntwo\n") == 1
    assert "result done" in output and "status SUCCESS 2" in output
    assert time.monotonic() - started < 15, "it waited for a lease of a process that is provably gone"


def test_a_workflow_that_crashes_too_often_is_set_aside(program):
    crashing = program("crashes.py")
    for _ in range(3):  # the first run and two recoveries
        crashing.run(START="w", CRASH="w", RESULT="w", code=7)
    output = crashing.run(RESULT="w")
    assert "error DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded" in output
    assert "status MAX_RECOVERY_ATTEMPTS_EXCEEDED" in output


def test_another_version_leaves_a_workflow_alone_and_can_fork_it(program):
    crashing = program("crashes.py")
    crashing.run(START="w", CRASH="w", RESULT="w", VERSION="v1", code=7)
    output = crashing.run(SHOW="1", VERSION="v2")
    assert "two" not in output and "shown SUCCESS" not in output
    assert "fork done" in crashing.run(FORK="1", VERSION="v2")
    assert "result done" in crashing.run(RESULT="w", VERSION="v1")


def test_the_end_of_a_program_lets_go_of_what_it_runs(program):
    sleeping = program("crashes.py")
    started = time.monotonic()
    sleeping.run(SLEEPER="1")
    assert time.monotonic() - started < 15, "it waited for a workflow that sleeps for an hour"


def test_a_program_can_be_configured_again_for_another_database(program):
    output = program("configured_again.py").run()
    assert "(1, [1, 1]) (2, [2, 2]) (3, [3, 3])" in output
    assert "DBOS was destroyed" in output and output.endswith("[3, 3]\n")


def test_programs_that_start_at_once_do_not_collide(program, tmp_path):
    simple = program("simple.py")
    many = [
        subprocess.Popen(
            [sys.executable, "simple.py"], cwd=tmp_path, env=simple.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(3)
    ]  # fmt: skip
    said = [each.communicate(timeout=60)[0].decode() for each in many]
    assert [each.returncode for each in many] == [0, 0, 0], said
    assert all("Step two completed!" in text for text in said)


def test_postgresql_takes_the_address_of_sqlalchemy_and_a_schema(database, program, address):
    if database == "sqlite":
        pytest.skip("SQLite has no schemas")
    program("simple.py", **{'"name"': '"dbos_system_schema": "dbos", "name"'}).run(
        DBOS_SYSTEM_DATABASE_URL=address.replace("postgresql://", "postgresql+psycopg2://")
    )
    program("simple.py", **{'"name"': '"dbos_system_schema": "dbos", "name"'}).run()
    with psycopg.connect(address) as session:
        found = session.execute("select distinct schemaname from pg_tables where tablename like 'durable%'").fetchall()
    assert found == [("dbos",)]


def run(folder, **more):
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **more}
    command = [sys.executable, "program.py"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"name": "x"}, "3 to 256"),
        ({"name": "my app"}, "name = 'my app'"),
        ({"name": "app", "system_database_url": "mysql://localhost/app"}, "postgresql:// or sqlite:///"),
        ({"name": "app", "system_database_url": "postgresql://ada:secret@127.0.0.1:9/app"}, "cannot be reached"),
        ({"name": "app", "system_databse_url": "sqlite:///x"}, "did you mean system_database_url?"),
        ({"name": "app", "sharding": {}}, "one PostgreSQL database"),
        ({"name": "app", "serializer": 3}, "serialize and deserialize"),
        ({"name": "app", "serializer": "pickle"}, "set DURABLE_SECRET_KEY"),
        ({"name": "app", "run_migrations": False}, "run_migrations is False"),
        ({"name": "app", "log_level": "LOUD"}, "one of CRITICAL"),
    ],
)
def test_a_wrong_configuration_is_refused_in_words(config, words, tmp_path):
    (tmp_path / "program.py").write_text(changed(START.format(config=config)))
    done = run(tmp_path)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert "DBOSInitializationError: DBOS Error 3: " in done.stderr and "secret" not in done.stderr


def test_what_has_no_effect_is_said_once_and_the_program_runs(tmp_path):
    config = {"name": "app", "run_admin_server": True, "conductor_key": "k", "sys_db_pool_size": 5, "admin_port": None}
    (tmp_path / "program.py").write_text(changed(START.format(config=config)))
    done = run(tmp_path, DBOS__APPVERSION="from-the-environment")
    assert done.returncode == 0 and done.stdout == "from-the-environment\n", done.stderr
    assert done.stderr.count("has no effect") == 2


def test_the_address_of_another_database_escapes_nothing_of_a_socket():
    alias = {"HOST": "/run/pg", "PORT": "", "USER": "ada", "PASSWORD": ""}
    assert address_of(alias, "name") == "postgresql://ada@/name?host=/run/pg"
