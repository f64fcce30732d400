"""A deleted workflow leaves nothing behind, and one that runs is stopped by it."""

from __future__ import annotations

import threading
import time

import pytest
from django.apps import apps
from django.db import connections, transaction

import durable
from durable.backends.backend import backend
from durable.backends.writing import Verdict, write
from durable.engine import commands as c
from durable.errors import InvalidOption, WorkflowNotFound
from durable.executor.pruner import TABLES
from durable.models import Message, Now, Queue, Step, StepAttempt, StreamEntry, Wait, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until


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
    with pytest.raises(InvalidOption, match="id of a workflow|ids of workflows"):
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
