"""Steps as DBOS numbers, names and retries them."""

from __future__ import annotations

import asyncio

import pytest

from durable.compat.dbos import DBOS, Queue, SetWorkflowID, StepOptions
from durable.compat.dbos.error import (
    DBOSConflictingRegistrationError,
    DBOSException,
    DBOSMaxStepRetriesExceeded,
    DBOSStepTimeoutError,
)
from tests.support.waiting import run_async


def names(workflow_id):
    return [(step["function_id"], step["function_name"]) for step in DBOS.list_workflow_steps(workflow_id)]


def test_one_counter_numbers_steps_children_and_verbs(dbos):
    @DBOS.step()
    def first():
        return 1

    @DBOS.workflow()
    def child():
        return DBOS.workflow_id

    @DBOS.workflow()
    def parent():
        first()
        DBOS.set_event("key", "value")
        handle = DBOS.start_workflow(child)
        return [handle.get_result(), child(), DBOS.get_event(DBOS.workflow_id, "key"), DBOS.recv("no", 0)]

    with SetWorkflowID("numbered"):
        assert parent() == ["numbered-3", "numbered-5", "value", None]
    here = "test_one_counter_numbers_steps_children_and_verbs.<locals>."
    assert names("numbered") == [
        (1, here + "first"), (2, "DBOS.setEvent"), (3, here + "child"), (4, "DBOS.getResult"), (5, here + "child"),
        (6, "DBOS.getResult"), (7, "DBOS.getEvent"), (8, "DBOS.sleep"), (9, "DBOS.recv"), (10, "DBOS.sleep"),
    ]  # fmt: skip
    steps = DBOS.list_workflow_steps("numbered")
    assert steps[0]["output"] == 1 and steps[0]["error"] is None
    assert steps[4]["child_workflow_id"] == "numbered-5" and steps[4]["output"] is None
    assert steps[5]["output"] == "numbered-5"
    assert all(step["started_at_epoch_ms"] <= step["completed_at_epoch_ms"] for step in steps[:7])


def test_verbs_are_named_as_in_dbos(dbos):
    @DBOS.workflow()
    def verbs(other):
        DBOS.send(other, "message", "topic")
        DBOS.send_bulk([{"destination_id": other, "message": 1, "topic": "topic"}])
        DBOS.sleep(0.001)
        DBOS.write_stream("s", 1)
        DBOS.close_stream("s")
        DBOS.patch("new")
        DBOS.get_all_events(other)
        DBOS.list_workflows(workflow_ids=[other])
        DBOS.list_workflow_steps(other)
        DBOS.update_workflow_attributes(other, {"a": 1})
        DBOS.cancel_workflow(other)
        DBOS.wait_first([DBOS.retrieve_workflow(other)]).get_status()

    @DBOS.workflow()
    def other():
        DBOS.recv("never")

    with SetWorkflowID("other"):
        DBOS.start_workflow(other)
    with SetWorkflowID("verbs"):
        verbs("other")
    verb_names = [name for _, name in names("verbs")]
    assert verb_names == [
        f"DBOS.{verb}" for verb in (
            "send", "sendBulk", "sleep", "writeStream", "closeStream", "patch-new", "getAllEvents", "listWorkflows",
            "listWorkflowSteps", "updateWorkflowAttributes", "cancelWorkflow", "selectWorkflow", "getStatus",
        )
    ]  # fmt: skip


def test_a_step_is_tried_again_and_knows_its_attempt(dbos):
    seen = []

    @DBOS.step(retries_allowed=True, interval_seconds=0.001, max_attempts=3)
    def flaky():
        seen.append((DBOS.step_id, DBOS.step_status.current_attempt, DBOS.step_status.max_attempts))
        raise ValueError(f"no {len(seen)}")

    @DBOS.step()
    def without_retries():
        return (DBOS.step_status.step_id, DBOS.step_status.current_attempt, DBOS.step_status.max_attempts)

    @DBOS.workflow()
    def tries():
        try:
            flaky()
        except DBOSMaxStepRetriesExceeded as error:
            return [str(error), [str(each) for each in error.errors], without_retries()]

    text, errors, alone = tries()
    assert text.startswith("DBOS Error 7: ") and errors == ["no 1", "no 2", "no 3"]
    assert seen == [(1, 0, 3), (1, 1, 3), (1, 2, 3)]
    assert alone == (2, None, None)


def test_should_retry_ends_it_early(dbos):
    seen = []

    @DBOS.step(retries_allowed=True, interval_seconds=0.001, should_retry=lambda error: isinstance(error, OSError))
    def picky():
        seen.append(1)
        raise OSError("once more") if len(seen) == 1 else ValueError("not this")

    @DBOS.workflow()
    def picking():
        picky()

    with pytest.raises(ValueError, match="not this"):
        picking()
    assert len(seen) == 2


def test_a_step_outside_a_workflow_is_a_plain_call(dbos):
    @DBOS.step(retries_allowed=True)
    def plain(n):
        assert DBOS.workflow_id is None
        raise ValueError(n)

    with pytest.raises(ValueError, match="7"):
        plain(7)
    assert DBOS.list_workflows() == []


