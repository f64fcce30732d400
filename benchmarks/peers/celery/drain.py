"""A queue that one process fills and another one works off."""

from __future__ import annotations

from collections.abc import Iterator

from ..measuring import Figures, Job, Meter
from .app import app, nothing
from .worker import running

PARTS = ("open_0", "fifty_0")


def fill(job: Job) -> Figures:
    n = job["workflows"]
    nothing.apply_async((0,), queue="warm")  # it connects
    with Meter() as meter:
        for i in range(n):
            nothing.delay(i)
    return {"rate": meter.rate(n)}


def work(job: Job) -> Iterator[Figures]:
    options = ("-P", "threads", "-c", str(job["at_once"])) if job["at_once"] else ()
    with running(*options) as worker:
        cpu = worker.cpu()
        yield {}
        figures = {"cpu": worker.cpu() - cpu, **worker.told}
        if set(states()) != {"SUCCESS"}:
            raise RuntimeError("not all tasks went well")
        yield figures


def states() -> list[str]:
    """How each task ended."""
    client = app.backend.client
    keys = list(client.scan_iter(count=1000))
    return [app.backend.decode(each)["status"] for each in client.mget(keys)]
