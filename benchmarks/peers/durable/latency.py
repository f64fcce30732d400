"""How soon something is seen by another process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import durable
from durable.executor import Executor

from ..measuring import Arrivals, Figures, Job, heard, mailed, probed, read, spaced
from .app import one, queues


@durable.workflow()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


@durable.workflow()
def receive(n: int) -> list[float]:
    durable.set_event("ready", True)
    return [-durable.recv("stamp", 30) + time.monotonic() for _ in range(n)]


@durable.workflow()
def publish(n: int, seed: int) -> None:
    durable.set_event("ready", True)
    durable.recv("begin", 30)
    spaced(n, seed, lambda i: durable.set_event(str(i), time.monotonic()))


@durable.workflow()
def write(n: int, seed: int) -> None:
    durable.set_event("ready", True)
    durable.recv("begin", 30)
    spaced(n, seed, lambda i: durable.write_stream("stamps", time.monotonic()))


def work(job: Job) -> Iterator[Figures]:
    executor = Executor().start()
    yield {}
    executor.drain(2)


def load(job: Job) -> Iterator[Figures]:
    queues[None].enqueue(one, 0).get_result()
    arrivals = Arrivals(job["rate"], job["seed"], lambda i: queues[None].enqueue(one, i))
    yield {}
    figures = arrivals.figures()
    yield figures | {"calls": figures["calls"] + 1}


def probe(job: Job) -> Figures:
    queue, n, seed = queues[None], job["messages"], job["seed"]
    queue.enqueue(stamp).get_result()
    figures = probed(job["starts"], seed, lambda: queue.enqueue(stamp), lambda handle: handle.get_result())
    mailbox = begun(queue.enqueue(receive, n))
    figures["message"] = mailed(n, seed, lambda at: durable.send(mailbox, at, "stamp"), lambda: result(mailbox))
    events = begun(queue.enqueue(publish, n, seed))
    figures["event"] = heard(n, lambda: begin(events), lambda i: durable.get_event(events, str(i), 30))
    stream = begun(queue.enqueue(write, n, seed))
    figures["stream"] = read(lambda: begin(stream), lambda: durable.read_stream(stream, "stamps", timeout_seconds=30))
    return figures


def begun(handle: durable.WorkflowHandle[Any]) -> str:
    """The id of a workflow that has reached its first wait, or nearly."""
    durable.get_event(handle.workflow_id, "ready", 10)
    return handle.workflow_id


def begin(workflow_id: str) -> None:
    durable.send(workflow_id, True, "begin")


def result(workflow_id: str) -> list[float]:
    return durable.retrieve_workflow(workflow_id).get_result()
