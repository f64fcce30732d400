"""No wake-up is lost when what is waited for comes at the very moment of parking, without any notification."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

import durable
from durable.backends.backend import backend
from durable.executor import recorder
from durable.models import Event, Message, Wait, Workflow
from durable.models.fields import Now
from tests.app import workflows as app
from tests.support import wait_until

from . import workflows

ROUNDS = 40
SOON = 2.0
"""Seconds. The next sweep comes much later, so that it cannot hide a wake-up that was lost."""
TIMES = {"LISTEN_NOTIFY": False, "LEASE_SECONDS": 120, "PARK_AFTER_SECONDS": 0, "POLL_SECONDS": 0.05}
SPREAD_SECONDS = 0.004


class Meeting:
    """Lets a workflow that is about to park and what it waits for begin to write at the same moment, or nearly."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.random = random.Random(1)
        self.barrier = threading.Barrier(2)
        self.expected: set[str] = set()
        self.verdicts: Counter[str] = Counter()
        self.write = recorder.write
        monkeypatch.setattr(recorder, "write", self.write_together)

    def write_together(self, engine: Any, session: Any, entries: list[Any]) -> Any:
        parking = [entry for entry in entries if entry.letting and entry.letting.conditions]
        if any(entry.workflow in self.expected for entry in parking):
            self.expected.clear()
            self.come()
        written = self.write(engine, session, entries)
        self.verdicts.update(written.verdicts[id(entry)].name for entry in parking)
        return written

    def come(self) -> None:
        self.barrier.wait(10)
        time.sleep(self.random.random() * SPREAD_SECONDS)


@pytest.fixture
def meeting(database: str, monkeypatch: pytest.MonkeyPatch) -> Meeting:
    return Meeting(monkeypatch)


@durable.workflow()
def sends(destination: str) -> None:
    workflows.hooked("meet")
    durable.send(destination, "news", "t")


@durable.workflow()
def publishes_one() -> None:
    workflows.hooked("meet")
    durable.set_event("key", "news")


@durable.workflow()
def ends() -> str:
    workflows.hooked("meet")
    return "news"


@durable.workflow()
def waits_for(workflow_id: str) -> str:
    return durable.retrieve_workflow(workflow_id).get_result()


@durable.workflow()
async def await_news(workflow_id: str) -> str:
    return await durable.aget_event(workflow_id, "key", 60)


def start_a_receiver(meeting: Meeting) -> Any:
    name = f"receiver-{meeting.random.getrandbits(60)}"
    meeting.expected.add(name)
    return app.receives.using(workflow_id=name).start("t", 60)


def message_from_outside(meeting: Meeting) -> Any:
    receiver = start_a_receiver(meeting)
    meeting.come()
    durable.send(receiver.workflow_id, "news", "t")
    return receiver


def message_that_commits_with_other_data(meeting: Meeting) -> Any:
    receiver = start_a_receiver(meeting)
    if connection.vendor == "sqlite":  # nobody else can write inside the block
        meeting.come()
    with transaction.atomic():
        durable.send(receiver.workflow_id, "news", "t")
        if connection.vendor != "sqlite":
            meeting.come()
    return receiver


def message_from_a_workflow(meeting: Meeting) -> Any:
    receiver = start_a_receiver(meeting)
    sends.start(receiver.workflow_id)
    return receiver


def event(meeting: Meeting) -> Any:
    def start(target: str) -> Any:
        return app.watches.using(workflow_id=f"{target}-w").start(target, "key")

    return waiting_for(meeting, publishes_one, start)


def event_for_a_coroutine(meeting: Meeting) -> Any:
    return waiting_for(meeting, publishes_one, lambda target: await_news.using(workflow_id=f"{target}-w").start(target))


def end_of_a_workflow(meeting: Meeting) -> Any:
    return waiting_for(meeting, ends, lambda target: waits_for.using(workflow_id=f"{target}-w").start(target))


def waiting_for(meeting: Meeting, target: Any, start: Callable[[str], Any]) -> Any:
    """A workflow that makes news, and one that `start` lets wait for it."""
    name = f"maker-{meeting.random.getrandbits(60)}"
    meeting.expected.add(f"{name}-w")
    target.using(workflow_id=name).start()
    return start(name)


