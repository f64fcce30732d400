"""A workflow with many recorded steps, whose process is killed and which goes on in another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import durable
from durable.executor import Executor

from ..measuring import Figures, Job
from ..states import LONGEST_SECONDS, Hold, crash
from .app import aadd, add

hold_on = Hold()
times: dict[str, float] = {}
arrived = threading.Event()


@durable.workflow()
def journey(n: int) -> int:
    times["began"] = time.perf_counter()
    result = 0
    for i in range(n):
        result = add(result, i)
    arrive()
    return result


@durable.workflow()
async def ajourney(n: int) -> int:
    times["began"] = time.perf_counter()
    result = 0
    for i in range(n):
        result = await aadd(result, i)
    await aarrive()
    return result


@durable.step()
def arrive() -> None:
    times["arrived"] = time.perf_counter()
    arrived.set()
    hold_on.here_in_thread()


@durable.step()
async def aarrive() -> None:
    times["arrived"] = time.perf_counter()
    arrived.set()
    await hold_on.here()


def hold(job: Job) -> Iterator[Figures]:
    """Ready when it stands in the step after its `job["steps"]`th; then this process dies."""
    hold_on.wanted = 1
    Executor().start()
    workflow = journey if job["way"] == "sync" else ajourney
    workflow.using(workflow_id="journey").start(job["steps"])
    hold_on.wait()
    yield {}
    crash()


def resume(job: Job) -> Figures:
    """Seconds from this process's launch, and from the workflow's first line, to the first new step."""
    n, launched = job["steps"], time.perf_counter()
    Executor().start()
    if not arrived.wait(LONGEST_SECONDS):
        raise RuntimeError("it did not go on")
    if durable.retrieve_workflow("journey").get_result() != n * (n - 1) // 2:
        raise RuntimeError("it went on with other results than were recorded")
    return {"resumed": times["arrived"] - launched, "inside": times["arrived"] - times["began"]}
