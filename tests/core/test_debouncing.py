"""Debouncing: many calls, one start, with the inputs of the last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

import durable
from durable.backends.backend import backend
from durable.errors import InvalidOption, WorkflowConflict, WorkflowIdInUse, WrongColour
from durable.executor import Executor, recorder
from durable.models import Step, Workflow
from tests.support import run_async, wait_until

seen: list[Any] = []


@durable.workflow(name="debouncing.saves")
def saves(text: str, more: Any = None) -> str:
    seen.append(text)
    return text


@durable.workflow(name="debouncing.asaves")
async def asaves(text: str) -> str:
    seen.append(text)
    return text


@durable.step(name="debouncing.index")
def index(text: str) -> str:
    seen.append(text)
    return text


@durable.workflow_class
class Page(durable.ConfiguredInstance):
    @durable.workflow(name="debouncing.page")
    def save(self, text: str) -> str:
        seen.append(f"{self.config_name} {text}")
        return text

    @classmethod
    @durable.workflow(name="debouncing.pages")
    def save_all(cls, text: str) -> str:
        seen.append(f"{cls.__name__} {text}")
        return text

    @staticmethod
    @durable.workflow(name="debouncing.nobody")
    def forget(text: str) -> str:
        seen.append(f"nobody {text}")
        return text


one, two = Page("one"), Page("two")
lines = durable.Queue("debouncing", concurrency=2)
shelves = durable.Queue("debouncing-partitioned", partition_queue=True, concurrency=1)


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()


def wake_at(handle: Any) -> float:
    return handle.get_status().wake_at.timestamp()


# --- one series


def test_of_many_calls_one_starts_with_the_last_inputs(executor):
    debouncer = durable.Debouncer.create(saves)
    handles = [debouncer.debounce("doc", 0.3, f"draft {n}", more=n) for n in range(5)]
    assert len({handle.workflow_id for handle in handles}) == 1
    assert handles[0].get_status().status == "DELAYED"
    assert handles[0].get_result(timeout=10) == "draft 4"
    assert seen == ["draft 4"]
    assert Workflow.objects.get().load_input() == {"args": ["draft 4"], "kwargs": {"more": 4}}


def test_each_call_puts_the_start_off_by_its_own_period(database):
    debouncer = durable.Debouncer.create(saves)
    first = debouncer.debounce("doc", 100, "a")
    before = wake_at(first)
    assert 99 < before - first.get_status().created_at.timestamp() <= 100.1
    assert debouncer.debounce("doc", 500, "b") == first
    assert wake_at(first) - before > 399
    debouncer.debounce("doc", 1, "c")  # a short one brings it nearer
    assert wake_at(first) < before


def test_a_series_starts_in_any_case_after_its_timeout(executor):
    debouncer = durable.Debouncer.create(saves, debounce_timeout_sec=0.5)
    first = debouncer.debounce("doc", 3600, "a")
    cap = wake_at(first)
    assert cap - first.get_status().created_at.timestamp() == pytest.approx(0.5, abs=0.05)
    durable.Debouncer.create(saves).debounce("doc", 3600, "b")  # the first call of a series has said its timeout
    assert wake_at(first) == pytest.approx(cap, abs=0.001)
    assert first.get_result(timeout=10) == "b"


def test_the_next_call_after_the_start_begins_a_new_series(executor):
    debouncer = durable.Debouncer.create(saves)
    first = debouncer.debounce("doc", 0.05, "a")
    assert first.get_result(timeout=10) == "a"
    second = debouncer.debounce("doc", 0.05, "b")
    assert second != first and second.get_result(timeout=10) == "b"
    assert Workflow.objects.filter(debounce_key=None).count() == 2


def test_a_call_while_it_waits_in_its_queue_begins_a_new_series(executor):
    """What joined its queue is on its way; its inputs are not changed under it."""
    durable.register_queue("debouncing", concurrency=2)
    durable.pause_queue("debouncing")
    debouncer = durable.Debouncer.create(saves, queue=lines)
    first = debouncer.debounce("doc", 0, "a")
    wait_until(lambda: first.get_status().status == "ENQUEUED", 10)
    second = debouncer.debounce("doc", 0.05, "b")
    durable.resume_queue("debouncing")
    assert durable.gather([first, second]) == ["a", "b"]


def test_keys_functions_queues_and_instances_are_series_of_their_own(database):
    asked = [
        durable.Debouncer.create(saves).debounce("a/b", 60, "x"),
        durable.Debouncer.create(saves).debounce("a", 60, "x"),
        durable.Debouncer.create(saves, queue="debouncing").debounce("a", 60, "x"),
        durable.Debouncer.create(saves, queue="debouncing/a").debounce("b", 60, "x"),
        durable.Debouncer.create(asaves).debounce("a", 60, "x"),
        durable.Debouncer.create(index).debounce("a", 60, "x"),
        durable.Debouncer.create(one.save).debounce("a", 60, "x"),
        durable.Debouncer.create(two.save).debounce("a", 60, "x"),
    ]
    assert len({handle.workflow_id for handle in asked}) == len(asked)
    long = [durable.Debouncer.create(saves).debounce("k" * 5000 + end, 60, "x") for end in "ab"]
    assert long[0] != long[1] == durable.Debouncer.create(saves).debounce("k" * 5000 + "b", 60, "y")


def test_the_workflow_joins_the_queue_of_its_debouncer(executor):
    durable.register_queue("debouncing", concurrency=2)
    for queue in (lines, "debouncing"):
        handle = durable.Debouncer.create(saves, queue=queue).debounce("doc", 0.05, "a")
        assert handle.get_result(timeout=10) == "a"
        assert handle.get_status().queue == "debouncing"


def test_a_partitioned_queue_takes_it_in_the_partition_without_a_name(executor):
    handle = durable.Debouncer.create(saves, queue=shelves).debounce("doc", 0.05, "a")
    assert handle.get_status().partition_key == ""
    assert handle.get_result(timeout=10) == "a"


def test_steps_methods_and_class_methods_are_debounced_as_themselves(executor):
    for workflow, expected in (
        (index, "x"),
        (one.save, "one x"),
        (two.save, "two x"),
        (Page.save_all, "Page x"),
        (Page.forget, "nobody x"),
        (saves.using(priority=3, queue="debouncing", attributes={"a": 1}), "x"),
    ):
        debouncer = durable.Debouncer.create(workflow)
        debouncer.debounce("doc", 0.05, "y")
        assert debouncer.debounce("doc", 0.05, "x").get_result(timeout=10) == "x"
        assert seen == [expected]
        seen.clear()
    row = Workflow.objects.get(queue="debouncing")
    assert (row.priority, row.attributes) == (3, {"a": 1})


# --- from coroutines, from workflows, in atomic()


def test_coroutines_debounce_too(executor):
    async def main():
        debouncer = await durable.Debouncer.create_async(asaves)
        with pytest.raises(WrongColour, match="adebounce"):
            debouncer.debounce("doc", 60, "x")
        first = await debouncer.adebounce("doc", 0.2, "a")
        assert await debouncer.debounce_async("doc", 0.05, "b") == first
        return await first.aget_result(timeout=10)

    assert run_async(main()) == "b"
    assert seen == ["b"]


@durable.workflow(name="debouncing.asks")
def asks(texts: list[str], period: float) -> str:
    debouncer = durable.Debouncer.create(saves)
    asked = {debouncer.debounce("doc", period, text).workflow_id for text in texts}
    durable.sleep(0.3)  # parks: what was asked for is not asked for again
    [workflow_id] = asked
    return durable.retrieve_workflow(workflow_id).get_result()


@durable.workflow(name="debouncing.aasks")
async def aasks(texts: list[str], period: float) -> str:
    debouncer = durable.Debouncer.create(saves)
    asked = [await debouncer.adebounce("doc", period, text) for text in texts]
    await durable.asleep(0.3)
    return await asked[-1].aget_result()


@pytest.mark.parametrize("asker", [asks, aasks], ids=["thread", "coroutine"])
def test_inside_a_workflow_each_call_is_recorded_once(executor, asker):
    handle = asker.start(["a", "b"], 0.5)
    assert handle.get_result(timeout=10) == "b"
    assert seen == ["b"]
    child = Workflow.objects.get(name="debouncing.saves")
    assert (child.parent, child.id) == (handle.workflow_id, f"{handle.workflow_id}-1")
    steps = Step.objects.filter(workflow_id=handle.workflow_id, kind="manage").values_list("seq", "name", "output")
    assert list(steps) == [(1, "debounce", f'"{child.id}"'), (2, "debounce", f'"{child.id}"')]


def test_a_crash_between_the_call_and_its_record_does_not_start_it_twice(executor, monkeypatch):
    """The first call is stored and its workflow has run when the caller, which never recorded it, calls again."""
    write, crashed = recorder.write, []

    def writes(backend, session, entries):
        if not crashed and any(e.record and e.record.rows and e.record.rows[0].name == "debounce" for e in entries):
            crashed.extend(entries)
            wait_until(lambda: seen == ["a"], 10, "the debounced workflow has run")
            Workflow.objects.filter(pk=entries[0].workflow).update(executor="somebody who died")
            connection.close()
        return write(backend, session, entries)

    monkeypatch.setattr(recorder, "write", writes)
    handle = asks.using(workflow_id="asker").start(["a"], 0)
    wait_until(lambda: crashed, 10)
    Workflow.objects.filter(pk="asker").update(epoch=7)  # as after a recovery: what ran before is fenced out
    executor.sweeper.wake()
    assert handle.get_result(timeout=10) == "a"
    assert seen == ["a"]
    assert Workflow.objects.filter(name="debouncing.saves").count() == 1


def test_a_call_inside_atomic_counts_when_that_commits(executor):
    debouncer = durable.Debouncer.create(saves)
    with pytest.raises(ValueError), transaction.atomic():
        debouncer.debounce("doc", 0, "never")
        raise ValueError
    assert not Workflow.objects.exists()
    with transaction.atomic():
        handle = debouncer.debounce("doc", 0, "committed")
    assert handle.get_result(timeout=10) == "committed"


# --- ids, cancelling, what is refused


def test_an_id_names_the_workflow_of_a_series_and_runs_once(executor):
    debouncer = durable.Debouncer.create(saves)
    for text in ("a", "b"):
        with durable.SetWorkflowID("doc-1"):
            assert debouncer.debounce("doc", 0.4, text).workflow_id == "doc-1"
    assert durable.retrieve_workflow("doc-1").get_result(timeout=10) == "b"
    with durable.SetWorkflowID("doc-1"), pytest.warns(RuntimeWarning, match="exists with another input"):
        assert debouncer.debounce("doc", 0.05, "c").get_result(timeout=10) == "b"
    with durable.SetWorkflowID("doc-1", policy="reject"), pytest.raises(WorkflowIdInUse):
        debouncer.debounce("doc", 0.05, "c")
    with durable.SetWorkflowID("doc-1"), pytest.raises(WorkflowConflict):
        durable.Debouncer.create(asaves).debounce("doc", 0.05, "c")
    assert seen == ["b"] and Workflow.objects.count() == 1


def test_a_cancelled_series_gives_back_its_key(executor):
    debouncer = durable.Debouncer.create(saves)
    first = debouncer.debounce("doc", 600, "a")
    assert durable.cancel_workflow(first.workflow_id)
    second = debouncer.debounce("doc", 0.05, "b")
    assert second != first and second.get_result(timeout=10) == "b"
    assert durable.resume_workflow(first.workflow_id).get_result(timeout=10) == "a"


def test_a_resumed_series_starts_now_and_its_key_is_free(executor):
    debouncer = durable.Debouncer.create(saves)
    first = debouncer.debounce("doc", 600, "a")
    assert durable.resume_workflow(first.workflow_id).get_result(timeout=10) == "a"
    assert debouncer.debounce("doc", 0.05, "b").get_result(timeout=10) == "b"


def test_what_a_debouncer_cannot_do_is_refused_before_anything_is_stored(database):
    debouncer = durable.Debouncer.create(saves, queue="debouncing")
    for wrong in (-1, "soon", None, float("nan"), True):
        with pytest.raises(InvalidOption, match="debounce_period_sec"):
            debouncer.debounce("doc", wrong, "a")
    with pytest.raises(InvalidOption, match="debounce_timeout_sec"):
        durable.Debouncer.create(saves, debounce_timeout_sec=-1)
    with pytest.raises(InvalidOption, match="debounce_key"):
        debouncer.debounce(None, 1, "a")
    with pytest.raises(TypeError):
        debouncer.debounce("doc", 1)  # the workflow wants a text
    for options in ({"dedup_id": "d"}, {"partition_key": "p"}, {"delay": 3}):
        with pytest.raises(InvalidOption, match=next(iter(options))), durable.SetEnqueueOptions(**options):
            debouncer.debounce("doc", 1, "a")
    with pytest.raises(durable.errors.ImproperUse, match="plain function"):
        durable.Debouncer.create(len)
    assert not Workflow.objects.exists()


# --- races


@pytest.fixture
def two_executors(database) -> Iterator[list[Executor]]:
    pair = [Executor(concurrency=4, label=f"e{n}").start() for n in (1, 2)]
    yield pair
    for each in pair:
        each.drain(2)


def test_no_call_is_lost_when_it_races_with_the_start(two_executors):
    """Each call's inputs are in the workflow that its handle names, or a later call has replaced them there."""
    debouncer = durable.Debouncer.create(saves, debounce_timeout_sec=0.02)
    handles: dict[str, list[str]] = {}
    lock = threading.Lock()

    def call(who: int) -> None:
        for n in range(700):
            with lock:  # so that it is known which call was last; the start of a series is not under this lock
                if len(handles) >= 6:
                    break
                handle = debouncer.debounce("doc", 0.005, f"{who}:{n}")
                handles.setdefault(handle.workflow_id, []).append(f"{who}:{n}")
        connection.close()

    callers = [threading.Thread(target=call, args=(who,)) for who in range(3)]
    [each.start() for each in callers], [each.join(60) for each in callers]
    assert len(handles) == 6, "hardly anything started while calls came; nothing was tested"
    results = {workflow: durable.retrieve_workflow(workflow).get_result(timeout=10) for workflow in handles}
    assert results == {workflow: texts[-1] for workflow, texts in handles.items()}
    assert sorted(seen) == sorted(results.values())  # each ran once


def test_a_call_that_meets_the_promotion_waits_for_it_and_begins_anew(database):
    """The promotion of a series is not committed yet when the next call comes."""
    if database == "sqlite":
        pytest.skip("on SQLite nobody else writes while a promotion is not committed")
    debouncer = durable.Debouncer.create(saves)
    first = debouncer.debounce("doc", 0, "a")
    got: list[Any] = []

    def call() -> None:
        got.append(debouncer.debounce("doc", 60, "b"))
        connection.close()

    session = backend().own()
    with session.transaction():
        assert backend().promote(session) == [(first.workflow_id, "_durable")]
        caller = threading.Thread(target=call)
        caller.start()
        wait_until(waits_for_a_lock, 10, "the call waits for the promotion")
    caller.join(10)
    session.close()
    assert got and got[0] != first
    rows = {row.id: (row.status, row.load_input()["args"]) for row in Workflow.objects.all()}
    assert rows == {first.workflow_id: ("ENQUEUED", ["a"]), got[0].workflow_id: ("DELAYED", ["b"])}


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_locks where not granted")
        return cursor.fetchone()[0] > 0
