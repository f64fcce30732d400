"""A worker that has nothing to do, and how it comes to be there."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dbos import DBOS

from ..measuring import Figures, Job
from ..states import at_rest, seconds_of
from .launching import configure


@DBOS.workflow()
def never(i: int) -> int:
    return i


def work(job: Job) -> Iterator[Figures]:
    """Ready when it has settled; what it used since then is told at the end."""
    names = [f"idle-{i}" for i in range(job["queues"])]
    configure(queues=names or ["of-nobody"])
    DBOS.launch()
    for name in names:
        DBOS.register_queue(name)
    time.sleep(job["settle"])  # it is the resting that is measured
    wall, cpu = time.perf_counter(), time.process_time()
    yield {}
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    yield {"cpu": share * 100, **at_rest()}


def begin(job: Job) -> Figures:
    """Seconds: of a fresh interpreter to import it, and of its launch."""
    turns = [(seconds_of("pass"), seconds_of("import dbos")) for _ in range(job["times"])]
    nothing, whole = map(min, zip(*turns, strict=True))
    configure()
    began = time.perf_counter()
    DBOS.launch()
    return {"import": whole - nothing, "start": time.perf_counter() - began}
