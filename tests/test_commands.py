"""The command line, as operators and scripts use it: `workflows`, `queues`, `schedules` and `durable_health`."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

import durable
from durable.filters import CRITERIA
from durable.management.commands.workflows import FILTERS
from durable.models import AuditEntry, Message, Schedule, Workflow
from tests.app import workflows as app
from tests.dashboard.crowd import HOSTILE, ended, failed, make_workflow


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, no_color=True)
    return out.getvalue()


def data(*words: str):
    return json.loads(run(*words, "--format", "json"))


def ids(*words: str) -> list[str]:
    return [row["id"] for row in data("workflows", "list", *words)]


def audit() -> list[tuple[str, str, str]]:
    return [(row.action, row.target, row.source) for row in AuditEntry.objects.order_by("id")]


# --- workflows: looking


def test_workflows_are_listed_by_the_words_of_the_console(database):
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    make_workflow("queued-1", created_at=noon)
    make_workflow("queued-2", created_at=noon + timedelta(minutes=1), queue="imports")
    make_workflow("direct-1", created_at=noon + timedelta(minutes=2), queue="_durable")
    make_workflow("success-1", **ended("SUCCESS", attributes={"region": "eu", "vip": True}))
    make_workflow("failed-1", **failed("CardDeclined", "no"))
    assert ids("status:failed") == ["failed-1"]
    assert ids("queue:imports", "queued-") == ["queued-2"]
    assert sorted(ids("status:SUCCESS", "--status", "failed")) == ["failed-1", "success-1"]
    assert ids("--attributes", "region=eu") == ids("attribute:region=eu") == ["success-1"]
    assert ids("--attributes", "vip=true", "--attributes", "region=eu") == ["success-1"]
    assert ids("--queues-only", "1", "status:queued") == ["queued-2", "queued-1"]
    assert ids("--error-type", "CardDeclined") == ids("error:CardDeclined") == ["failed-1"]
    assert sorted(ids("queued-1", "failed-1")) == ["failed-1", "queued-1"]
    assert ids("--oldest-first", "--limit", "2", "--offset", "1") == ["queued-2", "direct-1"]
    assert ids("name:nobody has this") == []
    assert ids("name:nobody", "--name", "shop.*", "--limit", "1", "--oldest-first") == ["queued-1"]
    for words, says in ((("stauts:failed",), "did you mean status"), (("--limit", "-1"), "not negative")):
        with pytest.raises(CommandError, match=says):
            ids(*words)


def test_every_criterion_is_a_flag(database):
    flags = {names[0].removeprefix("--").replace("-", "_") for names, _ in FILTERS}
    assert flags == set(CRITERIA)
    for flag in flags - {"status", "phase", "attributes"}:
        value = "1h" if flag.endswith(("_after", "_before")) else "1"
        assert ids(f"--{flag.replace('_', '-')}", value) == []


def test_a_list_for_people_has_a_line_for_each_and_the_newest_first(database):
    make_workflow("a", created_at=datetime(2026, 11, 20, 12, tzinfo=UTC))
    make_workflow("b", queue="_durable", created_at=datetime(2026, 11, 20, 13, tzinfo=UTC))
    assert [line.split() for line in run("workflows", "list").splitlines()] == [
        ["id", "name", "phase", "queue", "created_at", "completed_at"],
        ["b", "shop.checkout", "queued", "-", "2026-11-20", "13:00:00+00:00", "-"],
        ["a", "shop.checkout", "queued", "orders", "2026-11-20", "12:00:00+00:00", "-"],
    ]
    assert run("workflows", "list", "name:nobody") == "none\n"


def test_one_workflow_and_its_steps_are_shown_with_payloads_as_stored(executor):
    app.total.using(workflow_id="w", attributes={"a": 1}).start(2).get_result(timeout=10)
    with pytest.raises(ValueError):
        app.fails.using(workflow_id="f").start("broken").get_result(timeout=10)
    shown = data("workflows", "get", "w")
    assert (shown["input"], shown["output"], shown["error"]) == ({"args": [2], "kwargs": {}}, 1, None)
    assert (shown["status"], shown["phase"], shown["queue"]) == ("SUCCESS", "success", None)
    assert data("workflows", "get", "f")["error"]["message"] == "broken"
    steps = data("workflows", "steps", "w")
    assert [(step["seq"], step["name"], step["output"], step["failed"]) for step in steps] == [
        (1, "add", 0, False), (2, "add", 1, False)
    ]  # fmt: skip
    assert [step["seq"] for step in data("workflows", "steps", "w", "--limit", "1", "--offset", "1")] == [2]
    assert "SUCCESS" in run("workflows", "get", "w") and "add" in run("workflows", "steps", "w")


def test_hostile_text_does_not_steer_the_terminal(database):
    text = f"\x1b[2J\x07\u202e\u009b{HOSTILE}\n"
    make_workflow(text, **failed(text, text, name=text, queue=text, output='"\x1b[2J"'))
    for words in (("list",), ("get", text)):
        said = run("workflows", *words)
        assert not {each for each in said if not each.isprintable()} - {"\n"}
        json.loads(run("workflows", *words, "--format", "json"))


# --- workflows: acting


def test_a_workflow_is_started_with_all_options(executor):
    said = data(
        "workflows", "start", "total", "--args", "[3]", "--id", "w", "--queue", "limited", "--priority", "2",
        "--attribute", "region=eu", "--attribute", "n=3", "--user", "ann", "--role", "a", "--role", "b",
        "--timeout", "60",
    )  # fmt: skip
    assert said == {"id": "w", "started": True}
    assert durable.retrieve_workflow("w").get_result(timeout=10) == 3
    row = durable.get_workflow("w")
    assert (row.queue, row.priority, row.attributes, row.timeout) == ("limited", 2, {"region": "eu", "n": 3}, 60)
    assert (row.authenticated_user, row.authenticated_roles) == ("ann", ["a", "b"])
    assert data("workflows", "start", "total", "--args", "[3]", "--id", "w")["started"] is False
    assert data("workflows", "start", "total", "--kwargs", '{"n": 4}')["started"] is True
    assert [entry[::2] for entry in audit()] == [("start", "cli")] * 3
    entry = AuditEntry.objects.first()
    assert (entry.actor, entry.kind) == (getpass.getuser(), "workflow")


def test_a_start_by_name_needs_no_function_and_a_wrong_name_is_refused(database):
    with pytest.raises(CommandError, match=r"No workflow function named 'totl'.*total"):
        run("workflows", "start", "totl")
    assert data("workflows", "start", "elsewhere", "--by-name", "--id", "e") == {"id": "e", "started": True}
    assert Workflow.objects.get().name == "elsewhere"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--args", "{"), "is no JSON"),
        (("--args", "{}"), "is not a list"),
        (("--kwargs", "[]"), "is not an object"),
        (("--args", "[1, 2, 3]"), "do not fit"),
        (("--args", "[1]", "--priority", "3"), "needs a queue"),
        (("--args", "[1]", "--queue", "q", "--priority", "0"), "priority = 0"),
        (("--args", "[1]", "--attribute", "x"), "key=value"),
        (("--args", "[1]", "--id", " "), "not blank"),
    ],
)
def test_a_start_that_cannot_be_is_refused_and_leaves_nothing(database, words, says):
    with pytest.raises(CommandError, match=says):
        run("workflows", "start", "total", *words)
    assert not Workflow.objects.exists() and not AuditEntry.objects.exists()


def test_cancel_and_resume_act_on_all_or_on_none(executor):
    for pk in ("a", "b"):
        app.receives.using(workflow_id=pk).start()
    make_workflow("done", **ended("SUCCESS"))
    with pytest.raises(CommandError, match="nobody"):
        run("workflows", "cancel", "a", "nobody")
    assert not Workflow.objects.filter(status="CANCELLED").exists() and not audit()
    assert data("workflows", "cancel", "a", "b", "done") == [
        {"id": "a", "changed": True}, {"id": "b", "changed": True}, {"id": "done", "changed": False}
    ]  # fmt: skip
    assert run("workflows", "resume", "a", "--queue", "limited") == "a resumed\n"
    assert Workflow.objects.get(pk="a").queue == "limited"
    with pytest.raises(CommandError, match="nobody"):
        run("workflows", "resume", "b", "nobody")
    assert Workflow.objects.get(pk="b").status == "CANCELLED"
    assert audit() == [
        ("cancel", "a", "cli"),
        ("cancel", "b", "cli"),
        ("cancel", "done", "cli"),
        ("resume", "a", "cli"),
    ]
    assert AuditEntry.objects.filter(target="done").get().detail == {"children": False, "changed": False}


def test_a_message_is_sent(executor):
    handle = app.receives.using(workflow_id="w").start("payment")
    run("workflows", "send", "w", '{"paid": true}', "--topic", "payment", "--key", "k")
    assert handle.get_result(timeout=10) == [{"paid": True}]
    with pytest.raises(CommandError, match="is no JSON"):
        run("workflows", "send", "w", "hello")
    run("workflows", "send", "w", "hello", "--text")
    assert Message.objects.last().body == '"hello"'
    with pytest.raises(CommandError, match="nobody"):
        run("workflows", "send", "nobody", "1")
    assert [action for action, _, _ in audit()] == ["send", "send"]


def test_a_workflow_is_restarted_forked_and_rewound(executor):
    app.total.using(workflow_id="w").start(3).get_result(timeout=10)
    again = data("workflows", "restart", "w")["id"]
    assert durable.retrieve_workflow(again).get_result(timeout=10) == 3
    fork = data("workflows", "fork", "w", "--step", "3", "--id", "f", "--output", "2=40", "--queue", "limited")
    assert fork == {"id": "f", "forked_from": "w"}
    assert durable.retrieve_workflow("f").get_result(timeout=10) == 42
    run("workflows", "rewind", "w", "--step", "2")
    assert durable.retrieve_workflow("w").get_result(timeout=10) == 3
    assert durable.get_workflow("w").generation == 1
    for words, says in (
        (("fork", "nobody"), "nobody"), (("fork", "w", "--output", "x=1"), "SEQ=JSON"),
        (("fork", "w", "--step", "2", "--output", "1={"), "is no JSON"),
        (("fork", "w", "--step", "2", "--output", "5=1"), "recorded steps before"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=says):
            run("workflows", *words)
    assert [(action, target) for action, target, _ in audit()] == [("restart", "w"), ("fork", "w"), ("rewind", "w")]


def test_a_workflow_is_deleted_only_by_somebody_who_is_sure(executor, monkeypatch):
    app.total.using(workflow_id="w").start(3).get_result(timeout=10)
    with pytest.raises(CommandError, match="give --yes"):
        run("workflows", "delete", "w")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(CommandError, match=r"Nothing was done"):
        run("workflows", "delete", "w")
    assert Workflow.objects.exists()
    assert data("workflows", "delete", "w", "nobody", "--yes") == [
        {"id": "w", "changed": True}, {"id": "nobody", "changed": False}
    ]  # fmt: skip
    assert not Workflow.objects.exists()


def test_a_workflow_is_exported_and_imported(executor, tmp_path, monkeypatch):
    app.total.using(workflow_id="w").start(3).get_result(timeout=10)
    file = tmp_path / "w.json"
    run("workflows", "export", "w", "--output", str(file))
    assert json.loads(file.read_text()) == json.loads(run("workflows", "export", "w"))
    with pytest.raises(CommandError, match="'w'"):
        run("workflows", "import", str(file))
    durable.delete_workflow("w")
    assert data("workflows", "import", str(file)) == {"id": "w"}
    assert durable.retrieve_workflow("w").get_result(timeout=10) == 3
    durable.delete_workflow("w")
    monkeypatch.setattr(sys, "stdin", StringIO(file.read_text()))
    assert data("workflows", "import", "-") == {"id": "w"}
    for bad in ("{", "[]", '{"format": "other"}'):
        file.write_text(bad)
        with pytest.raises(CommandError):
            run("workflows", "import", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        run("workflows", "import", str(tmp_path / "missing"))
    assert [action for action, _, _ in audit()] == ["import", "import"]


# --- queues and schedules


def test_queues_are_listed_paused_and_limited(database):
    durable.register_queue("orders", concurrency=5)
    make_workflow("w", queue="orders")
    make_workflow("x", queue="orders", status="PENDING", executor="e")
    [row] = data("queues", "list")
    assert (row["name"], row["concurrency"], row["waiting"], row["running"]) == ("orders", 5, 1, 1)
    run("queues", "pause", "orders")
    assert data("queues", "get", "orders")["paused"] is True
    run("queues", "resume", "orders")
    limited = data("queues", "set", "orders", "--concurrency", "2", "--limiter", "50/30")
    assert (limited["concurrency"], limited["rate_limit"], limited["rate_period"]) == (2, 50, 30.0)
    assert limited["declared"]["concurrency"] == 5
    assert data("queues", "set", "orders", "--concurrency", "none")["concurrency"] is None
    assert data("queues", "clear", "orders", "concurrency")["concurrency"] == 5
    assert data("queues", "clear", "orders")["rate_limit"] is None
    assert [action for action, _, _ in audit()] == [
        "pause", "resume", "set limits", "set limits", "clear limits", "clear limits"
    ]  # fmt: skip
    assert AuditEntry.objects.filter(kind="queue", target="orders").count() == 6
    assert "orders" in run("queues", "list") and "override" not in run("queues", "get", "orders")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("get", "nobody"), "Known: orders"), (("pause", "nobody"), "Known: orders"),
        (("set", "orders"), "which limit"), (("set", "nobody", "--concurrency", "1"), "Known: orders"),
        (("set", "orders", "--concurrency", "many"), "give a number"), (("set", "orders", "--limiter", "5"), "50/30"),
        (("set", "orders", "--concurrency", "0"), "at least 1"),
        (("set", "orders", "--concurrency", "1", "--worker-concurrency", "2"), "at most the concurrency"),
        (("clear", "orders", "speed"), "known limits"),
    ],
)  # fmt: skip
def test_what_is_no_queue_or_limit_is_refused(database, words, says):
    durable.register_queue("orders")
    with pytest.raises(CommandError, match=says):
        run("queues", *words)
    assert not AuditEntry.objects.exists()


def test_schedules_are_listed_steered_and_backfilled(database):
    durable.create_schedule("nightly", "total", "0 2 * * *", context={"a": 1})
    [row] = data("schedules", "list")
    assert (row["name"], row["cron"], row["paused"]) == ("nightly", "0 2 * * *", False)
    assert row["next_at"] == data("schedules", "next", "nightly", "-n", "3")[0]["at"]
    assert len(data("schedules", "next", "nightly")) == 5
    assert data("schedules", "get", "nightly")["context"] == {"a": 1}
    run("schedules", "pause", "nightly")
    assert data("schedules", "list")[0]["next_at"] is None
    run("schedules", "resume", "nightly")
    triggered = data("schedules", "trigger", "nightly")["id"]
    assert triggered.startswith("sched-nightly-trigger-") and Workflow.objects.get().pk == triggered
    words = ("schedules", "backfill", "nightly", "2026-11-01", "2026-11-04T02:00")
    dry = data(*words, "--dry-run")
    assert len(dry) == 3 and Workflow.objects.count() == 1
    assert data(*words) == data(*words) == dry and Workflow.objects.count() == 4
    with pytest.raises(CommandError, match="give --yes"):
        run("schedules", "delete", "nightly")
    run("schedules", "delete", "nightly", "--yes")
    assert not Schedule.objects.exists()
    actions = ["pause", "resume", "trigger", "backfill", "backfill", "delete"]
    assert [(action, target) for action, target, _ in audit()] == [(action, "nightly") for action in actions]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("get", "nobody"), "Known: nightly"), (("pause", "nobody"), "Known: nightly"), (("next", "nobody"), "Known"),
        (("delete", "nobody", "--yes"), "Known"), (("trigger", "nobody"), "Known"),
        (("backfill", "nightly", "soon", "later"), "24h"), (("backfill", "nobody", "2d", "1d"), "Known"),
        (("next", "nightly", "-n", "0"), "n = 0"),
    ],
)  # fmt: skip
def test_what_is_no_schedule_or_time_is_refused(database, words, says):
    durable.create_schedule("nightly", "total", "0 2 * * *")
    with pytest.raises(CommandError, match=says):
        run("schedules", *words)
    assert not AuditEntry.objects.exists()
