"""Coroutine workflows that do several things at once, and do them in the same order when they are run again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from .context import scope
from .errors import OutsideWorkflow
from .steps import read_options, run_step_with

Tasks = set["asyncio.Future[Any]"]


class StepReservation:
    """The place of a step that is run later: steps started at once keep the order in which they were reserved.

    Made by `reserve_step()`. Each reservation runs one step.
    """

    def __init__(self, run: Any):
        self._run, self._seq = run, run.journal.reserve()

    def run(self, options: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`durable.run_step` in the reserved place; a coroutine function gives an awaitable."""
        if scope.get() is not self._run:
            raise OutsideWorkflow(verb="StepReservation.run")
        return run_step_with(read_options(options, fn), fn, args, kwargs, self._seq)

    arun = run


def reserve_step() -> StepReservation:
    """Take the next step number of the calling workflow now, for a step that is run later. Only in a workflow."""
    run = scope.get()
    if run is None or run.place != "workflow":
        raise OutsideWorkflow(verb="reserve_step")
    return StepReservation(run)


async def await_tasks(
    tasks: Iterable[Any], *, timeout: float | None = None, return_when: str = asyncio.ALL_COMPLETED
) -> tuple[Tasks, Tasks]:
    """`asyncio.wait` whose outcome is recorded: `(done, pending)` are the same ones when the workflow is run again.

    Outside a workflow it is `asyncio.wait`. While it waits, the workflow stays in memory.
    """
    listed = [asyncio.ensure_future(each) for each in tasks]
    run = scope.get()
    if run is None or run.place != "workflow":
        return await asyncio.wait(listed, timeout=timeout, return_when=return_when)
    slot = run.open("await_tasks", "result")
    if slot.recorded:
        done = {listed[number] for number in slot.replay()}
        if done:
            await asyncio.wait(done)
        return done, set(listed) - done
    done, pending = await asyncio.wait(listed, timeout=timeout, return_when=return_when)
    await run.aperform(slot.success([number for number, each in enumerate(listed) if each in done]))
    return done, pending
