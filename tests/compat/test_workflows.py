"""Workflows as DBOS programs start, name, find and steer them."""

from __future__ import annotations

import asyncio
import threading
import warnings
from datetime import datetime, timedelta

import pytest

from durable.compat.dbos import (
    DBOS,
    DBOSContextEnsure,
    Queue,
    SetWorkflowAttributes,
    SetWorkflowID,
    SetWorkflowTimeout,
    WorkflowHandle,
    WorkflowStatusString,
)
from durable.compat.dbos.error import (
    DBOSAwaitedWorkflowCancelledError,
    DBOSConflictingWorkflowError,
    DBOSException,
    DBOSNonExistentWorkflowError,
    DBOSWorkflowCancelledError,
    DBOSWorkflowIDInUseError,
)
from tests.support import wait_until
from tests.support.waiting import run_async


@DBOS.workflow()
def compat_echo(value):
    return value


def test_an_id_runs_once(dbos):
    runs = []

    @DBOS.workflow()
    def counted(n):
        runs.append(n)
        return n

    with SetWorkflowID("once"):
        assert counted(1) == 1
    with SetWorkflowID("once"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the other argument is not used
        assert counted(2) == 1
        handle = DBOS.start_workflow(counted, 3)
    assert handle.get_workflow_id() == handle.workflow_id != "once"
    assert handle.get_result() == 3
    assert runs == [1, 3]


def test_an_id_of_another_function_is_refused(dbos):
    @DBOS.workflow()
    def one():
        pass

    with SetWorkflowID("taken"):
        one()
    with pytest.raises(DBOSConflictingWorkflowError, match="taken"), SetWorkflowID("taken"):
        DBOS.start_workflow(compat_echo, 1)
    with pytest.raises(DBOSWorkflowIDInUseError), SetWorkflowID("taken", workflow_id_reuse_policy="reject"):
        DBOS.start_workflow(one)
    with pytest.raises(DBOSException):
        SetWorkflowID(" ")


def test_a_status_tells_all_that_dbos_tells(dbos):
    queue = Queue("compat-status")

    @DBOS.workflow()
    def told(a, b=2):
        return a + b

    with SetWorkflowID("told"), SetWorkflowAttributes({"tenant": "one"}), DBOSContextEnsure():
        handle: WorkflowHandle = queue.enqueue(told, 1, b=3)
    assert handle.get_result() == 4
    status = handle.get_status()
    assert status == DBOS.get_workflow_status("told") == DBOS.list_workflows(workflow_id="told")[0]
    assert (status.workflow_id, status.status, status.name) == ("told", WorkflowStatusString.SUCCESS, told.__qualname__)
    assert status.input == {"args": (1,), "kwargs": {"b": 3}} and status.output == 4 and status.error is None
    assert status.queue_name == "compat-status" and status.executor_id == DBOS.executor_id == "local"
    assert status.recovery_attempts == 1 and status.attributes == {"tenant": "one"}
    assert status.created_at <= status.dequeued_at <= status.completed_at <= status.updated_at
    assert DBOS.get_workflow_status("nobody") is None


def test_an_error_is_raised_by_the_handle_and_shown_by_the_status(dbos):
    @DBOS.workflow()
    def fails():
        raise ValueError("no good")

    handle = DBOS.start_workflow(fails)
    with pytest.raises(ValueError, match="no good"):
        handle.get_result()
    with pytest.raises(ValueError, match="no good"):
        DBOS.get_result(handle.workflow_id)
    status = handle.get_status()
    assert status.status == "ERROR" and isinstance(status.error, ValueError) and status.output is None


def test_an_unknown_id_is_an_error_except_for_cancel_and_delete(dbos):
    for attempt in (DBOS.retrieve_workflow, DBOS.resume_workflow, DBOS.fork_workflow, DBOS.rewind_workflow):
        with pytest.raises(DBOSNonExistentWorkflowError, match="nobody"):
            attempt("nobody")
    with pytest.raises(DBOSNonExistentWorkflowError):
        DBOS.send("nobody", "message")
    with pytest.raises(DBOSNonExistentWorkflowError):
        DBOS.resume_workflows(["nobody"])
    DBOS.cancel_workflow("nobody")
    DBOS.cancel_workflows(["nobody"])
    DBOS.delete_workflow("nobody")
    assert DBOS.list_workflow_steps("nobody") == []


def test_a_cancelled_workflow_stops_at_its_next_step_and_resumes(dbos):
    started, go_on, done = threading.Event(), threading.Event(), []

    @DBOS.step()
    def works(n):
        if n == 1 and not done:
            started.set()
            go_on.wait(10)
        done.append(n)
        return n

    @DBOS.workflow()
    def stops():
        try:
            return [works(1), works(2)]
        except Exception:  # not the cancellation
            return "swallowed"

    handle = DBOS.start_workflow(stops)
    assert started.wait(10)
    DBOS.cancel_workflow(handle.workflow_id)
    go_on.set()
    with pytest.raises(DBOSAwaitedWorkflowCancelledError):
        handle.get_result()
    assert handle.get_status().status == "CANCELLED"
    wait_until(lambda: done)
    assert DBOS.resume_workflow(handle.workflow_id).get_result() == [1, 2]
    assert handle.get_result() == [1, 2]


def test_the_cancellation_is_dbos_s_own_and_no_exception(dbos):
    seen = []

    @DBOS.workflow()
    def looks():
        try:
            DBOS.recv("never", timeout_seconds=60)
        except DBOSWorkflowCancelledError as error:
            seen.append(str(error))
            raise

    handle = DBOS.start_workflow(looks)
    DBOS.retrieve_workflow(handle.workflow_id)
    DBOS.cancel_workflow(handle.workflow_id)
    with pytest.raises(DBOSAwaitedWorkflowCancelledError):
        handle.get_result()
    assert seen in ([], ["DBOS Error 10: The workflow was cancelled"])  # a parked one has no frame to raise it in


def test_a_timeout_cancels_a_workflow_and_its_children(dbos):
    @DBOS.workflow()
    def long():
        DBOS.sleep(60)

    @DBOS.workflow()
    def starts_long():
        with SetWorkflowTimeout(None):
            free = DBOS.start_workflow(compat_echo, "free")
        DBOS.set_event("children", [DBOS.start_workflow(long).workflow_id, free.workflow_id])
        DBOS.sleep(60)

    with SetWorkflowTimeout(0.5):
        handle = DBOS.start_workflow(starts_long)
    with pytest.raises(DBOSAwaitedWorkflowCancelledError):
        handle.get_result()
    child, free = DBOS.get_event(handle.workflow_id, "children", 1)
    wait_until(lambda: DBOS.get_workflow_status(child).status == "CANCELLED")
    assert DBOS.get_result(free) == "free"
    status = handle.get_status()
    assert status.workflow_timeout_ms == 500
    assert status.workflow_deadline_epoch_ms >= status.created_at + 500
    with pytest.raises(DBOSException, match="0 seconds"):
        SetWorkflowTimeout(0)


def test_a_fork_runs_from_a_step_and_a_restart_from_the_first(dbos):
    done = []

    @DBOS.step()
    def counts(n):
        done.append(n)
        return n

    @DBOS.workflow()
    def three():
        return [counts(n) for n in range(1, 4)]

    with SetWorkflowID("original"):
        three()
    with SetWorkflowID("copy"):
        fork = DBOS.fork_workflow("original", 3)
    assert fork.workflow_id == "copy" and fork.get_result() == [1, 2, 3]
    assert done == [1, 2, 3, 3]
    assert fork.get_status().forked_from == "original" and DBOS.get_workflow_status("original").was_forked_from
    assert DBOS.restart_workflow("original").get_result() == [1, 2, 3]
    assert DBOS.rewind_workflow("original", start_step=2).get_result() == [1, 2, 3]
    assert done == [1, 2, 3, 3, 1, 2, 3, 2, 3]
    assert [each.workflow_id for each in DBOS.list_workflows(forked_from="original", limit=1)] == ["copy"]


def test_lists_take_dbos_s_criteria(dbos):
    queue = Queue("compat-lists")
    handles = []
    for n in range(4):
        with SetWorkflowID(f"listed-{n}"):
            handles.append(queue.enqueue(compat_echo, n))
    assert [handle.get_result() for handle in handles] == [0, 1, 2, 3]

    def ids(**criteria):
        return [each.workflow_id for each in DBOS.list_workflows(**criteria)]

    everything = ["listed-0", "listed-1", "listed-2", "listed-3"]
    assert ids() == everything
    assert ids(sort_desc=True, limit=1, offset=1) == ["listed-2"]
    assert ids(workflow_ids=["listed-1", "nobody"]) == ["listed-1"]
    assert ids(workflow_id_prefix="listed-") == everything
    assert ids(status="SUCCESS", name="compat_echo", queue_name="compat-lists") == everything
    assert ids(status=["ERROR", "CANCELLED"]) == []
    assert ids(start_time="2020-01-01T00:00:00Z", end_time="2100-01-01T00:00:00+00:00") == everything
    assert ids(end_time="2020-01-01T00:00:00Z") == []
    now = datetime.now()  # without a zone it is the machine's own time
    assert ids(start_time=(now - timedelta(minutes=5)).isoformat(), end_time=now + timedelta(minutes=5)) == everything
    with pytest.raises(DBOSException, match="yesterday"):
        ids(start_time="yesterday")
    assert ids(executor_id="local") == everything and ids(executor_id="nobody") == []
    assert ids(app_version=DBOS.get_workflow_status("listed-0").app_version) == everything
    bare = DBOS.list_workflows(workflow_id="listed-3", load_input=False, load_output=False)[0]
    assert bare.input is None and bare.output is None
    assert DBOS.list_queued_workflows() == []
    with pytest.raises(TypeError, match="colour"):
        DBOS.list_workflows(colour="red")


def test_the_first_of_several_is_waited_for(dbos):
    @DBOS.workflow()
    def waits():
        return DBOS.recv("go")

    @DBOS.workflow()
    def chooses():
        slow, fast = DBOS.start_workflow(waits), DBOS.start_workflow(compat_echo, "fast")
        winner = DBOS.wait_first([slow, fast])
        DBOS.send(slow.workflow_id, "go", "go")
        return [winner.get_result(), slow.get_result()]

    assert DBOS.start_workflow(chooses).get_result() == ["fast", "go"]


def test_a_coroutine_workflow_is_started_from_its_caller(dbos):
    @DBOS.workflow()
    async def shares(event):
        return event

    @DBOS.workflow()
    async def asynchronous(n):
        await DBOS.set_event_async("n", n)
        child = await DBOS.start_workflow_async(shares, n)
        return [await child.get_result(), (await child.get_status()).status, await shares(n + 1)]

    async def main():
        handle = await DBOS.start_workflow_async(asynchronous, 1)
        result = await handle.get_result()
        return [
            handle.get_workflow_id() == handle.workflow_id, result, await DBOS.get_event_async(handle.workflow_id, "n"),
            (await DBOS.get_workflow_status_async(handle.workflow_id)).status,
            len(await DBOS.list_workflows_async(parent_workflow_id=handle.workflow_id)),
            [step["function_name"] for step in await DBOS.list_workflow_steps_async(handle.workflow_id)][-1],
            await (await DBOS.retrieve_workflow_async(handle.workflow_id)).get_result() == result,
        ]  # fmt: skip

    assert run_async(main()) == [True, [1, "SUCCESS", 2], 1, "SUCCESS", 2, "DBOS.getResult", True]


def test_a_coroutine_workflow_runs_in_the_loop_of_its_caller(dbos):
    shared = {}

    @DBOS.workflow()
    async def waits_for_its_caller():
        await asyncio.wait_for(shared["event"].wait(), 10)
        return asyncio.get_running_loop() is shared["loop"]

    async def main():
        shared.update(event=asyncio.Event(), loop=asyncio.get_running_loop())
        handle = await DBOS.start_workflow_async(waits_for_its_caller)
        status = (await handle.get_status()).status
        shared["event"].set()
        return status, await handle.get_result()

    assert run_async(main()) == ("PENDING", True)


def test_a_start_is_pending_at_once(dbos):
    go_on = threading.Event()

    @DBOS.workflow()
    def holds():
        go_on.wait(10)

    handle = DBOS.start_workflow(holds)
    assert handle.get_status().status == "PENDING"
    assert [each.workflow_id for each in DBOS.list_workflows(status="PENDING")] == [handle.workflow_id]
    go_on.set()
    handle.get_result()


def test_functions_that_are_no_coroutines_may_be_called_from_one(dbos):
    @DBOS.transaction()
    def counts_rows():
        return 1

    @DBOS.step()
    def adds(n):
        return n + counts_rows()

    @DBOS.workflow()
    def synchronous(n):
        return adds(n)

    @DBOS.workflow()
    async def calls_them(n):
        ad_hoc = [DBOS.run_step(None, len, "four"), await DBOS.run_step_async(None, len, "four")]
        return [adds(n), counts_rows(), synchronous(n), DBOS.workflow_id, ad_hoc]

    async def main():
        with SetWorkflowID("calls"):
            return [*await calls_them(1), synchronous(2)]

    assert run_async(main()) == [2, 1, 2, "calls", [4, 4], 3]
    here = "test_functions_that_are_no_coroutines_may_be_called_from_one.<locals>."
    assert [step["function_name"].removeprefix(here) for step in DBOS.list_workflow_steps("calls")] == [
        "len", "len", "adds", "counts_rows", "synchronous", "DBOS.getResult"
    ]  # fmt: skip


def test_a_blocking_verb_on_an_event_loop_names_the_other(dbos):
    async def main():
        for name, arguments in (("send", ("w", 1)), ("start_workflow", (compat_echo, 1)), ("list_workflows", ())):
            with pytest.raises(RuntimeError, match=f"{name}_async"):
                getattr(DBOS, name)(*arguments)
        handle = await DBOS.start_workflow_async(compat_echo, 1)
        await handle.get_result()
        with pytest.raises(RuntimeError, match="awaited"):
            WorkflowHandle(handle.native).get_result()

    run_async(main())


def test_a_workflow_that_cannot_be_stored_is_not_started(dbos):
    class Unknown:
        pass

    with pytest.raises(Exception, match="Unknown"):
        DBOS.start_workflow(compat_echo, Unknown())
    assert DBOS.list_workflows() == []


def test_a_plain_function_is_not_started(dbos):
    with pytest.raises(DBOSException, match="plain function"):
        DBOS.start_workflow(len, "four")


def test_versions_and_patches_are_told(dbos):
    [version] = DBOS.list_application_versions()
    assert DBOS.get_latest_application_version() == version
    assert version["version_name"] and version["created_at"] <= version["version_timestamp"]
    DBOS.set_latest_application_version(version["version_name"])

    @DBOS.workflow()
    def patched():
        return [DBOS.patch("a"), DBOS.deprecate_patch("b")]

    assert patched() == [True, True]
