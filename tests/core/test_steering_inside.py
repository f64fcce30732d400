"""Steering from workflows: each verb is one step, recorded once; from steps and transactions it is part of them."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

import durable
from durable.errors import (
    InvalidOption,
    PayloadTooLarge,
    QueueNotFound,
    VersionNotFound,
    WorkflowNotFound,
    WorkflowWasCancelled,
)
from durable.executor import Executor
from durable.models import Attempt, Queue, Step, Version, Workflow
from tests.app.models import Effect
from tests.support import run_async, wait_until


@pytest.fixture(autouse=True)
def quick(settings):
    """Workflows that wait leave memory at once."""
    settings.DURABLE = {**settings.DURABLE, "PARK_AFTER_SECONDS": 0}


@durable.step(name="inside.notes")
def notes(key):
    Effect.objects.create(key=key)
    return key


@durable.workflow(name="inside.waits")
def waits():
    return durable.recv("go on", timeout_seconds=600)


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


def is_parked(handle) -> bool:
    return row(handle.workflow_id).waiting_for == "message:go on"


def target():
    return waits.using(workflow_id="target").start()


def cancelled():
    target()
    durable.cancel_workflow("target")


def delayed():
    with durable.SetEnqueueOptions(delay=600):
        return waits.using(workflow_id="target", queue="steering.delays").start()


def limits(queue):
    return [queue.override, queue.concurrency]


def new_version(**facts):
    return lambda: Version.objects.create(application="tests", name="v9", **facts)


def queue_of(**limits):
    return lambda: durable.register_queue("steering.q", **limits)


MOMENT = datetime(2099, 1, 1, tzinfo=UTC)

# what there is before, the verb and its arguments, what of its value the workflow returns, and that
VERBS = {
    "cancel_workflow": (target, ("target",), {}, lambda v: v, True),
    "cancel_workflows": (target, (["target", "x"],), {}, lambda v: v, ["target"]),
    "resume_workflow": (cancelled, ("target",), {}, lambda v: v.workflow_id, "target"),
    "resume_workflows": (cancelled, (["target"],), {}, lambda v: [each.workflow_id for each in v], ["target"]),
    "set_workflow_delay": (delayed, ("target",), {"until": MOMENT}, lambda v: v, None),
    "update_workflow_attributes": (target, ("target", {"a": 1}), {}, lambda v: v, None),
    "register_queue": (int, ("steering.q",), {"concurrency": 2}, lambda v: v.concurrency, 2),
    "retrieve_queue": (queue_of(concurrency=1), ("steering.q",), {}, lambda v: v.concurrency, 1),
    "list_queues": (queue_of(), (), {}, lambda v: "steering.q" in [each.name for each in v], True),
    "set_queue_limits": (
        queue_of(concurrency=1), ("steering.q",), {"concurrency": 5}, limits,
        [{"concurrency": 5}, 5],
    ),
    "clear_queue_limits": (queue_of(concurrency=1), ("steering.q",), {}, limits, [{}, 1]),
    "pause_queue": (queue_of(), ("steering.q",), {}, lambda v: v, None),
    "resume_queue": (queue_of(), ("steering.q",), {}, lambda v: v, None),
    "delete_queue": (queue_of(), ("steering.q",), {}, lambda v: v, True),
    "list_versions": (
        new_version(), (), {},
        lambda v: "v9" in [each.name for each in v], True,
    ),
    "latest_version": (
        new_version(promoted_at=MOMENT), (), {},
        lambda v: [v.name, v.promoted_at == MOMENT], ["v9", True],
    ),
    "set_latest_version": (new_version(), ("v9",), {}, lambda v: v, None),
    "move_to_version": (
        waits.using(workflow_id="target", queue="steering.moves").start, ("target", "v9"), {}, lambda v: v, 1,
    ),
}  # fmt: skip


@durable.workflow(name="inside.steers")
def steers(verb):
    _, args, kwargs, show, _ = VERBS[verb]
    before = show(getattr(durable, verb)(*args, **kwargs))
    durable.recv("go on")
    return before


@durable.workflow(name="inside.asteers")
async def asteers(verb):
    _, args, kwargs, show, _ = VERBS[verb]
    before = show(await getattr(durable, f"a{verb}")(*args, **kwargs))
    await durable.arecv("go on")
    return before


COLOURS = pytest.mark.parametrize("steering", [steers, asteers], ids=["thread", "coroutine"])


@COLOURS
@pytest.mark.parametrize("verb", VERBS)
def test_inside_a_workflow_a_verb_is_recorded_and_not_done_again_by_a_replay(executor, steering, verb):
    durable.register_queue("steering.moves")
    durable.pause_queue("steering.moves")
    prepare, *_, expected = VERBS[verb]
    prepare()
    handle = steering.start(verb)
    wait_until(lambda: is_parked(handle))
    step = Step.objects.get(workflow_id=handle.workflow_id, seq=1)
    assert (step.name, step.kind, step.error) == (verb, "manage", None)
    Workflow.objects.exclude(pk=handle.workflow_id).delete()  # a replay that looked or acted again would fail
    Queue.objects.all().delete()
    Version.objects.all().delete()
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == expected
    assert not Queue.objects.filter(name="inside.q").exists()


FAILURES = {
    "cancel_workflow": (("nobody",), WorkflowNotFound),
    "resume_workflow": (("nobody",), WorkflowNotFound),
    "resume_workflows": ((["nobody"],), WorkflowNotFound),
    "set_workflow_delay": (("nobody",), InvalidOption),
    "update_workflow_attributes": (("nobody", {}), WorkflowNotFound),
    "register_queue": ((" ",), InvalidOption),
    "set_queue_limits": (("nobody",), QueueNotFound),
    "clear_queue_limits": (("nobody",), QueueNotFound),
    "pause_queue": (("nobody",), QueueNotFound),
    "resume_queue": (("nobody",), QueueNotFound),
    "set_latest_version": (("nobody",), VersionNotFound),
    "move_to_version": ((["nobody"], "v9"), WorkflowNotFound),
}


@durable.workflow(name="inside.meets_errors")
def meets_errors(verb):
    args, expected = FAILURES[verb]
    try:
        getattr(durable, verb)(*args)
    except expected as error:
        caught = str(error)
    durable.recv("go on")
    return caught


@durable.workflow(name="inside.ameets_errors")
async def ameets_errors(verb):
    args, expected = FAILURES[verb]
    try:
        await getattr(durable, f"a{verb}")(*args)
    except expected as error:
        caught = str(error)
    await durable.arecv("go on")
    return caught


@pytest.mark.parametrize("meeting", [meets_errors, ameets_errors], ids=["thread", "coroutine"])
@pytest.mark.parametrize("verb", FAILURES)
def test_so_is_its_error(executor, meeting, verb):
    handle = meeting.start(verb)
    wait_until(lambda: is_parked(handle))
    first = Step.objects.get(workflow_id=handle.workflow_id, seq=1)
    assert (first.name, first.kind, FAILURES[verb][1].__name__ in first.error) == (verb, "manage", True)
    Queue.objects.create(name="nobody")  # now it would do
    Version.objects.create(application="tests", name="nobody")
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10)


MANAGED = [
    name for name in durable.__all__ if hasattr(getattr(durable, name), "__wrapped__") and f"a{name}" in durable.__all__
]


@durable.workflow(name="inside.misuses")
def misuses():
    for verb in MANAGED:
        try:
            getattr(durable, verb)(no_such_argument=1)
        except (TypeError, InvalidOption):
            continue
        raise AssertionError(f"{verb} takes anything")


@durable.workflow(name="inside.amisuses")
async def amisuses():
    results = [getattr(durable, f"a{verb}")(no_such_argument=1) for verb in MANAGED]
    for verb, result in zip(MANAGED, await asyncio.gather(*results, return_exceptions=True), strict=True):
        assert isinstance(result, (TypeError, InvalidOption)), verb


@pytest.mark.parametrize("misusing", [misuses, amisuses], ids=["thread", "coroutine"])
def test_every_verb_that_steers_or_looks_takes_one_slot_in_the_order_of_the_calls(executor, misusing):
    assert set(VERBS) <= set(MANAGED)
    handle = misusing.start()
    handle.get_result(timeout=20)
    steps = Step.objects.filter(workflow_id=handle.workflow_id).order_by("seq")
    assert [(each.name, each.kind) for each in steps] == [(verb, "manage") for verb in MANAGED]


def test_a_crash_after_the_deed_and_before_its_record_does_it_again_without_harm(executor):
    """A deed is at least once: here the same as a lost record, which a crash between the two leaves."""
    waits.using(workflow_id="target").start()
    handle = steers.start("cancel_workflow")
    wait_until(lambda: is_parked(handle))
    Step.objects.filter(workflow_id=handle.workflow_id, seq=1).delete()
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) is False  # it had been cancelled already
    assert row("target").status == "CANCELLED"
    assert Attempt.objects.filter(workflow_id="target", outcome="cancelled").count() == 1


gate = threading.Event()


@durable.workflow(name="inside.pauses_and_holds")
def pauses_and_holds():
    durable.pause_queue("steering.crash")
    hold()
    return durable.retrieve_queue("steering.crash").paused


@durable.step(name="inside.hold")
def hold():
    Effect.objects.create(key="held")
    assert gate.wait(20)


def test_after_a_crash_what_was_recorded_is_not_done_again(database, monkeypatch):
    monkeypatch.setattr("durable.executor.executor.STOP_SECONDS", 0)
    gate.clear()
    durable.register_queue("steering.crash")
    first = Executor().start()
    handle = pauses_and_holds.start()
    wait_until(lambda: Effect.objects.exists())
    first.stop()  # without letting go of what it runs
    durable.resume_queue("steering.crash")  # an operator has thought otherwise since
    second = Executor().start()
    gate.set()
    assert handle.get_result(timeout=10) is False
    assert row(handle.workflow_id).recovery_attempts == 1
    second.drain(1)


# --- a workflow and itself


@durable.workflow(name="inside.gives_up")
def gives_up():
    durable.update_workflow_attributes(durable.workflow_id(), {"state": "about to give up"})
    durable.cancel_workflow(durable.workflow_id())
    notes("after")


@durable.workflow(name="inside.agives_up")
async def agives_up():
    await durable.aupdate_workflow_attributes(durable.workflow_id(), {"state": "about to give up"})
    await durable.acancel_workflow(durable.workflow_id())
    await asyncio.to_thread(notes, "after")


@pytest.mark.parametrize("workflow", [gives_up, agives_up], ids=["thread", "coroutine"])
@pytest.mark.parametrize("direct", [False, True], ids=["started", "called"])
def test_a_workflow_may_cancel_itself(executor, workflow, direct):
    with pytest.raises(WorkflowWasCancelled):
        if not direct:
            workflow.start().get_result(timeout=10)
        else:
            run_async(workflow()) if workflow.is_async else workflow()
    found = Workflow.objects.get()
    assert (found.status, found.attributes) == ("CANCELLED", {"state": "about to give up"})
    assert not Effect.objects.exists()
    wait_until(lambda: not executor.running)


# --- from a step and a transaction: part of it


@durable.step(name="inside.steps_in")
def steps_in(workflow_id):
    durable.cancel_workflow(workflow_id)
    return [each.name for each in durable.list_queues()]


@durable.transaction(name="inside.transacts_in")
def transacts_in(workflow_id, fail):
    durable.cancel_workflow(workflow_id)
    durable.update_workflow_attributes(workflow_id, {"cancelled": True})
    if fail:
        raise ValueError("rolled back")


@durable.workflow(name="inside.uses_step")
def uses_step(workflow_id):
    return steps_in(workflow_id)


@durable.workflow(name="inside.uses_transaction")
def uses_transaction(workflow_id, fail):
    transacts_in(workflow_id, fail)


def test_in_a_step_it_is_part_of_the_step(executor):
    other = waits.start()
    handle = uses_step.start(other.workflow_id)
    handle.get_result(timeout=10)
    assert row(other.workflow_id).status == "CANCELLED"
    assert [each.name for each in Step.objects.filter(workflow_id=handle.workflow_id)] == ["inside.steps_in"]


def test_in_a_transaction_it_commits_or_rolls_back_with_it(executor):
    other = waits.start()
    wait_until(lambda: is_parked(other))
    with pytest.raises(ValueError, match="rolled back"):
        uses_transaction.start(other.workflow_id, True).get_result(timeout=10)
    assert (row(other.workflow_id).status, row(other.workflow_id).attributes) == ("PENDING", None)
    uses_transaction.start(other.workflow_id, False).get_result(timeout=10)
    assert (row(other.workflow_id).status, row(other.workflow_id).attributes) == ("CANCELLED", {"cancelled": True})


def test_what_is_too_large_to_be_recorded_is_an_error_that_is(executor, settings):
    settings.DURABLE = {**settings.DURABLE, "MAX_PAYLOAD_BYTES": 1024}
    for n in range(40):
        durable.register_queue(f"steering.large.{n}")

    @durable.workflow(name="inside.lists_too_much")
    def lists_too_much():
        try:
            durable.list_queues()
        except PayloadTooLarge:
            return "too large"

    handle = lists_too_much.start()
    assert handle.get_result(timeout=10) == "too large"
    assert "PayloadTooLarge" in Step.objects.get(workflow_id=handle.workflow_id).error
