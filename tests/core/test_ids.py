"""An id names one execution: who attaches to it, who is refused, who wins when several want it at once."""

from __future__ import annotations

import threading

import pytest

import durable
from durable.backends.backend import Backend
from durable.engine.commands import Outcome
from durable.errors import WorkflowConflict, WorkflowIdInUse
from durable.executor import Executor
from durable.models import Step, Workflow
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until
from tests.support.threads import in_threads

from .beginning import abegin, aecho, begin, echo, noting, row


@pytest.mark.parametrize("way", ["start", "call", "enqueue", "by name"])
def test_by_default_a_start_attaches_and_the_function_runs_once(executor, way):
    def once():
        with durable.SetWorkflowID("shared"):
            return begin(noting, "x", way="start" if way == "call" else way)

    once()
    assert durable.retrieve_workflow("shared").get_result(timeout=10) == "x"
    if way == "call":
        with durable.SetWorkflowID("shared"):
            assert noting("x") == "x"
    else:
        assert once() == "shared"
    assert Effect.objects.count() == 1


@pytest.mark.parametrize("way", ["start", "call", "enqueue", "by name"])
def test_a_start_that_asks_for_it_is_rejected(database, way):
    echo.using(workflow_id="taken").start(1)
    with durable.SetWorkflowID("taken", policy="reject"), pytest.raises(WorkflowIdInUse, match="'taken' is in use"):
        begin(echo, 1, way=way)
    assert Workflow.objects.count() == 1


@pytest.mark.parametrize("way", ["start", "call", "enqueue"])
def test_a_coroutine_that_asks_for_it_is_rejected(database, way):
    aecho.using(workflow_id="taken")

    async def main():
        await aecho.using(workflow_id="taken").astart(1)
        with durable.SetWorkflowID("taken", policy="reject"), pytest.raises(WorkflowIdInUse):
            await abegin(aecho, 1, way=way)

    run_async(main())
    assert Workflow.objects.count() == 1


@pytest.mark.parametrize("way", ["start", "call", "enqueue"])
def test_of_many_threads_that_want_an_id_for_themselves_one_gets_it(executor, way):
    def want(n):
        with durable.SetWorkflowID("wanted", policy="reject"):
            return noting(f"{n}") if way == "call" else begin(noting, f"{n}", way=way)

    found = in_threads(6, want)
    assert sorted(type(each).__name__ for each in found) == ["WorkflowIdInUse"] * 5 + ["str"]
    durable.retrieve_workflow("wanted").get_result(timeout=10)
    assert Effect.objects.count() == 1


@pytest.mark.parametrize("way", ["start", "call", "enqueue"])
def test_many_threads_that_share_an_id_run_it_once(executor, way):
    def want(_):
        with durable.SetWorkflowID("shared"):
            return noting("x") if way == "call" else begin(noting, "x", way=way)

    assert in_threads(6, want) == ["x" if way == "call" else "shared"] * 6
    durable.retrieve_workflow("shared").get_result(timeout=10)
    assert Effect.objects.count() == 1


@durable.workflow(name="ids.is_rejected")
def is_rejected(way):
    try:
        with durable.SetWorkflowID("taken", policy="reject"):
            echo.start(1) if way == "start" else echo(1)
    except WorkflowIdInUse as error:
        caught = error.workflow_id
    durable.recv("go on")
    return caught


@pytest.mark.parametrize("way", ["start", "call"])
def test_inside_a_workflow_a_rejection_is_recorded_and_raised_again_in_a_replay(executor, way):
    echo.using(workflow_id="taken").start(1)
    handle = is_rejected.start(way)
    wait_until(lambda: row(handle.workflow_id).waiting_for == "message:go on")
    Workflow.objects.filter(pk="taken").delete()  # a replay does not look again
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == "taken"
    step = Step.objects.filter(workflow_id=handle.workflow_id).first()
    assert (step.seq, step.kind, step.child, '"WorkflowIdInUse"' in step.error) == (1, "child", None, True)


