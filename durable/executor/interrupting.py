"""What may be interrupted: coroutine steps, when their time is up or their workflow is cancelled, and a direct call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..backends.writing import Verdict
from ..engine import commands as c
from ..errors import ControlFlow, LeaseLost, Parked, StepTimeout
from .outside import LONGEST_WAIT_SECONDS, until_changed

log = logging.getLogger("durable.executor")


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
            try:
                await asyncio.to_thread(run.executor.check_owner, run)
            except Exception as error:  # the database is away: look again later
                log.debug("whether %s was cancelled is not known yet: %s", run.workflow_id, error)
            await until_changed([f"c:{run.workflow_id}"], since, LONGEST_WAIT_SECONDS)


GONE = c.Letting(None, outcome="released", detail="its caller was interrupted")


@contextmanager
def left_to_others(run: Any) -> Iterator[tuple[c.Entry, Callable[[Any], None]]]:
    """Close a run whose caller goes away: an executor goes on with it. Gives the entry that says so, to be committed,
    and what to do with the ticket of that."""

    def settle(ticket: Any) -> None:
        if ticket.verdict is Verdict.DONE:
            run.executor.has_let_go(run, GONE)

    try:
        with suppress(LeaseLost):
            yield run.entry(letting=GONE), settle
    finally:
        run.close(Parked())
        run.executor.left(run)
