"""How soon something is seen by another process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..measuring import Figures, Job, probed
from .app import huey, start

PARTS = ("idle",)


@huey.task()
def stamp() -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


def work(job: Job) -> Iterator[Figures]:
    start()
    yield {}


def probe(job: Job) -> Figures:
    stamp().get(blocking=True)
    return probed(job["starts"], job["seed"], stamp, lambda result: result.get(blocking=True))
