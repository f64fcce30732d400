"""How soon something is seen by another process."""

from __future__ import annotations

from collections.abc import Iterator

from ..measuring import Figures, Job, probed
from .app import stamp
from .worker import running

PARTS = ("idle",)


def work(job: Job) -> Iterator[Figures]:
    with running():
        yield {}


def probe(job: Job) -> Figures:
    stamp.delay().get()
    return probed(job["starts"], job["seed"], stamp.delay, lambda result: result.get())
