"""Steps and transactions: retries, records, exactly-once writes."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, transaction

import durable
from durable.errors import ImproperUse, InsideAtomic, InvalidOption, MaxStepRetriesExceeded, SerializationError
from durable.models import Step, StepAttempt, Workflow
from durable.serializers import decode_error
from tests.app import workflows as app
from tests.app.models import Effect
from tests.support import run_async

calls: list[int] = []


@durable.step(retries_allowed=True, max_attempts=4, interval_seconds=0.01, backoff_rate=2)
def succeeds_on(attempt: int) -> int:
    calls.append(durable.step_status().current_attempt)
    if len(calls) < attempt:
        raise ConnectionError(f"try {len(calls)}")
    return len(calls)


@durable.workflow()
def retries(attempt: int) -> int:
    return succeeds_on(attempt)


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


def test_a_failing_step_is_tried_again_and_every_attempt_is_kept(executor):
    handle = retries.start(3)
    assert handle.get_result(timeout=10) == 3
    assert calls == [1, 2, 3]
    tries = StepAttempt.objects.filter(workflow_id=handle.workflow_id)
    assert [(t.n, str(decode_error(t.error))) for t in tries] == [(1, "try 1"), (2, "try 2")]
    assert "in succeeds_on" in tries[0].error
    assert Step.objects.get(workflow_id=handle.workflow_id).attempts == 3


def test_a_step_that_never_succeeds_raises_all_its_errors(executor):
    with pytest.raises(MaxStepRetriesExceeded, match="failed 4 times") as raised:
        retries.start(99).get_result(timeout=10)
    assert [str(error) for error in raised.value.errors] == ["try 1", "try 2", "try 3", "try 4"]
    assert StepAttempt.objects.count() == 4


def test_attempts_count_on_when_the_workflow_was_parked_between_them(executor):
    executor.settings = type(executor.settings)(PARK_AFTER_SECONDS=0)
    assert retries.start(3).get_result(timeout=10) == 3
    assert calls == [1, 2, 3]
    assert Workflow.objects.get().epoch > 3  # it left memory between the attempts


@durable.step()
def fails_once():
    calls.append(1)
    raise LookupError("only once")


@durable.workflow()
def without_retries():
    try:
        fails_once()
    except LookupError as error:
        return str(error)


def test_without_retries_a_step_runs_once_and_its_own_error_is_raised(executor):
    assert without_retries.start().get_result(timeout=10) == "only once"
    assert calls == [1]


@durable.step(
    retries_allowed=True, max_attempts=5, interval_seconds=0, should_retry=lambda error: "again" in str(error)
)
def picky(texts):
    calls.append(1)
    raise ValueError(texts[len(calls) - 1])


@durable.workflow()
def picks(texts):
    picky(texts)


def test_should_retry_ends_the_tries_early(executor):
    with pytest.raises(ValueError, match="stop"):
        picks.start(["again", "stop", "again"]).get_result(timeout=10)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": 0}, {"interval_seconds": -1}, {"backoff_rate": 0.5}, {"max_attempts": "three"}]
)
def test_impossible_retry_options_are_refused_at_once(wrong):
    with pytest.raises(InvalidOption, match="at least"):
        durable.step(retries_allowed=True, **wrong)


class Custom(Exception):
    def __init__(self, code, *, hint):
        super().__init__(f"code {code}")
        self.code, self.hint = code, hint


@durable.step()
def raises_custom():
    raise Custom(7, hint="x")


@durable.workflow()
def catches_custom():
    try:
        raises_custom()
    except Custom as error:
        caught = f"{error} {error.code} {error.hint}"
    durable.sleep(0.5)  # parks: what follows is a replay
    return caught


def test_a_replay_raises_an_error_of_the_same_class(executor):
    assert catches_custom.start().get_result(timeout=10) == "code 7 7 x"


class Nasty(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    def __reduce__(self):
        raise TypeError("not storable")


@durable.workflow()
def raises_nasty():
    durable.run_step({"name": "nasty"}, raise_nasty)


def raise_nasty():
    raise Nasty(object())


def test_an_error_that_cannot_be_stored_still_ends_the_workflow_readably(executor):
    handle = raises_nasty.start()
    with pytest.raises(Nasty):
        handle.get_result(timeout=10)
    assert handle.get_status().status == "ERROR"
    assert '"Nasty"' in Step.objects.get().error


@durable.workflow()
def returns_a_thing():
    return durable.run_step(None, object)


def test_an_output_that_cannot_be_stored_is_the_steps_error(executor):
    with pytest.raises(SerializationError, match="object cannot be stored"):
        returns_a_thing.start().get_result(timeout=10)
    assert "SerializationError" in Step.objects.get().error


@durable.workflow()
def uses_run_step():
    return durable.run_step({"name": "lower", "retries_allowed": True}, str.lower, "ABC")


def test_any_callable_runs_as_a_step_with_options(database):
    assert uses_run_step() == "abc"
    assert Step.objects.get().name == "lower"


@durable.step()
def outer():
    return app.add(1, 2)


@durable.workflow()
def nests():
    return outer()


def test_a_step_in_a_step_is_part_of_it(database):
    assert nests() == 3
    assert [s.name for s in Step.objects.all()] == ["outer"]


def test_a_step_outside_a_workflow_is_a_plain_call(database):
    assert app.add(1, 2) == 3
    assert run_async(app.aadd(1, 2)) == 3
    assert not Workflow.objects.exists()


@durable.workflow()
def books(key, fail=False):
    return app.book(key, fail)


def test_a_transaction_commits_its_writes_with_its_record(executor):
    assert books.start("b").get_result(timeout=10) == "b"
    assert Effect.objects.count() == 1
    assert Step.objects.get().kind == "transaction"


def test_a_failing_transaction_leaves_no_writes_and_records_its_error(executor):
    with pytest.raises(ValueError, match="cannot be booked"):
        books.start("b", True).get_result(timeout=10)
    assert not Effect.objects.exists()
    assert "cannot be booked" in Step.objects.get().error


@durable.transaction()
def conflicts():
    calls.append(1)
    Effect.objects.create(key="conflict")
    if len(calls) < 3:
        cause = type("Conflict", (Exception,), {"sqlstate": "40001"})("could not serialize")
        raise OperationalError("database is locked: could not serialize") from cause
    return len(calls)


@durable.workflow()
def meets_conflicts():
    return conflicts()


def test_serialization_failures_run_the_whole_transaction_again(executor):
    assert meets_conflicts.start().get_result(timeout=10) == 3
    assert Effect.objects.filter(key="conflict").count() == 1


@durable.transaction(isolation_level="SERIALIZABLE")
def isolated():
    if connection.vendor == "sqlite":
        return "serializable"
    with connection.cursor() as cursor:
        cursor.execute("show transaction_isolation")
        return cursor.fetchone()[0]


@durable.workflow()
def isolates():
    return isolated()


def test_the_isolation_level_is_in_force(database):
    assert isolates() == "serializable"


def test_an_unknown_isolation_level_is_refused():
    with pytest.raises(InvalidOption, match="SERIALIZABLE"):
        durable.transaction(isolation_level="chaos")


def test_a_coroutine_cannot_be_a_transaction():
    with pytest.raises(ImproperUse, match="to_thread"):

        @durable.transaction()
        async def never(): ...


@durable.transaction()
def starts_and_fails(fail):
    app.total.start(2)
    Effect.objects.create(key="with a child")
    if fail:
        raise ValueError("rolled back")


@durable.workflow()
def starts_in_a_transaction(fail):
    starts_and_fails(fail)


def test_what_a_transaction_starts_commits_with_it_or_not_at_all(executor):
    with pytest.raises(ValueError):
        starts_in_a_transaction.start(True).get_result(timeout=10)
    assert not Workflow.objects.filter(name="total").exists()
    starts_in_a_transaction.start(False).get_result(timeout=10)
    assert Workflow.objects.filter(name="total").count() == 1


def test_a_transaction_outside_a_workflow_is_a_plain_atomic_call(database):
    with pytest.raises(ValueError):
        app.book("x", True)
    assert app.book("x") == "x"
    assert Effect.objects.count() == 1 and not Workflow.objects.exists()


def test_a_direct_call_inside_atomic_says_that_it_cannot_wait(database):
    with transaction.atomic(), pytest.raises(InsideAtomic, match=r"open transaction\.atomic"):
        app.total(1)
    with transaction.atomic(), pytest.raises(InsideAtomic):
        app.total.start(1).get_result(timeout=1)


def test_a_step_and_a_transaction_start_by_themselves(executor):
    assert app.add.start(2, 3).get_result(timeout=10) == 5
    assert durable.start_workflow(app.book, "alone").get_result(timeout=10) == "alone"
    assert app.limited.enqueue(app.add, 1, 1).get_result(timeout=10) == 2
    assert run_async(_start_async()) == 3
    assert set(Workflow.objects.values_list("name", flat=True)) == {"<temp>.add", "<temp>.book", "<temp>.aadd"}


async def _start_async():
    return await (await app.aadd.astart(1, 2)).aget_result(timeout=10)


def test_a_plain_function_cannot_be_started(database):
    with pytest.raises(ImproperUse, match="plain function"):
        durable.start_workflow(raise_nasty)
