"""Deadlines of parents and children: inherited, replaced, detached."""

from __future__ import annotations

from datetime import timedelta

import pytest

import durable
from durable.errors import WorkflowWasCancelled
from durable.models import Workflow
from tests.app.models import Effect
from tests.support import run_async, wait_until

SOON = 0.15
"""Seconds after which what a test waits for has run out of time."""


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def let_time_pass(**which) -> None:
    """Let the deadlines of workflows be long ago."""
    Workflow.objects.filter(deadline__isnull=False, **which).update(deadline="2001-01-01T00:00:00Z")


@durable.step(name="inherited.notes")
def notes(key):
    Effect.objects.create(key=key)
    return key


@durable.step(name="inherited.anotes")
async def anotes(key):
    await Effect.objects.acreate(key=key)


@durable.workflow(name="inherited.sleeps")
def sleeps(seconds):
    durable.sleep(seconds)
    return "slept"


@durable.workflow(name="inherited.asleeps")
async def asleeps(seconds):
    await durable.asleep(seconds)
    return "slept"


@durable.workflow(name="inherited.begets")
def begets(detached=False):
    """Starts, enqueues and calls children that take too long."""
    queue = durable.Queue("inherited.never", concurrency=1)
    if detached:
        sleeps.using(timeout=None).start(600)
        with durable.SetWorkflowTimeout(None):
            queue.enqueue(sleeps, 600)
            sleeps(600)
    else:
        sleeps.start(600)
        queue.enqueue(sleeps, 600)
        sleeps(600)


@durable.workflow(name="inherited.abegets")
async def abegets(detached=False):
    queue = durable.Queue("inherited.never", concurrency=1)
    if detached:
        await asleeps.using(timeout=None).astart(600)
        with durable.SetWorkflowTimeout(None):
            await queue.aenqueue(sleeps, 600)
            await asleeps(600)
    else:
        await asleeps.astart(600)
        await queue.aenqueue(sleeps, 600)
        await asleeps(600)


def children(parent: str) -> list[Workflow]:
    return list(Workflow.objects.filter(parent=parent).order_by("created_at", "id"))


@pytest.mark.parametrize("parent", [begets, abegets], ids=["threads", "coroutines"])
def test_children_have_the_deadline_of_their_parent_and_are_cancelled_with_it(executor, parent):
    durable.register_queue("inherited.never")
    durable.pause_queue("inherited.never")
    handle = parent.using(timeout=600).start()
    wait_until(lambda: len(children(handle.workflow_id)) == 3)
    deadlines = [each.deadline for each in (row(handle.workflow_id), *children(handle.workflow_id))]
    assert max(deadlines) - min(deadlines) < timedelta(milliseconds=20)
    let_time_pass()
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    wait_until(lambda: [each.status for each in children(handle.workflow_id)] == ["CANCELLED"] * 3)


@pytest.mark.parametrize("parent", [begets, abegets], ids=["threads", "coroutines"])
def test_a_child_without_a_timeout_of_its_own_is_detached_by_none(executor, parent):
    durable.register_queue("inherited.never")
    durable.pause_queue("inherited.never")
    handle = parent.using(timeout=600).start(detached=True)
    wait_until(lambda: len(children(handle.workflow_id)) == 3)
    let_time_pass()
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    found = children(handle.workflow_id)
    assert len(found) == 3
    assert {each.status for each in found} <= {"PENDING", "ENQUEUED"}
    assert {(each.deadline, each.timeout) for each in found} == {(None, None)}
    durable.cancel_workflows([each.id for each in found])


@durable.workflow(name="inherited.outlives")
def outlives():
    with durable.SetWorkflowTimeout(SOON):
        try:
            sleeps(600)
        except WorkflowWasCancelled:
            notes("called")
        handle = sleeps.start(600)
    try:
        handle.get_result()
    except WorkflowWasCancelled:
        notes("started")
    return "outlived"


@durable.workflow(name="inherited.aoutlives")
async def aoutlives():
    with durable.SetWorkflowTimeout(SOON):
        try:
            await asleeps(600)
        except WorkflowWasCancelled:
            await anotes("called")
        handle = await asleeps.astart(600)
    try:
        await handle.aget_result()
    except WorkflowWasCancelled:
        await anotes("started")
    return "outlived"


@pytest.mark.parametrize("parent", [outlives, aoutlives], ids=["threads", "coroutines"])
@pytest.mark.parametrize("direct", [False, True], ids=["started", "called"])
def test_a_childs_own_timeout_is_an_error_to_its_parent_which_goes_on(executor, parent, direct):
    if not direct:
        assert parent.start().get_result(timeout=20) == "outlived"
    else:
        assert (parent() if parent is outlives else run_async(parent())) == "outlived"
    assert sorted(Effect.objects.values_list("key", flat=True)) == ["called", "started"]


def test_a_timeout_of_a_child_replaces_what_it_would_inherit(executor):
    @durable.workflow(name="inherited.gives_more")
    def gives_more():
        sleeps.using(timeout=700).start(500)
        durable.sleep(500)

    handle = gives_more.using(timeout=600).start()
    wait_until(lambda: len(children(handle.workflow_id)) == 1)
    let_time_pass(id=handle.workflow_id)
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    [child] = children(handle.workflow_id)
    assert child.deadline > row(handle.workflow_id).created_at + timedelta(seconds=690)
    assert (child.status, child.timeout) == ("PENDING", 700)
    durable.cancel_workflow(child.id)


@durable.workflow(name="inherited.waits_for")
def waits_for(workflow_id):
    durable.retrieve_workflow(workflow_id).get_result()


def test_a_parked_waiter_is_told_at_once(executor):
    handle = sleeps.using(timeout=600).start(600)
    waiter = waits_for.start(handle.workflow_id)
    wait_until(lambda: (row(waiter.workflow_id).waiting_for or "").startswith("child:"))
    let_time_pass(id=handle.workflow_id)
    with pytest.raises(WorkflowWasCancelled, match=handle.workflow_id):
        waiter.get_result(timeout=10)
    late = row(waiter.workflow_id).completed_at - row(handle.workflow_id).completed_at
    assert late.total_seconds() < 1


def test_wait_first_and_coroutines_that_wait_are_told(executor):
    handle = sleeps.using(timeout=SOON).start(600)
    assert durable.wait_first([handle, sleeps.start(600)]) == handle

    async def main():
        with pytest.raises(WorkflowWasCancelled):
            await (await sleeps.using(timeout=SOON).astart(600)).aget_result(timeout=10)

    run_async(main())
    durable.cancel_workflows([each.id for each in Workflow.objects.live()])


@durable.transaction(name="inherited.starts")
def starts():
    return sleeps.start(600).workflow_id


@durable.workflow(name="inherited.starts_in_a_transaction")
def starts_in_a_transaction():
    return starts()


def test_a_child_that_a_transaction_starts_inherits_too(executor):
    with durable.SetWorkflowTimeout(600), durable.SetAuthentication("ann", ["clerk"]):
        handle = starts_in_a_transaction.start()
    child = row(handle.get_result(timeout=10))
    assert child.parent == handle.workflow_id
    assert (child.authenticated_user, child.authenticated_roles) == ("ann", ["clerk"])
    assert child.deadline is not None
    durable.cancel_workflow(child.id)