KINDS = [
    message_from_outside,
    message_that_commits_with_other_data,
    message_from_a_workflow,
    event,
    event_for_a_coroutine,
    end_of_a_workflow,
]


@pytest.mark.parametrize("begin", KINDS, ids=[kind.__name__.replace("_", " ") for kind in KINDS])
def test_what_comes_at_the_moment_of_parking_wakes(meeting, rescuer, begin):
    for _ in range(2):  # with room for one each: what waits and what it waits for do not share a group commit
        rescuer(**TIMES, CONCURRENCY=1)
    workflows.hooks["meet"] = meeting.come
    for turn in range(ROUNDS):
        handle = begin(meeting)
        try:
            news = handle.get_result(timeout=SOON)
        except TimeoutError:
            pytest.fail(f"lost in round {turn}: {handle.get_status().phase.word}, after {dict(meeting.verdicts)}")
        assert news in ("news", ["news"])
    wait_until(lambda: not Workflow.objects.live().exists(), 10)
    assert meeting.verdicts["DONE"] + meeting.verdicts["TRUE"] >= ROUNDS
    assert meeting.verdicts["DONE"], "it never parked; nothing was tested"


def test_many_messages_at_once_all_arrive_in_the_order_of_each_sender(rescuer):
    rescuer(**TIMES)
    receiver = app.receives.start("t", 60, 60)

    def send(sender: int) -> None:
        for n in range(20):
            durable.send(receiver.workflow_id, [sender, n], "t")
        connection.close()

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(3)]
    for thread in threads:
        thread.start()
    received = receiver.get_result(timeout=20)
    for thread in threads:
        thread.join(10)
    for sender in range(3):
        assert [n for s, n in received if s == sender] == list(range(20))
    assert Message.objects.filter(consumed_seq=None).count() == 0


# --- the sweep


def lose_a_message(workflow_id: str) -> None:
    Message.objects.create(workflow_id=workflow_id, topic="t", key="k", body='"news"', created_at=Now())


def lose_an_event(workflow_id: str) -> None:
    Event.objects.create(workflow_id="maker", key="key", seq=1, value='"news"', created_at=Now())


def lose_an_end(workflow_id: str) -> None:
    Workflow.objects.filter(pk="maker").update(status="SUCCESS", output='"news"', wake_at=None)


LOSSES = {
    "a message": (lose_a_message, lambda: app.receives.start("t", 60)),
    "an event": (lose_an_event, lambda: app.watches.start("maker", "key", 60)),
    "an end": (lose_an_end, lambda: waits_for.start("maker")),
}


@pytest.mark.parametrize("what", LOSSES)
def test_the_sweep_wakes_whom_nobody_woke(rescuer, what):
    lose, start = LOSSES[what]
    executor = rescuer(**TIMES)
    Workflow.objects.create(id="maker", name="ends", status="PENDING", wake_at="2999-01-01T00:00:00Z", input="")
    handle = start()
    wait_until(lambda: Wait.objects.filter(workflow_id=handle.workflow_id).exists(), 10, "it parks")
    lose(handle.workflow_id)
    executor.claimer.everything_changed()
    assert handle.get_status().run_after is None  # it waits, and nothing but a sweep will notice
    executor.sweeper.wake()
    assert handle.get_result(timeout=10) in ("news", ["news"])


def test_the_sweep_comes_to_every_wait_however_many_there_are(database):
    ids = [f"w-{n:04}" for n in range(1200)]
    parked = {"name": "receives", "status": "PENDING", "wake_at": "2999-01-01T00:00:00Z", "input": ""}
    Workflow.objects.bulk_create(Workflow(id=each, position=n, **parked) for n, each in enumerate(ids))
    Wait.objects.bulk_create(Wait(kind="message", target=each, detail="t", workflow_id=each) for each in ids)
    for each in ("w-0001", "w-0700", "w-1199"):
        lose_a_message(each)
    after, woken = ("", "", "", ""), []
    for _ in range(3):
        after, rows = backend().sweep_waits(backend().borrowed(), after)
        woken += [workflow_id for workflow_id, _ in rows]
    assert sorted(woken) == ["w-0001", "w-0700", "w-1199"]
    assert after == ("", "", "", "")  # and begins again
