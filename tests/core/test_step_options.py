"""How often and how soon steps are tried again, and what their error is."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest

import durable
from durable.errors import InvalidOption, MaxStepRetriesExceeded
from durable.executor import Executor
from durable.models import Step, StepAttempt, Workflow
from durable.serializers import decode_error
from tests.app.models import Effect
from tests.support import run_async, wait_until

from .stepping import calls, fresh, gate  # noqa: F401
from .watching import parked

# --- whether another try is worth it


async def later(error):
    await asyncio.sleep(0)
    return "again" in str(error)


def now(error):
    return "again" in str(error)


def make_picky(colour: str, should_retry):
    options = {"retries_allowed": True, "max_attempts": 5, "interval_seconds": 0, "should_retry": should_retry}
    if colour == "thread":

        @durable.step(name="step_options.picky", **options)
        def picky(texts):
            calls.append("try")
            raise ValueError(texts[len(calls) - 1])

        @durable.workflow(name="step_options.picks")
        def picks(texts):
            picky(texts)

        return picks

    @durable.step(name="step_options.apicky", **options)
    async def apicky(texts):
        calls.append("try")
        raise ValueError(texts[len(calls) - 1])

    @durable.workflow(name="step_options.apicks")
    async def apicks(texts):
        await apicky(texts)

    return apicks


PICKY = pytest.mark.parametrize(
    "colour, should_retry",
    [("thread", now), ("coroutine", now), ("coroutine", later)],
    ids=["function", "function of a coroutine", "coroutine"],
)


@PICKY
def test_should_retry_ends_the_tries_and_the_error_stays_what_it_is(executor, colour, should_retry):
    handle = make_picky(colour, should_retry).start(["again", "stop", "again"])
    with pytest.raises(ValueError, match="stop"):
        handle.get_result(timeout=10)
    assert len(calls) == 2
    assert Step.objects.get().attempts == 2
    assert [str(decode_error(each.error)) for each in StepAttempt.objects.all()] == ["again", "stop"]


@PICKY
def test_an_error_that_is_always_worth_it_still_ends(executor, colour, should_retry):
    with pytest.raises(MaxStepRetriesExceeded, match="failed 5 times"):
        make_picky(colour, should_retry).start(["again"] * 9).get_result(timeout=10)
    assert len(calls) == 5


def breaks(error):
    raise LookupError(f"cannot judge {error}")


@pytest.mark.parametrize("colour", ["thread", "coroutine"])
def test_a_should_retry_that_fails_ends_the_step_with_its_own_error_once_and_for_all(executor, colour):
    handle = make_picky(colour, breaks).start(["first"])
    with pytest.raises(LookupError, match="cannot judge first"):
        handle.get_result(timeout=10)
    assert calls == ["try"]
    assert "cannot judge first" in Step.objects.get().error


def test_a_coroutine_cannot_judge_a_function():
    with pytest.raises(InvalidOption, match="coroutine function"):
        durable.step(retries_allowed=True, should_retry=later)(lambda: 1)


# --- how often, how soon


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 2.5},
        {"max_attempts": True},
        {"interval_seconds": -1},
        {"interval_seconds": float("nan")},
        {"backoff_rate": 0.5},
        {"max_interval_seconds": -1},
        {"should_retry": 3},
    ],
)
def test_what_is_no_way_to_retry_is_refused_where_it_is_written(wrong):
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        durable.step(retries_allowed=True, **wrong)
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        durable.run_step({"retries_allowed": True, **wrong}, str)


def test_an_unknown_option_names_the_known_ones():
    with pytest.raises(InvalidOption, match="known are backoff_rate"):
        durable.run_step({"retry": True}, str)


def test_waits_grow_up_to_their_limit():
    retry = durable.Retry(max_attempts=9, interval_seconds=1, backoff_rate=3, max_interval_seconds=10)
    assert [retry.delay_after(n) for n in range(1, 6)] == [1, 3, 9, 10, 10]
    assert durable.Retry(max_attempts=9, backoff_rate=1e308).delay_after(9_999) == 3600


@durable.step(
    name="step_options.waits", retries_allowed=True, max_attempts=4, interval_seconds=500, backoff_rate=10,
    max_interval_seconds=600,
)  # fmt: skip
def waits():
    calls.append("try")
    raise ConnectionError(f"try {len(calls)}")


@durable.workflow(name="step_options.backs_off")
def backs_off():
    try:
        waits()
    except MaxStepRetriesExceeded as error:
        caught = [str(each) for each in error.errors]
    durable.recv("go on")
    return caught


def test_a_long_back_off_costs_no_thread_and_counts_on_in_another_executor(database):
    """Each try in another executor; the errors of all of them are told in the end, and in a replay."""
    handle = backs_off.start()
    delays = []
    for n in range(1, 4):
        executor = Executor().start()
        wait_until(lambda: len(calls) == n and handle.get_status().waiting_for == "retry:step_options.waits")  # noqa: B023
        found = handle.get_status()
        assert (found.executor, found.phase.key) == (None, "backoff")
        delays.append(round((found.wake_at - found.updated_at).total_seconds(), -1))
        executor.drain(1)
        Workflow.objects.update(wake_at="2001-01-01T00:00:00Z")
    assert delays == [500, 600, 600]
    executor = Executor().start()
    parked(handle, "message:go on")
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == ["try 1", "try 2", "try 3", "try 4"]
    executor.drain(1)
    assert len(calls) == 4
    tries = StepAttempt.objects.filter(workflow_id=handle.workflow_id).order_by("n")
    assert [each.n for each in tries] == [1, 2, 3, 4]
    assert all("in waits" in each.error for each in tries)


def test_the_failed_tries_before_a_crash_count(database, monkeypatch):
    monkeypatch.setattr("durable.executor.executor.STOP_SECONDS", 0)

    @durable.step(name="step_options.crashes", retries_allowed=True, max_attempts=3, interval_seconds=0)
    def crashes():
        status = durable.step_status()
        Effect.objects.create(key=f"try {status.current_attempt} of {status.max_attempts}")
        if Effect.objects.count() == 2:
            assert gate.wait(20)
        raise ConnectionError(f"try {status.current_attempt}")

    @durable.workflow(name="step_options.crashes_on")
    def crashes_on():
        crashes()

    first = Executor().start()
    handle = crashes_on.start()
    wait_until(lambda: Effect.objects.count() == 2)
    first.stop()  # in the middle of the second try
    second = Executor().start()
    with pytest.raises(MaxStepRetriesExceeded) as raised:
        handle.get_result(timeout=10)
    gate.set()
    second.drain(1)
    assert [str(each) for each in raised.value.errors] == ["try 1", "try 2", "try 3"]
    assert sorted(Effect.objects.values_list("key", flat=True)) == [
        "try 1 of 3", "try 2 of 3", "try 2 of 3", "try 3 of 3",
    ]  # fmt: skip


# --- what its error is


def fails_with_a_cause():
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("the error") from error


@pytest.mark.parametrize(
    "options",
    [{}, {"retries_allowed": True, "should_retry": now}, {"retries_allowed": True, "max_attempts": 1}],
    ids=["one try", "not worth another", "one try allowed"],
)
@pytest.mark.parametrize("replayed", [False, True])
def test_an_error_keeps_its_own_cause(executor, options, replayed):
    seen = []

    @durable.workflow(name="step_options.sees_own_cause")
    def sees_own_cause():
        try:
            durable.run_step({"name": "with a cause", **options}, fails_with_a_cause)
        except ValueError as error:
            seen.append([str(error), repr(error.__cause__)])
        if replayed:
            durable.recv("go on")

    handle = sees_own_cause.start()
    if replayed:
        parked(handle, "message:go on")
        durable.send(handle.workflow_id, 1, "go on")
    handle.get_result(timeout=10)
    assert seen == [["the error", "KeyError('the cause')"]] * (2 if replayed else 1)


def test_the_sum_of_all_tries_has_the_last_one_as_its_cause(database):
    causes = []

    @durable.workflow(name="step_options.sums")
    def sums():
        try:
            durable.run_step({"retries_allowed": True, "max_attempts": 2, "interval_seconds": 0}, fails_with_a_cause)
        except MaxStepRetriesExceeded as error:
            causes.append([repr(error.__cause__), error.attempts, len(error.errors)])

    sums()
    assert causes == [["ValueError('the error')", 2, 2]]


# --- the wait before the next try


@durable.step(name="step_options.paces", retries_allowed=True, max_attempts=3, interval_seconds=0.3, backoff_rate=1)
def paces():
    calls.append(time.monotonic())
    raise ConnectionError


@durable.step(name="step_options.apaces", retries_allowed=True, max_attempts=3, interval_seconds=0.3, backoff_rate=1)
async def apaces():
    calls.append(time.monotonic())
    raise ConnectionError


@durable.workflow(name="step_options.is_paced")
def is_paced():
    paces()


@durable.workflow(name="step_options.ais_paced")
async def ais_paced():
    await apaces()


@pytest.mark.parametrize("workflow", [is_paced, ais_paced], ids=["thread", "coroutine"])
@pytest.mark.parametrize("direct", [False, True], ids=["started", "called"])
def test_nothing_that_happens_meanwhile_shortens_the_wait(database, settings, monkeypatch, workflow, direct):
    """Neither a wake-up that was for others nor the end of a wait's turn in memory."""
    settings.DURABLE = {**settings.DURABLE, "PARK_AFTER_SECONDS": 10}
    monkeypatch.setattr("durable.executor.run.LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr("durable.executor.nursery.LONGEST_WAIT_SECONDS", 0.05)
    executor = Executor().start()
    stop = threading.Event()
    noise = threading.Thread(target=lambda: [executor.hub._wake_all() for _ in iter(lambda: stop.wait(0.02), True)])
    noise.start()
    try:
        with pytest.raises(MaxStepRetriesExceeded):
            if not direct:
                workflow.start().get_result(timeout=10)
            else:
                run_async(workflow()) if workflow.is_async else workflow()
    finally:
        stop.set()
        noise.join(5)
    executor.drain(1)
    waits = [later - earlier for earlier, later in itertools.pairwise(calls)]
    assert len(waits) == 2 and min(waits) > 0.2
