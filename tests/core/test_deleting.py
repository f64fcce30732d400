"""A deleted workflow leaves nothing behind, and one that runs is stopped by it."""

from __future__ import annotations

import json
import re
import threading
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections, transaction

import durable
from durable.backends.backend import backend
from durable.backends.writing import Verdict, write
from durable.conf import conf
from durable.engine import commands as c
from durable.errors import InvalidOption, WorkflowNotFound
from durable.executor.pruner import TABLES
from durable.management.commands.prune import duration
from durable.models import AuditEntry, Message, Now, Queue, Step, StepAttempt, StreamEntry, Wait, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until

from .test_retention import DAY, ended, there


@durable.workflow(name="deleting.starts")
def starts(depth: int) -> int:
    """Starts one like itself, which does the same, `depth` times."""
    return starts.using(workflow_id=f"deep-{depth - 1}").start(depth - 1).get_result() + 1 if depth else 0


@durable.workflow(name="deleting.waits_for")
def waits_for(workflow_id: str) -> str:
    try:
        return durable.retrieve_workflow(workflow_id).get_result()
    except WorkflowNotFound:
        return "gone"


@durable.workflow(name="deleting.works")
def works() -> None:
    for n in range(100_000):
        app.note(f"work-{n}")


@durable.workflow(name="deleting.deletes")
def deletes(workflow_id: str) -> list[bool]:
    done = [durable.delete_workflow(workflow_id)]
    durable.sleep(0.5)  # parks: the first is replayed
    return [*done, durable.delete_workflow(workflow_id)]


def left(workflow_id: str) -> dict[str, int]:
    """What hangs on a workflow, by table."""
    return {t.__name__: n for t in TABLES if (n := t.objects.filter(workflow_id=workflow_id).count())}


def full(workflow_id: str) -> None:
    """Put a row of each kind under a workflow."""
    now = {"started_at": Now(), "completed_at": Now()}
    ended = {"started_at": Now(), "ended_at": Now()}
    Step.objects.create(workflow_id=workflow_id, seq=1, name="s", epoch=1, **now)
    StepAttempt.objects.create(workflow_id=workflow_id, seq=1, n=1, name="s", error="{}", **ended)
    StreamEntry.objects.create(workflow_id=workflow_id, key="k", offset=0, seq=1, value="1")
    Message.objects.create(workflow_id=workflow_id, key="k", body="1")
    Wait.objects.create(kind="child", target="another", workflow_id=workflow_id)
    apps.get_model("durable", "Event").objects.create(workflow_id=workflow_id, key="k", seq=1, value="1")
    apps.get_model("durable", "Attempt").objects.create(
        workflow_id=workflow_id, epoch=1, ended_at=Now(), outcome="lost"
    )  # fmt: skip


def test_no_table_is_forgotten():
    """Each model with a workflow in it is deleted with the workflow, also one that comes later."""
    found = {
        model
        for model in apps.get_app_config("durable").get_models()
        if any(field.related_model is Workflow for field in model._meta.concrete_fields)
    }
    assert found == set(TABLES)


@pytest.mark.parametrize("status", ["ENQUEUED", "PENDING", "SUCCESS", "ERROR"])
def test_all_its_rows_are_gone_and_no_others(database, status):
    for each in ("w", "other"):
        Workflow.objects.create(id=each, name="total", input="{}", status=status)
        full(each)
    assert durable.delete_workflow("w") is True
    assert left("w") == {} and len(left("other")) == len(TABLES)
    assert [row.id for row in Workflow.objects.all()] == ["other"]


def test_an_unknown_id_is_passed_over(database):
    Workflow.objects.create(id="w", name="total", input="{}")
    assert durable.delete_workflow("nobody") is False
    assert durable.delete_workflows(["nobody", "w", "w", "nobody"]) == 1
    assert durable.delete_workflows([]) == 0
    with pytest.raises(WorkflowNotFound):
        durable.retrieve_workflow("w")


@pytest.mark.parametrize("wrong", ["a\x00b", "\ud800", 7, None])
def test_what_is_no_id_is_refused_and_nothing_is_deleted(database, wrong):
    Workflow.objects.create(id="w", name="total", input="{}")
    with pytest.raises(InvalidOption, match=r"id of a workflow|ids of workflows"):
        durable.delete_workflow(wrong)
    with pytest.raises(InvalidOption):
        durable.delete_workflows(["w", wrong])
    assert Workflow.objects.exists()


def test_children_stay_or_go_with_it_at_any_depth(executor):
    for keep in (True, False):
        assert starts.using(workflow_id="deep-4").start(4).get_result(timeout=10) == 4
        bystander = app.total.start(1).workflow_id
        assert durable.delete_workflow("deep-4", delete_children=not keep) is True
        assert Workflow.objects.filter(id__startswith="deep").count() == (4 if keep else 0)
        assert Workflow.objects.filter(pk=bystander).exists()
        durable.delete_workflows([f"deep-{n}" for n in range(4)])
    assert [left(f"deep-{n}") for n in range(5)] == [{}] * 5


def test_a_running_workflow_stops_and_writes_nothing_more(executor):
    handle = works.start()
    wait_until(lambda: Step.objects.filter(workflow_id=handle.workflow_id).count() > 3, 10, "it works")
    assert durable.delete_workflow(handle.workflow_id)
    wait_until(lambda: not executor.running, 10, "it stopped")
    assert not Workflow.objects.exists() and left(handle.workflow_id) == {}
    done = Effect.objects.count()
    assert app.total.start(3).get_result(timeout=10) == 3  # the executor serves on
    assert Effect.objects.count() == done
    with pytest.raises(WorkflowNotFound):
        handle.get_result(timeout=5)


