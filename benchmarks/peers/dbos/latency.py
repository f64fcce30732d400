"""How soon something is seen by another process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dbos import DBOS

from ..measuring import Figures, Job, mailed, probed
from .app import launch, names


@DBOS.workflow()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


@DBOS.workflow()
def receive(n: int) -> list[float]:
    DBOS.set_event("ready", True)
    return [-DBOS.recv("stamp", 30) + time.monotonic() for _ in range(n)]


def work(job: Job) -> Iterator[Figures]:
    launch(listens=True)
    yield {}


def probe(job: Job) -> Figures:
    launch(listens=False)
    queue = names[None]
    DBOS.enqueue_workflow(queue, stamp).get_result()
    figures = probed(
        job["starts"], job["seed"], lambda: DBOS.enqueue_workflow(queue, stamp), lambda handle: handle.get_result()
    )
    mailbox = DBOS.enqueue_workflow(queue, receive, job["messages"])
    DBOS.get_event(mailbox.workflow_id, "ready", 10)
    figures["message"] = mailed(
        job["messages"], job["seed"], lambda at: DBOS.send(mailbox.workflow_id, at, "stamp"), mailbox.get_result
    )
    return figures
