"""Calling, starting, attaching, failing, in both colours."""

from __future__ import annotations

import asyncio
import uuid

import pytest

import durable
from durable.errors import (
    NonDeterminism,
    OutsideWorkflow,
    ResultTimeout,
    UnknownDefinition,
    WorkflowConflict,
    WorkflowNotFound,
    WrongColour,
)
from durable.models import Step, Workflow
from durable.registry import registry
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async, wait_until


def test_a_direct_call_runs_here_and_records_its_steps(database):
    assert app.total(4) == 6
    row = Workflow.objects.get()
    assert (row.status, row.name, row.queue_name) == ("SUCCESS", "total", None)
    assert [(s.seq, s.name, s.output) for s in Step.objects.all()] == [
        (1, "add", "0"),
        (2, "add", "1"),
        (3, "add", "3"),
        (4, "add", "6"),
    ]


def test_a_started_workflow_is_run_by_an_executor(executor):
    handle = app.total.start(4)
    assert handle.get_result(timeout=10) == 6
    assert handle.get_status().status == "SUCCESS"
    assert handle.get_workflow_id() == handle.workflow_id
    assert durable.retrieve_workflow(handle.workflow_id).get_result(timeout=1) == 6


def test_start_workflow_is_the_same_in_the_words_of_a_function(executor):
    assert durable.start_workflow(app.total, 3).get_result(timeout=10) == 3


def test_default_ids_are_ordered_by_time(database):
    ids = [app.total.start(0).workflow_id for _ in range(5)]
    assert ids == sorted(ids, key=lambda i: i[:13])
    assert all(uuid.UUID(i).version == 7 for i in ids)


def test_an_id_runs_once_and_later_starts_attach(executor):
    first = app.naps.using(workflow_id="once").start(0)
    second = app.naps.using(workflow_id="once").start(0)
    assert first == second
    assert second.get_result(timeout=10) == "woke"
    assert app.naps.using(workflow_id="once")(0) == "woke"
    assert Effect.objects.filter(key="woke").count() == 1


def test_attaching_with_another_input_warns_and_keeps_the_first(executor):
    app.total.using(workflow_id="same").start(3)
    with pytest.warns(RuntimeWarning, match="another input"):
        handle = app.total.using(workflow_id="same").start(5)
    assert handle.get_result(timeout=10) == 3


def test_a_block_names_the_first_workflow_in_it(executor):
    with durable.SetWorkflowID("named"):
        first, second = app.total.start(1), app.total.start(1)
    assert first.workflow_id == "named"
    assert second.workflow_id != "named"


def test_another_function_under_an_id_in_use_is_refused(database):
    app.total.using(workflow_id="taken").start(1)
    with pytest.raises(WorkflowConflict, match=r"in use by 'total', not 'fails'"):
        app.fails.using(workflow_id="taken").start("x")
    with pytest.raises(WorkflowConflict):
        app.fails.using(workflow_id="taken")("x")
    assert Workflow.objects.count() == 1


def test_an_exception_ends_the_workflow_and_is_raised_to_waiters(executor):
    handle = app.fails.start("no luck")
    with pytest.raises(ValueError, match="no luck"):
        handle.get_result(timeout=10)
    with pytest.raises(ValueError, match="no luck"):
        app.fails("no luck")
    row = handle.get_status()
    assert (row.status, row.failure, row.error_type) == ("ERROR", "ERROR", "ValueError")
    assert "in fails" in Workflow.objects.get(pk=handle.workflow_id).error


def test_children_have_ids_made_from_their_parent_and_slot(executor):
    handle = app.fans_out.start(3)
    assert handle.get_result(timeout=20) == 0 + 0 + 1
    children = Workflow.objects.filter(parent=handle.workflow_id).order_by("created_at", "position")
    assert [child.id for child in children] == [f"{handle.workflow_id}-{seq}" for seq in (1, 2, 3)]
    kinds = list(Step.objects.filter(workflow_id=handle.workflow_id).values_list("kind", flat=True))
    assert kinds == ["child"] * 3 + ["result"] * 3


@durable.workflow()
def calls_a_child(n):
    return app.total(n) + 1


@durable.workflow()
def calls_a_failing_child():
    try:
        app.fails("as expected")
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("direct", [True, False])
def test_a_child_called_directly_leaves_a_child_and_a_result(executor, direct):
    with durable.SetWorkflowID("parent"):
        assert (calls_a_child(3) if direct else calls_a_child.start(3).get_result(timeout=10)) == 4
    rows = [(s.name, s.kind, s.child) for s in Step.objects.filter(workflow_id="parent")]
    assert rows == [("total", "child", "parent-1"), ("get_result", "result", "parent-1")]


