"""`manage.py durable_health`, the commands as processes, and what docs/commands.md says of them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connections
from django.utils import timezone

import durable
from durable.models import Executor, Workflow
from tests.dashboard.crowd import make_executor, make_workflow
from tests.support import wait_until
from tests.support.processes import ROOT, environment


def health(*words: str) -> tuple[int, dict]:
    out = StringIO()
    try:
        call_command("durable_health", "--format", "json", *words, stdout=out)
    except SystemExit as end:
        return end.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_all_is_well_with_a_living_executor(executor):
    code, said = health()
    assert (code, said["ok"]) == (0, True), said
    assert {name: check["ok"] for name, check in said["checks"].items()} == dict.fromkeys(
        ("database", "migrations", "clock", "executors", "leases", "ready work"), True
    )
    assert said["checks"]["executors"]["serving"] == 1
    out = StringIO()
    call_command("durable_health", stdout=out, no_color=True)
    assert "ok    executors   1 take work, 0 of 10 places in use" in out.getvalue()


def test_each_thing_that_is_not_well_is_named(database, monkeypatch):
    code, said = health()
    assert (code, [name for name, check in said["checks"].items() if not check["ok"]]) == (1, ["executors"])
    past = timezone.now() - timedelta(minutes=10)
    make_executor("alive")
    make_executor("gone", lease_until=past)
    make_workflow("held", status="PENDING", executor="id-gone", run_after=past)
    make_workflow("waits", run_after=past)
    make_workflow("unserved", run_after=None, wake_at=timezone.now(), waiting_for="executor:old.thing")
    code, said = health()
    assert (code, [name for name, check in said["checks"].items() if not check["ok"]]) == (1, ["leases", "ready work"])
    assert said["checks"]["leases"]["held"] == 1 and said["checks"]["ready work"]["unserved"] == 1
    assert said["checks"]["ready work"]["oldest_seconds"] >= 600
    durable.register_queue("orders")
    durable.pause_queue("orders")
    Executor.objects.filter(pk="id-gone").update(lease_until=timezone.now() + timedelta(minutes=1))
    assert health()[0] == 0, "what is paused waits on purpose"
    durable.resume_queue("orders")
    assert health()[0] == 1 and health("--max-wait", "3600")[0] == 0


def test_a_clock_that_differs_is_not_well(database, monkeypatch):
    make_executor("alive")
    monkeypatch.setattr("durable.management.health.clock_of", lambda alias: datetime.now(UTC) - timedelta(seconds=9))
    code, said = health()
    assert code == 1 and not said["checks"]["clock"]["ok"] and 8 < said["checks"]["clock"]["seconds"] < 10
    assert health("--max-skew", "10")[0] == 0


def test_missing_tables_and_a_missing_database_are_not_well(database, tmp_path, settings):
    empty = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "empty.sqlite3")}
    lost = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "HOST": "127.0.0.1", "PORT": "1"}
    for name, description, check in (("empty", empty, "migrations"), ("lost", lost, "database")):
        connections.settings[name] = connections.configure_settings({"default": description})["default"]
        settings.DURABLE = {**settings.DURABLE, "DATABASE": name}
        try:
            code, said = health()
            assert code == 1 and not said["checks"][check]["ok"] and list(said["checks"])[-1] == check
            with pytest.raises(CommandError, match="migrate" if name == "empty" else "cannot be reached"):
                call_command("workflows", "list")
        finally:
            connections[name].close()
            del connections[name], connections.settings[name]


# --- as a process


def test_a_script_gets_json_and_an_exit_code(executor_process):
    executor_process()

    def manage(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)

    started = manage("workflows", "start", "total", "--args", "[3]", "--format", "json")
    assert started.returncode == 0, started.stderr
    pk = json.loads(started.stdout)["id"]
    wait_until(lambda: Workflow.objects.get(pk=pk).status == "SUCCESS")
    assert manage("durable_health").returncode == 0
    missing = manage("workflows", "get", "nobody")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("CommandError: There is no workflow with the id 'nobody'.")
    assert manage("workflows", "dance").returncode == 2


# --- the document


def test_every_line_of_the_document_is_understood():
    """And every verb of the commands has a line."""
    fences = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/commands.md").read_text(), re.M | re.S)
    lines = [line for fence in fences for line in fence.splitlines() if line]
    said = set()
    for line in lines:
        program, name, *words = shlex.split(line)
        options = load_command_class("durable", name).create_parser(program, name).parse_args(words)
        said.add((name, getattr(options, "verb", None)))
    for name in ("workflows", "queues", "schedules"):
        methods = vars(type(load_command_class("durable", name))).items()
        assert {(name, verb.strip("_")) for verb, method in methods if hasattr(method, "arguments")} <= said