@durable.workflow(name="ids.wants")
def wants(policy):
    try:
        return echo.using(workflow_id="wanted", id_policy=policy).start(1).workflow_id
    except (WorkflowIdInUse, WorkflowConflict) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    "policy, expected", [("reject", ["WorkflowIdInUse", "wanted"]), ("return-existing", ["wanted", "wanted"])]
)
def test_of_two_parents_that_see_an_id_free_one_gets_it(executor, monkeypatch, policy, expected):
    meet_before_deciding(monkeypatch, 2)
    handles = [wants.start(policy), wants.start(policy)]
    assert sorted(durable.gather(handles)) == expected
    rows = Step.objects.filter(workflow_id__in=[each.workflow_id for each in handles])
    assert sorted(each.child or "refused" for each in rows) == sorted(
        "refused" if each == "WorkflowIdInUse" else each for each in expected
    )
    assert Workflow.objects.filter(pk="wanted").count() == 1


@durable.workflow(name="ids.wants_another")
def wants_another():
    try:
        return noting.using(workflow_id="wanted").start("x").workflow_id
    except WorkflowConflict as error:
        caught = error.existing
    durable.recv("go on")
    return f"conflict with {caught}"


def test_a_parent_that_loses_an_id_to_another_function_records_that(executor, monkeypatch):
    meet_before_deciding(monkeypatch, 2)
    echoes, notes = wants.start("return-existing"), wants_another.start()
    durable.wait_first([echoes, notes])
    if row("wanted").name == echo.name:
        wait_until(lambda: row(notes.workflow_id).waiting_for == "message:go on")
        durable.send(notes.workflow_id, 1, "go on")  # what follows is a replay
        assert durable.gather([echoes, notes]) == ["wanted", "conflict with blocks.echo"]
    else:
        assert durable.gather([echoes, notes]) == ["WorkflowConflict", "wanted"]


def meet_before_deciding(monkeypatch, number: int) -> None:
    """Let that many starts look at the id at once, so that all of them find it free."""
    barrier, answer = threading.Barrier(number), Backend.answer

    def answers(self, session, question):
        found = answer(self, session, question)
        if isinstance(question, Outcome) and question.workflows == ("wanted",) and not found and not barrier.broken:
            try:
                barrier.wait(10)
            except threading.BrokenBarrierError:
                pass
            else:
                barrier.abort()
        return found

    monkeypatch.setattr(Backend, "answer", answers)


# --- what attaches, and what does not


@pytest.mark.parametrize("way", ["start", "call"])
def test_another_input_attaches_and_warns(executor, way):
    handle = echo.using(workflow_id="same").start(1)
    assert handle.get_result(timeout=10) == 1
    with durable.SetWorkflowID("same"), pytest.warns(RuntimeWarning, match="another input") as warned:
        assert echo(2) == 1 if way == "call" else echo.start(2) == handle
    assert len(warned) == 1


def test_the_same_input_attaches_without_a_warning(executor, recwarn):
    for _ in range(2):
        assert echo.using(workflow_id="same")({"b": 1, "a": [2]}) == {"b": 1, "a": [2]}
    assert not recwarn.list


@pytest.mark.parametrize("way", ["start", "call"])
def test_another_function_is_refused_and_nothing_is_stored(executor, way):
    echo.using(workflow_id="taken").start(1)
    with (
        durable.SetWorkflowID("taken"),
        pytest.raises(WorkflowConflict, match=r"by 'blocks.echo', not 'blocks.noting'"),
    ):
        begin(noting, "x", way=way)
    assert (Workflow.objects.count(), Effect.objects.count()) == (1, 0)


def test_a_direct_call_attaches_to_what_another_process_runs(executor_process):
    executor_process()
    handle = app.naps.using(workflow_id="elsewhere").start(0.5)
    assert app.naps.using(workflow_id="elsewhere")(0.5) == "woke"
    assert handle.get_status().status == "SUCCESS"
    assert Effect.objects.filter(key="woke").count() == 1


def test_a_start_for_another_version_of_the_code_is_not_run_by_this_one(database, settings):
    settings.DURABLE = {**settings.DURABLE, "VERSIONS": "strict"}
    executor = Executor().start()
    handle = echo.using(version="of another deploy").start(1)
    found = handle.get_status()
    assert (found.status, found.executor, found.epoch) == ("ENQUEUED", None, 0)
    executor.drain(1)


def test_calling_what_has_ended_gives_its_end_again(executor):
    with pytest.raises(ValueError, match="no luck"):
        app.fails.using(workflow_id="failed")("no luck")
    with pytest.raises(ValueError, match="no luck"):
        app.fails.using(workflow_id="failed")("no luck")
    assert Workflow.objects.count() == 1
