"""How long steps may take, and what interrupts them."""

from __future__ import annotations

import asyncio
import time

import pytest
from django.db import OperationalError

import durable
from durable.errors import InvalidOption, MaxStepRetriesExceeded, StepTimeout, WorkflowWasCancelled
from durable.executor import Executor
from durable.models import Step, StepAttempt
from durable.serializers import decode_error
from tests.support import run_async, wait_until

from .stepping import calls, fresh, gate  # noqa: F401
from .watching import parked


@durable.step(name="step_timeouts.dawdles", timeout_seconds=0.05)
async def dawdles(seconds):
    calls.append("began")
    try:
        await asyncio.sleep(seconds)
        return "in time"
    finally:
        calls.append("cleaned up")


@durable.workflow(name="step_timeouts.hurries")
async def hurries(seconds):
    try:
        return await dawdles(seconds)
    except StepTimeout as error:
        caught = [error.step, error.timeout, str(error)]
    await durable.arecv("go on")
    return caught


def test_a_step_that_takes_too_long_is_interrupted_and_that_is_recorded(executor):
    handle = hurries.start(30)
    parked(handle, "message:go on")
    durable.send(handle.workflow_id, 1, "go on")  # what follows is a replay
    step, timeout, text = handle.get_result(timeout=10)
    assert (step, timeout) == ("step_timeouts.dawdles", 0.05)
    assert "did not finish within 0.05 seconds" in text
    assert calls == ["began", "cleaned up"]
    assert '"StepTimeout"' in Step.objects.get(workflow_id=handle.workflow_id, seq=1).error


def test_a_step_in_time_is_not(executor):
    assert hurries.start(0).get_result(timeout=10) == "in time"


def test_a_timeout_is_an_error_of_its_workflow_when_nobody_handles_it(executor):
    @durable.workflow(name="step_timeouts.gives_in")
    async def gives_in():
        await dawdles(30)

    with pytest.raises(TimeoutError, match="dawdles"):
        gives_in.start().get_result(timeout=10)
    with pytest.raises(StepTimeout):
        run_async(gives_in())


@durable.step(
    name="step_timeouts.quickens", timeout_seconds=0.05, retries_allowed=True, max_attempts=3, interval_seconds=0
)
async def quickens(needed):
    calls.append("try")
    if len(calls) < needed:
        await asyncio.sleep(30)
    return len(calls)


@durable.workflow(name="step_timeouts.retries_timeouts")
async def retries_timeouts(needed):
    return await quickens(needed)


def test_each_attempt_has_the_whole_time(executor):
    assert retries_timeouts.start(3).get_result(timeout=10) == 3
    assert [type(decode_error(each.error)) for each in StepAttempt.objects.all()] == [StepTimeout] * 2


def test_attempts_that_all_take_too_long_are_all_told(executor):
    with pytest.raises(MaxStepRetriesExceeded, match="StepTimeout") as raised:
        retries_timeouts.start(99).get_result(timeout=10)
    assert [type(each) for each in raised.value.errors] == [StepTimeout] * 3


def test_a_step_that_ignores_its_interruption_is_late_all_the_same(executor):
    @durable.step(name="step_timeouts.ignores", timeout_seconds=0.05)
    async def ignores():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "as if nothing had been"

    @durable.workflow(name="step_timeouts.is_ignored")
    async def is_ignored():
        return await ignores()

    with pytest.raises(StepTimeout):
        is_ignored.start().get_result(timeout=10)


def test_a_step_started_by_itself_has_its_timeout_and_one_outside_has_none(executor):
    with pytest.raises(StepTimeout):
        durable.start_workflow(dawdles, 30).get_result(timeout=10)
    assert run_async(dawdles(0.1)) == "in time"


def test_any_coroutine_may_be_given_a_timeout(executor):
    @durable.workflow(name="step_timeouts.runs_step")
    async def runs_step():
        await durable.run_step({"name": "nap", "timeout_seconds": 0.05}, asyncio.sleep, 30)

    with pytest.raises(StepTimeout, match="'nap'"):
        runs_step.start().get_result(timeout=10)


def test_a_decorated_coroutine_step_runs_under_other_options_too(executor):
    @durable.workflow(name="step_timeouts.runs_decorated")
    async def runs_decorated():
        return await durable.run_step({"name": "other"}, dawdles, 0)

    assert runs_decorated.start().get_result(timeout=10) == "in time"
    assert [each.name for each in Step.objects.all()] == ["other"]


