"""How soon something is seen by another process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import durable
from durable.executor import Executor

from ..measuring import Figures, Job, mailed, probed
from .app import queues


@durable.workflow()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


@durable.workflow()
def receive(n: int) -> list[float]:
    durable.set_event("ready", True)
    return [-durable.recv("stamp", 30) + time.monotonic() for _ in range(n)]


def work(job: Job) -> Iterator[Figures]:
    executor = Executor().start()
    yield {}
    executor.drain(2)


def probe(job: Job) -> Figures:
    queue = queues[None]
    queue.enqueue(stamp).get_result()
    figures = probed(job["starts"], job["seed"], lambda: queue.enqueue(stamp), lambda handle: handle.get_result())
    mailbox = queue.enqueue(receive, job["messages"])
    durable.get_event(mailbox.workflow_id, "ready", 10)
    figures["message"] = mailed(
        job["messages"], job["seed"], lambda at: durable.send(mailbox.workflow_id, at, "stamp"), mailbox.get_result
    )
    return figures