def test_a_step_in_a_step_is_part_of_it(dbos):
    @DBOS.step()
    def inner():
        return DBOS.step_id

    @DBOS.step()
    def outer():
        return [DBOS.step_id, inner()]

    @DBOS.workflow()
    def nested():
        return outer()

    with SetWorkflowID("nested"):
        assert nested() == [1, 1]
    assert len(names("nested")) == 1


def test_a_step_can_be_started_and_enqueued_by_itself(dbos):
    queue = Queue("steps-alone")

    @DBOS.step()
    def alone(n):
        return n + 1

    handle = queue.enqueue(alone, 1)
    assert handle.get_result() == 2
    assert DBOS.start_workflow(alone, 2).get_result() == 3
    assert handle.get_status().name == f"<temp>.{alone.__qualname__}"


def test_any_callable_is_run_as_a_step(dbos):
    options: StepOptions = {"name": "named", "retries_allowed": True, "interval_seconds": 0.001, "max_attempts": 2}
    tries = []

    def fails_once(n):
        tries.append(n)
        if len(tries) == 1:
            raise ValueError
        return n

    @DBOS.workflow()
    def ad_hoc():
        return [DBOS.run_step(options, fails_once, 1), DBOS.run_step(None, len, "four")]

    with SetWorkflowID("ad-hoc"):
        assert ad_hoc() == [1, 4]
    assert [name for _, name in names("ad-hoc")] == ["named", "len"]
    assert DBOS.run_step(options, len, "four") == 4


def test_concurrent_steps_of_a_coroutine_are_numbered_in_the_order_of_their_calls(dbos):
    @DBOS.step()
    async def waits(n):
        await asyncio.sleep(0.03 * (3 - n))
        return n

    @DBOS.workflow()
    async def gathers():
        return await asyncio.gather(*(waits(n) for n in range(3)), DBOS.sleep_async(0.001))

    async def main():
        with SetWorkflowID("gathers"):
            return await gathers()

    assert run_async(main()) == [0, 1, 2, None]
    steps = DBOS.list_workflow_steps("gathers")
    assert [step["output"] for step in steps[:3]] == [0, 1, 2]
    assert steps[3]["function_name"] == "DBOS.sleep"


def test_steps_are_reserved_and_tasks_awaited_in_a_recorded_order(dbos):
    async def waits(n):
        await asyncio.sleep(0.01 * (2 - n))
        return n

    @DBOS.workflow()
    async def reserves():
        first, second = DBOS.reserve_step(), DBOS.reserve_step()
        late = asyncio.create_task(second.run_async({"name": "second"}, waits, 2))
        early = asyncio.create_task(first.run_async({"name": "first"}, waits, 1))
        done, pending = await DBOS.asyncio_wait([late, early])
        return sorted(task.result() for task in done), len(pending)

    async def main():
        with SetWorkflowID("reserves"):
            return await reserves()

    assert run_async(main()) == ([1, 2], 0)
    assert names("reserves") == [(1, "first"), (2, "second"), (3, "DBOS.asyncioWait")]


def test_a_coroutine_step_can_run_out_of_time(dbos):
    @DBOS.step(timeout_seconds=0.05)
    async def too_long():
        await asyncio.sleep(30)

    @DBOS.workflow()
    async def impatient():
        try:
            await too_long()
        except DBOSStepTimeoutError as error:
            return str(error)

    assert run_async(impatient()).startswith("DBOS Error 18: ")


def test_a_name_belongs_to_one_module_s_workflow_and_to_any_module_s_steps(dbos):
    def elsewhere(fn):
        fn.__module__, fn.__qualname__ = "another.module", "compat_shared_name"
        return fn

    def here(fn):
        fn.__qualname__ = "compat_shared_name"
        return fn

    one, other = DBOS.step()(here(lambda: "here")), DBOS.step()(elsewhere(lambda: "elsewhere"))

    @DBOS.workflow()
    def calls_both():
        return [one(), other()]

    assert calls_both() == ["here", "elsewhere"]
    with pytest.raises(DBOSException, match="compat_shared_name"):
        DBOS.start_workflow(other)
    DBOS.workflow()(here(lambda: "here"))
    with pytest.raises(DBOSConflictingRegistrationError, match="compat_shared_name"):
        DBOS.workflow()(elsewhere(lambda: "elsewhere"))


def test_what_cannot_be_decorated_is_refused():
    with pytest.raises(DBOSException, match="coroutine function"):

        @DBOS.transaction()
        async def never():
            pass

    with pytest.raises(DBOSException, match="goes on top of"):

        @DBOS.scheduled("* * * * *")
        def no_workflow(a, b):
            pass

    with pytest.raises(DBOSException, match="@staticmethod above"):
        DBOS.workflow()(staticmethod(len))
    with pytest.raises(DBOSException, match="decorates functions"):
        DBOS.step()(3)