# --- what interrupts it


@durable.step(name="step_timeouts.yields", preemptible=True)
async def yields():
    calls.append("began")
    try:
        await asyncio.sleep(60)
    finally:
        calls.append("cleaned up")


@durable.step(name="step_timeouts.insists")
async def insists():
    calls.append("began")
    await asyncio.to_thread(gate.wait, 20)
    calls.append("ended")


@durable.workflow(name="step_timeouts.may_yield")
async def may_yield(preemptible=True):
    try:
        await (yields() if preemptible else insists())
    except Exception:
        calls.append("caught")


@pytest.mark.parametrize("way", ["cancel", "timeout"])
def test_a_preemptible_step_is_interrupted_when_its_workflow_is_cancelled(database, settings, way):
    settings.DURABLE = {**settings.DURABLE, "POLL_SECONDS": 30}
    executor = Executor().start()
    handle = may_yield.using(timeout=0.2 if way == "timeout" else None).start()
    wait_until(lambda: calls == ["began"])
    if way == "cancel":
        durable.cancel_workflow(handle.workflow_id)
    began = time.monotonic()
    wait_until(lambda: not executor.running)
    assert time.monotonic() - began < 3
    assert calls == ["began", "cleaned up"]
    with pytest.raises(WorkflowWasCancelled):
        handle.get_result(timeout=10)
    assert not Step.objects.exists()
    executor.drain(1)


def test_in_a_direct_call_too(database):
    async def main():
        with durable.SetWorkflowTimeout(0.2), pytest.raises(WorkflowWasCancelled):
            await may_yield()

    run_async(main())
    assert calls == ["began", "cleaned up"]


def test_other_steps_run_to_their_end_and_count_for_nothing(executor):
    handle = may_yield.start(preemptible=False)
    wait_until(lambda: calls == ["began"])
    durable.cancel_workflow(handle.workflow_id)
    wait_until(lambda: handle.get_status().status == "CANCELLED")
    assert calls == ["began"]
    gate.set()
    wait_until(lambda: not executor.running)
    assert calls == ["began", "ended"]
    assert not Step.objects.exists()


def test_a_preemptible_step_may_take_its_time(executor):
    @durable.step(name="step_timeouts.patient", preemptible=True)
    async def patient():
        await asyncio.sleep(0.05)
        return "done"

    @durable.workflow(name="step_timeouts.is_patient")
    async def is_patient():
        return await patient()

    assert is_patient.start().get_result(timeout=10) == "done"


def test_a_resumed_workflow_runs_the_interrupted_step_again(executor):
    handle = may_yield.start()
    wait_until(lambda: calls == ["began"])
    durable.cancel_workflow(handle.workflow_id)
    wait_until(lambda: not executor.running)
    durable.resume_workflow(handle.workflow_id)
    assert wait_until(lambda: calls == ["began", "cleaned up", "began"])
    durable.cancel_workflow(handle.workflow_id)
    wait_until(lambda: not executor.running)
    assert calls == ["began", "cleaned up"] * 2
    assert not Step.objects.exists()


@pytest.mark.parametrize("option", [{"timeout_seconds": 1}, {"preemptible": True}])
def test_what_only_a_coroutine_can_have_is_refused_for_functions(option):
    with pytest.raises(InvalidOption, match="async def"):
        durable.step(**option)(lambda: 1)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "1", True])
def test_what_is_no_length_of_time_is_refused(wrong):
    async def fn(): ...

    with pytest.raises(InvalidOption, match="timeout_seconds"):
        durable.step(timeout_seconds=wrong)(fn)


def test_a_database_that_is_away_for_a_moment_interrupts_no_step(database, monkeypatch):
    executor = Executor().start()
    away = [OperationalError("away")] * 2
    look = executor.check_owner

    def looks(run):
        if away:
            raise away.pop()
        look(run)

    monkeypatch.setattr(executor, "check_owner", looks)
    monkeypatch.setattr("durable.executor.interrupting.LONGEST_WAIT_SECONDS", 0.02)

    @durable.step(name="step_timeouts.outlasts", preemptible=True)
    async def outlasts():
        while away:
            await asyncio.sleep(0.01)
        return "done"

    @durable.workflow(name="step_timeouts.is_outlasted")
    async def is_outlasted():
        return await outlasts()

    assert is_outlasted.start().get_result(timeout=10) == "done"
    executor.drain(1)
