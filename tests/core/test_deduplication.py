"""A deduplication id names one live workflow of a queue: who is refused, who attaches, and when it is free again."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction

import durable
from durable.backends.backend import Backend
from durable.engine.commands import Holder
from durable.errors import InvalidOption, QueueDeduplicated
from durable.models import Step, Workflow
from tests.app.models import Effect
from tests.support import run_async, wait_until
from tests.support.threads import in_threads

QUEUE = "deduplicating"


@durable.workflow(name="deduplication.naps")
def naps(seconds=600):
    durable.sleep(seconds)
    return "slept"


@durable.workflow(name="deduplication.anaps")
async def anaps(seconds=600):
    await durable.asleep(seconds)
    return "slept"


@durable.workflow(name="deduplication.fails")
def fails():
    raise ValueError("no luck")


@pytest.fixture
def queue(database):
    return durable.Queue(QUEUE)


def holding(policy=None):
    return durable.SetEnqueueOptions(dedup_id="one", dedup_policy=policy)


def row(workflow_id: str) -> Workflow:
    return Workflow.objects.get(pk=workflow_id)


# --- outside workflows


def test_a_second_one_is_refused_with_both_names(queue):
    with holding():
        queue.enqueue(naps)
        with pytest.raises(QueueDeduplicated, match=r"'deduplicating' already holds .* 'one'") as raised:
            queue.enqueue(naps)
    assert (raised.value.queue, raised.value.dedup_id) == (QUEUE, "one")
    assert Workflow.objects.count() == 1


def test_or_attaches_where_that_is_asked_for(queue):
    with holding("return-existing"):
        first, second = queue.enqueue(naps), queue.enqueue(naps, 5)
    assert first == second
    assert Workflow.objects.count() == 1


def test_coroutines_are_refused_and_attach_too(queue):
    async def main():
        with holding():
            first = await queue.aenqueue(anaps)
            with pytest.raises(QueueDeduplicated):
                await queue.aenqueue(anaps)
        with holding("return-existing"):
            assert await queue.aenqueue(anaps) == first

    run_async(main())
    assert Workflow.objects.count() == 1


def test_the_ways_to_say_it_are_one(queue):
    first = naps.using(queue=QUEUE, dedup_id="one").start()
    with pytest.raises(QueueDeduplicated):
        durable.start_by_name(naps.name, queue=QUEUE, dedup_id="one")
    assert durable.start_by_name(naps.name, queue=QUEUE, dedup_id="one", dedup_policy="return-existing") == first


def test_another_id_and_another_queue_are_free(queue):
    with holding():
        queue.enqueue(naps)
        durable.Queue("another").enqueue(naps)
    with durable.SetEnqueueOptions(dedup_id="two"):
        queue.enqueue(naps)
    assert Workflow.objects.count() == 3


def test_its_own_id_attaches_before_anything_is_refused(queue):
    with holding(), durable.SetWorkflowID("same"):
        first = queue.enqueue(naps)
    with holding(), durable.SetWorkflowID("same"):
        assert queue.enqueue(naps) == first


def test_many_at_once_cannot_share_one(queue):
    with holding(), pytest.raises(InvalidOption, match="dedup_id"):
        queue.enqueue_many(naps, [1, 2])
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("policy", ["reject", "return-existing"])
def test_of_many_threads_one_enqueues(queue, policy):
    def enqueue(_):
        with holding(policy):
            return queue.enqueue(naps).workflow_id

    found = in_threads(6, enqueue)
    [held] = Workflow.objects.values_list("id", flat=True)
    if policy == "reject":
        assert sorted(type(each).__name__ for each in found) == ["QueueDeduplicated"] * 5 + ["str"]
    else:
        assert found == [held] * 6


def test_an_enqueue_that_is_rolled_back_holds_nothing(queue):
    with pytest.raises(RuntimeError), transaction.atomic(), holding():
        queue.enqueue(naps)
        raise RuntimeError
    with holding():
        queue.enqueue(naps)
    assert Workflow.objects.count() == 1


# --- when it is free again


@pytest.mark.parametrize("end", ["success", "error", "cancelled", "timeout", "dead"])
def test_the_end_of_its_holder_frees_an_id(executor, queue, end):
    with holding(), durable.SetWorkflowTimeout(0.1 if end == "timeout" else None):
        held = queue.enqueue(naps, 0) if end == "success" else queue.enqueue(fails if end == "error" else naps)
    if end == "cancelled":
        durable.cancel_workflow(held.workflow_id)
    if end == "dead":
        wait_until(lambda: row(held.workflow_id).waiting_for == "sleep")
        crashed = {"run_after": "2001-01-01T00:00:00Z", "wake_at": None, "executor": "gone"}
        Workflow.objects.update(max_recovery_attempts=0, **crashed)
        executor.sweeper.recover()
    wait_until(lambda: row(held.workflow_id).is_finished)
    with holding():
        again = queue.enqueue(naps)
    assert again != held
    assert row(held.workflow_id).dedup_id is None


def test_a_resumed_workflow_holds_it_no_more(executor, queue):
    with holding():
        first = queue.enqueue(naps)
        durable.cancel_workflow(first.workflow_id)
        second = queue.enqueue(naps)
    durable.resume_workflow(first.workflow_id)
    assert (row(first.workflow_id).dedup_id, row(second.workflow_id).dedup_id) == (None, "one")
    durable.cancel_workflows([first.workflow_id, second.workflow_id])


# --- inside workflows


@durable.workflow(name="deduplication.enqueues")
def enqueues(policy=None):
    try:
        with holding(policy):
            child = durable.Queue(QUEUE).enqueue(naps).workflow_id
    except QueueDeduplicated as error:
        child = f"refused in {error.queue} for {error.dedup_id}"
    durable.recv("go on")
    return child


@durable.workflow(name="deduplication.aenqueues")
async def aenqueues(policy=None):
    try:
        with holding(policy):
            child = (await durable.Queue(QUEUE).aenqueue(naps)).workflow_id
    except QueueDeduplicated as error:
        child = f"refused in {error.queue} for {error.dedup_id}"
    await durable.arecv("go on")
    return child


COLOURS = pytest.mark.parametrize("parent", [enqueues, aenqueues], ids=["thread", "coroutine"])


def is_parked(handle) -> bool:
    return row(handle.workflow_id).waiting_for == "message:go on"


def first_step(handle) -> Step:
    return Step.objects.filter(workflow_id=handle.workflow_id).order_by("seq").first()


@COLOURS
def test_a_refusal_is_a_recorded_step_that_a_replay_raises_again(executor, queue, parent):
    with holding():
        held = queue.enqueue(naps)
    handle = parent.start()
    wait_until(lambda: is_parked(handle))
    durable.cancel_workflow(held.workflow_id)  # it is free now, which a replay does not care about
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == f"refused in {QUEUE} for one"
    step = first_step(handle)
    assert (step.seq, step.kind, step.child, '"QueueDeduplicated"' in step.error) == (1, "child", None, True)
    assert not Workflow.objects.filter(parent=handle.workflow_id).exists()


@COLOURS
def test_an_attachment_is_a_recorded_child_that_a_replay_keeps(executor, queue, parent):
    with holding():
        held = queue.enqueue(naps)
    handle = parent.start("return-existing")
    wait_until(lambda: is_parked(handle))
    durable.cancel_workflow(held.workflow_id)
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == held.workflow_id
    step = first_step(handle)
    assert (step.seq, step.kind, step.child, step.error) == (1, "child", held.workflow_id, None)


@COLOURS
@pytest.mark.parametrize("policy", ["reject", "return-existing"])
def test_of_two_parents_that_find_it_free_one_gets_it_and_the_other_records_what_it_met(
    executor, queue, monkeypatch, parent, policy
):
    met, answer = threading.Barrier(2), Backend.answer
    once: set[str] = set()

    def answers(self, session, question):
        found = answer(self, session, question)
        if isinstance(question, Holder) and len(once) < 2:
            once.add(threading.current_thread().name)
            assert found is None
            met.wait(10)
        return found

    monkeypatch.setattr(Backend, "answer", answers)
    handles = [parent.start(policy), parent.start(policy)]
    wait_until(lambda: all(is_parked(each) for each in handles))
    for handle in handles:
        durable.send(handle.workflow_id, 1, "go on")
    results = durable.gather(handles)
    [child] = Workflow.objects.filter(name=naps.name)
    assert child.parent in [each.workflow_id for each in handles]
    if policy == "reject":
        assert sorted(results) == sorted([child.id, f"refused in {QUEUE} for one"])
    else:
        assert results == [child.id, child.id]
    assert {first_step(each).seq for each in handles} == {1}
    assert {row(each.workflow_id).error for each in handles} == {None}


def test_twenty_parents_at_once_make_one_child(executor, queue):
    handles = [enqueues.start("return-existing") for _ in range(20)]
    wait_until(lambda: all(is_parked(each) for each in handles), 20)
    for handle in handles:
        durable.send(handle.workflow_id, 1, "go on")
    [child] = Workflow.objects.filter(name=naps.name)
    assert set(durable.gather(handles)) == {child.id}


def test_an_id_that_becomes_free_between_the_look_and_the_insert_is_taken(executor, queue, monkeypatch):
    """The insert fails, a second look finds nobody, and the insert is tried again."""
    with holding():
        held = queue.enqueue(naps)
    answer, looks = Backend.answer, []

    def answers(self, session, question):
        if not isinstance(question, Holder):
            return answer(self, session, question)
        looks.append(question)
        if len(looks) == 1:
            return None  # as it was a moment before the other one came
        Workflow.objects.filter(pk=held.workflow_id).update(dedup_id=None)  # it has ended since
        return answer(self, session, question)

    monkeypatch.setattr(Backend, "answer", answers)
    handle = enqueues.start()
    wait_until(lambda: is_parked(handle))
    durable.send(handle.workflow_id, 1, "go on")
    assert handle.get_result(timeout=10) == f"{handle.workflow_id}-1"
    assert len(looks) == 2
    assert row(f"{handle.workflow_id}-1").dedup_id == "one"


@durable.transaction(name="deduplication.books")
def books(fail):
    Effect.objects.create(key="booked")
    with holding():
        child = durable.Queue(QUEUE).enqueue(naps).workflow_id
    if fail:
        raise ValueError("rolled back")
    return child


@durable.workflow(name="deduplication.transacts")
def transacts(fail):
    return books(fail)


def test_in_a_transaction_the_id_is_held_by_what_is_committed(executor, queue):
    with pytest.raises(ValueError, match="rolled back"):
        transacts.start(True).get_result(timeout=10)
    child = transacts.start(False).get_result(timeout=10)
    assert row(child).dedup_id == "one"
    with pytest.raises(QueueDeduplicated):
        transacts.start(False).get_result(timeout=10)
    assert Effect.objects.count() == 1


@durable.workflow(name="deduplication.begets")
def begets():
    return durable.Queue(QUEUE).enqueue(naps).workflow_id


def test_children_inherit_no_id(executor, queue):
    with holding():
        child = queue.enqueue(begets).get_result(timeout=10)
    assert row(child).dedup_id is None
