"""How soon something is seen by another process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from dbos import DBOS, WorkflowHandle

from ..measuring import Arrivals, Figures, Job, heard, mailed, probed, read, spaced
from .app import launch, names, one


@DBOS.workflow()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


@DBOS.workflow()
def receive(n: int) -> list[float]:
    DBOS.set_event("ready", True)
    return [-DBOS.recv("stamp", 30) + time.monotonic() for _ in range(n)]


@DBOS.workflow()
def publish(n: int, seed: int) -> None:
    DBOS.set_event("ready", True)
    DBOS.recv("begin", 30)
    spaced(n, seed, lambda i: DBOS.set_event(str(i), time.monotonic()))


@DBOS.workflow()
def write(n: int, seed: int) -> None:
    DBOS.set_event("ready", True)
    DBOS.recv("begin", 30)
    spaced(n, seed, lambda i: DBOS.write_stream("stamps", time.monotonic()))


def work(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    yield {}


def load(job: Job) -> Iterator[Figures]:
    launch(listens=False)
    DBOS.enqueue_workflow(names[None], one, 0).get_result()
    arrivals = Arrivals(job["rate"], job["seed"], lambda i: DBOS.enqueue_workflow(names[None], one, i))
    yield {}
    figures = arrivals.figures()
    yield figures | {"calls": figures["calls"] + 1}


def probe(job: Job) -> Figures:
    launch(listens=False)
    queue, n, seed = names[None], job["messages"], job["seed"]
    DBOS.enqueue_workflow(queue, stamp).get_result()
    figures = probed(
        job["starts"], seed, lambda: DBOS.enqueue_workflow(queue, stamp), lambda handle: handle.get_result()
    )
    mailbox = begun(DBOS.enqueue_workflow(queue, receive, n))
    figures["message"] = mailed(n, seed, lambda at: DBOS.send(mailbox, at, "stamp"), lambda: result(mailbox))
    events = begun(DBOS.enqueue_workflow(queue, publish, n, seed))
    figures["event"] = heard(n, lambda: begin(events), lambda i: DBOS.get_event(events, str(i), 30))
    stream = begun(DBOS.enqueue_workflow(queue, write, n, seed))
    figures["stream"] = read(lambda: begin(stream), lambda: DBOS.read_stream(stream, "stamps", timeout_seconds=30))
    return figures


def begun(handle: WorkflowHandle[Any]) -> str:
    """The id of a workflow that has reached its first wait, or nearly."""
    DBOS.get_event(handle.workflow_id, "ready", 10)
    return handle.workflow_id


def begin(workflow_id: str) -> None:
    DBOS.send(workflow_id, True, "begin")


def result(workflow_id: str) -> list[float]:
    return DBOS.retrieve_workflow(workflow_id).get_result()
