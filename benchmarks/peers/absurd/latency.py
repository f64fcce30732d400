"""How soon something is seen by another process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..measuring import Figures, Job, probed
from .app import app, start

PARTS = ("idle",)


@app.register_task(name="stamp")
def stamp(params: Any, context: Any) -> list[float]:
    began = time.monotonic()
    return [began, time.monotonic()]


def work(job: Job) -> Iterator[Figures]:
    start()
    yield {}


def probe(job: Job) -> Figures:
    def result(task: Any) -> Any:
        return app.await_task_result(task["task_id"]).result

    result(app.spawn("stamp", None))
    return probed(job["starts"], job["seed"], lambda: app.spawn("stamp", None), result)