def test_a_step_that_lands_late_finds_nothing_to_write_to(database):
    Workflow.objects.create(id="w", name="total", input="{}", status="PENDING", executor="me", epoch=1, run_after=Now())
    durable.delete_workflow("w")
    engine = backend()
    session = engine.own()
    late = c.Entry("w", 1, c.Record((c.Row(1, "late", "step", started_at=1.0, completed_at=1.0),)))
    assert write(engine, session, [late]).verdicts[id(late)] is Verdict.FENCED
    session.close()
    assert left("w") == {}


def test_who_waits_for_a_deleted_workflow_is_told(executor):
    target = app.receives.start("t", 600)
    parked = waits_for.start(target.workflow_id)
    wait_until(lambda: Wait.objects.filter(workflow_id=parked.workflow_id).exists(), 10, "it waits in the database")
    executor.sweeper.stop()  # which would find it too, later
    raised: list[Exception] = []

    def wait() -> None:
        try:
            target.get_result(timeout=20)
        except WorkflowNotFound as error:
            raised.append(error)
        connections.close_all()

    thread = threading.Thread(target=wait)
    thread.start()
    durable.delete_workflow(target.workflow_id)
    assert parked.get_result(timeout=5) == "gone"
    thread.join(5)
    assert len(raised) == 1


def test_a_deleted_workflow_leaves_its_place_in_a_queue(executor):
    holder = app.one_by_one.enqueue(app.receives, "t", 600)
    wait_until(lambda: Wait.objects.filter(workflow_id=holder.workflow_id).exists(), 10, "it holds the place, parked")
    behind = app.one_by_one.enqueue(app.total, 3)
    assert Queue.objects.get(pk="one-by-one").concurrency == 1
    durable.delete_workflow(holder.workflow_id)
    assert behind.get_result(timeout=10) == 3


def test_a_delete_that_is_rolled_back_deletes_nothing(executor):
    handle = app.receives.start("t", 600)
    wait_until(lambda: Wait.objects.exists(), 10, "it waits")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        durable.delete_workflow(handle.workflow_id)
        raise ZeroDivisionError
    durable.send(handle.workflow_id, 1, "t")
    assert handle.get_result(timeout=10) == [1]


def test_a_thousand_go_at_once(database):
    Workflow.objects.bulk_create(Workflow(id=f"w-{n}", name="total", input="{}") for n in range(1200))
    began = time.monotonic()
    assert durable.delete_workflows(f"w-{n}" for n in range(1200)) == 1200
    assert time.monotonic() - began < 10
    assert not Workflow.objects.exists()


def test_inside_a_workflow_it_is_done_once(executor):
    target = app.receives.start("t", 600).workflow_id
    assert deletes.start(target).get_result(timeout=10) == [True, False]


def test_coroutines_delete_too(database):
    Workflow.objects.create(id="w", name="total", input="{}")

    async def main() -> tuple[bool, int]:
        return await durable.adelete_workflow("w"), await durable.adelete_workflows(["w"])

    assert run_async(main()) == (True, 0)


def test_the_document_about_managing_shows_what_works(executor, settings):
    """Each block of docs/management.md, in order, on workflows of the ids that it names."""
    text = (Path(__file__).parents[2] / "docs" / "management.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) == 7
    scope: dict[str, Any] = {"durable": durable}
    for block in blocks:
        for each in ("order-7", "order-8", "order-9"):
            durable.delete_workflow(each)
            app.total.using(workflow_id=each).start(5).get_result(timeout=10)
        block = block.replace("durable.import", "durable.delete_workflow('order-7'); durable.import")
        exec(compile(block, "management.md", "exec"), scope)
        settings.DURABLE = {**settings.DURABLE, **scope.get("DURABLE", {})}
    assert conf().RETENTION["workflows"] == {"heartbeat": {"age": 3600}}


# --- the command


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("prune", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_command_deletes_says_how_many_and_leaves_an_entry_in_the_audit(database):
    for days in (1, 10, 20):
        ended(f"{days}", days)
    assert say("--older-than", "7d", "--dry-run") == "2 workflows would be deleted"
    assert json.loads(say("--rows", "2", "--dry-run", "--format", "json")) == {"would_delete": 1}
    assert not AuditEntry.objects.exists()
    assert (
        say("--older-than", "15d", "--status", "SUCCESS", "--status", "ERROR", "--name", "total")
        == "1 workflow deleted"
    )
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.source, entry.detail["older_than"]) == ("prune", "cli", 15 * DAY)
    assert json.loads(say("--rows", "0", "--format", "json", "--batch-size", "1")) == {"deleted": 2}


def test_the_command_without_terms_does_what_the_setting_says(database, settings):
    ended("old", 10)
    with pytest.raises(CommandError, match="RETENTION"):
        say()
    settings.DURABLE = {**settings.DURABLE, "RETENTION": {"*": {"age": DAY}}}
    assert say() == "1 workflow deleted"


@pytest.mark.parametrize(
    "arguments",
    ["--older-than soon", "--older-than -1", "--older-than 1y", "--rows x", "--rows -1", "--status LIVE --rows 1",
     "--status ERROR", "--rows 1 --batch-size 0", "--rows 1 --format xml"],
)  # fmt: skip
def test_the_command_refuses_what_cannot_be_meant(database, arguments):
    ended("old", 10)
    with pytest.raises(CommandError):
        say(*arguments.split())
    assert there() == {"old"} and not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("45m", 2700), ("1.5h", 5400), ("2W", 14 * DAY)]
)
def test_durations_of_the_command(text, seconds):
    assert duration(text) == seconds
