"""Coroutine steps that may be interrupted: when their time is up, or when their workflow is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from ..engine import commands as c
from ..errors import ControlFlow, StepTimeout
from .outside import until_changed

LONGEST_WAIT_SECONDS = 5.0


async def interruptibly(run: Any, step: Awaitable[Any], call: c.Call) -> Any:
    """Await a step's coroutine. Raises `StepTimeout` after `call.timeout` seconds, and what closed the run if the step
    is preemptible; its `finally` blocks have ended then."""
    work = asyncio.ensure_future(step)
    watch = asyncio.ensure_future(_until_closed(run)) if call.is_preemptible else None
    try:
        racing: set[asyncio.Future[Any]] = {work, watch} if watch else {work}
        await asyncio.wait(racing, timeout=call.timeout, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        await asyncio.wait({work})
        if run.closed:
            raise run.closed
        raise StepTimeout(step=call.frame.name, timeout=call.timeout)
    finally:
        work.cancel()
        if watch:
            watch.cancel()


async def _until_closed(run: Any) -> None:
    """Return when the run has been closed: its workflow was cancelled or taken."""
    while not run.closed:
        since = run.mark()
        with suppress(ControlFlow):
            await asyncio.to_thread(run.executor.check_owner, run)
            await until_changed([f"c:{run.workflow_id}"], since, LONGEST_WAIT_SECONDS)