def test_a_failing_child_raises_its_error_in_the_parent(executor):
    assert calls_a_failing_child() == "as expected"
    assert calls_a_failing_child.start().get_result(timeout=10) == "as expected"


@durable.workflow()
def races():
    slow, quick = app.naps.start(30), app.total.start(1)
    winner = durable.wait_first([slow, quick])
    durable.cancel_workflow(slow.workflow_id)
    return winner.workflow_id == quick.workflow_id


def test_wait_first_gives_the_first_that_ends(executor):
    assert races.start().get_result(timeout=20) is True


def test_coroutine_workflows_run_steps_at_once_and_in_the_order_of_the_calls(executor):
    assert app.atotal.start(10).get_result(timeout=10) == 45
    assert [s.output for s in Step.objects.all()] == [str(i) for i in range(10)]


def test_a_coroutine_workflow_is_awaited_where_it_is_called(database):
    assert run_async(app.atotal(5)) == 10
    assert Workflow.objects.get().status == "SUCCESS"


@durable.workflow()
async def mixes():
    await durable.asleep(0.01)
    first = add = app.add(1, 2)
    booked = await asyncio.to_thread(app.book, "mixed")
    child = await app.atotal.astart(3)
    return [first, add, booked, await child.aget_result(), await app.atotal(2)]


def test_a_coroutine_workflow_uses_plain_steps_transactions_and_children(executor):
    assert mixes.start().get_result(timeout=20) == [3, 3, "mixed", 3, 1]
    assert Effect.objects.filter(key="mixed").count() == 1


def test_a_coroutine_handle_and_its_verbs(executor):
    async def main():
        handle = await durable.astart_workflow(app.areceives, "t")
        await durable.asend(handle.workflow_id, 7, "t")
        assert (await handle.aget_status()).name == "areceives"
        return await handle.aget_result(timeout=10)

    assert run_async(main()) == 7


def test_a_blocking_verb_on_an_event_loop_names_its_twin(database):
    async def main():
        with pytest.raises(WrongColour, match="await astart"):
            app.total.start(1)

    run_async(main())


def test_verbs_of_workflows_outside_one_say_so(database):
    for verb in (lambda: durable.sleep(1), lambda: durable.recv(), lambda: durable.set_event("k", 1)):
        with pytest.raises(OutsideWorkflow, match="only inside a workflow"):
            verb()


def test_a_result_that_takes_too_long_is_a_timeout_and_the_workflow_goes_on(executor):
    handle = app.naps.start(30)
    with pytest.raises(ResultTimeout, match="still running"):
        handle.get_result(timeout=0.05)
    assert not handle.get_status().is_finished
    durable.cancel_workflow(handle.workflow_id)


def test_an_unknown_id_is_a_typed_error(database):
    for act in (durable.retrieve_workflow, durable.cancel_workflow, durable.resume_workflow):
        with pytest.raises(WorkflowNotFound, match="'nobody'"):
            act("nobody")
    with pytest.raises(WorkflowNotFound):
        durable.send("nobody", 1)


def test_the_current_workflow_and_step_are_known(database):
    seen = {}

    @durable.step(name="looks")
    def looks():
        seen.update(
            id=durable.workflow_id(),
            step=durable.step_id(),
            status=durable.step_status(),
            key=durable.idempotency_key(),
        )

    @durable.workflow(name="looked at")
    def looked_at():
        looks()

    looked_at.using(workflow_id="me")()
    assert (seen["id"], seen["step"], seen["key"]) == ("me", 1, "me:1")
    assert seen["status"].current_attempt == 1
    assert durable.workflow_id() is None and durable.step_id() is None


code = {"calls": ["add", "note"]}


@durable.workflow()
def edited():
    for name in code["calls"]:
        {"add": lambda: app.add(1, 1), "note": lambda: app.note("edited")}[name]()
    return durable.recv(timeout_seconds=60)


def test_other_code_on_a_recorded_slot_stops_the_workflow_and_names_both(executor):
    code["calls"] = ["add", "note"]
    handle = edited.start()
    wait_until(lambda: handle.get_status().waiting_for == "message:", 10, "it parks")
    code["calls"] = ["note", "add"]
    durable.send(handle.workflow_id, "go on")
    with pytest.raises(NonDeterminism, match=r"slot 1: recorded 'add', now 'note'"):
        handle.get_result(timeout=10)
    assert Step.objects.filter(workflow_id=handle.workflow_id).count() == 3  # nothing was corrupted
    code["calls"] = ["add", "note"]
    assert durable.resume_workflow(handle.workflow_id).get_result(timeout=10) == "go on"


def test_an_unknown_definition_lists_the_known_ones(database):
    with pytest.raises(UnknownDefinition, match="total"):
        registry.get("nothing")
