"""The event loop of an executor, and how coroutine runs wait on it.

A coroutine is never thrown into while it works. When all of it waits durably, directly or through tasks and gathers
that it awaits, it is closed where it stands and its workflow parks; otherwise it waits in memory. A child that was
called runs in its caller's task: when it parks it is unwound, and the caller waits for it as for any other workflow.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import SyncToAsync

from ..backends.writing import Verdict
from ..engine import commands as c
from ..errors import Cancelled, Fenced, LeaseLost, Parked
from .closing import close
from .outside import LONGEST_WAIT_SECONDS, keys_of
from .pool import close_connections

log = logging.getLogger("durable.executor")


@dataclass(eq=False)
class Place:
    """What the loop knows of one coroutine run."""

    run: Any
    task: asyncio.Task[None] | None
    context: contextvars.Context
    waits: dict[asyncio.Future[None], c.Park] = field(default_factory=dict)
    undecided: asyncio.Future[None] | None = None
    """Set while the run is being parked: what wakes meanwhile waits for the verdict."""
    is_gone: bool = False
    """Its coroutines were closed where they stood: nothing may wake them any more."""


class Helpers(ThreadPoolExecutor):
    """Threads for `asyncio.to_thread` in coroutine workflows; each gives back its Django connections after a call."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        def call() -> Any:
            try:
                return fn(*args, **kwargs)
            finally:
                close_connections()

        return super().submit(call)


class Nursery:
    """A thread with an event loop for coroutine workflows."""

    def __init__(self, executor: Any):
        self.executor = executor
        self.places: dict[Any, Place] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, run: Any) -> None:
        """Start a run on the loop."""
        self._ensure().call_soon_threadsafe(self._begin, run)

    def stop(self) -> None:
        if self.loop and self._thread:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=5)

    def release_all(self) -> None:
        """The executor drains: whatever only waits may leave memory now."""
        if self.loop and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._consider_all)

    def _consider_all(self) -> None:
        for place in list(self.places.values()):
            self._consider(place)

    def _ensure(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._serve, name="durable-loop", daemon=True)
                self._thread.start()
            return self.loop

    def _serve(self) -> None:
        assert self.loop is not None
        asyncio.set_event_loop(self.loop)
        self.loop.set_default_executor(Helpers(thread_name_prefix="durable-helper"))
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()

    def _begin(self, run: Any) -> None:
        assert self.loop is not None
        context = contextvars.copy_context()
        place = self.places[run] = Place(run, None, context)
        place.task = self.loop.create_task(run.aexecute(), context=context)
        place.task.add_done_callback(lambda task: self._done(run, task))

    async def run_child(self, run: Any, args: Any, kwargs: Any) -> None:
        """Run a child in the task of the run that called it."""
        if not run.direct:
            self.places[run] = Place(run, asyncio.current_task(), contextvars.copy_context())
        try:
            await run.aexecute(args, kwargs)
        finally:
            self.places.pop(run, None)

    def _done(self, run: Any, task: asyncio.Task[None]) -> None:
        self.places.pop(run, None)
        give_back()
        if not task.cancelled() and (error := task.exception()):
            log.error("a run broke in a way that is Durable's fault; its workflow will be recovered", exc_info=error)

    # --- waiting

    async def park(self, run: Any, park: c.Park) -> None:
        """Wait until something may have changed; while it waits, the run may be closed and parked."""
        loop = asyncio.get_running_loop()
        place = self._place_of(run)
        future: asyncio.Future[None] = loop.create_future()
        settle = _settler(loop, future, place)
        keys = [*keys_of(park), f"c:{run.workflow_id}"]
        unsubscribe = self.executor.hub.subscribe(keys, park.since if park.conditions else run.mark(), settle)
        left = float("inf") if park.until is None else max(0.0, park.until - run.now())
        alarm = loop.call_later(min(left, LONGEST_WAIT_SECONDS), settle)
        thinking = None
        if place is not None:
            place.waits[future] = park
            most = self.executor.settings.PARK_AFTER_SECONDS
            if left > most or self.executor.is_draining:
                patience = most - run.waited(park) if park.conditions and not self.executor.is_draining else 0.0
                thinking = loop.call_later(max(0.0, patience), self._consider, place)
        try:
            await future
            while place is not None and place.undecided is not None:
                await asyncio.shield(place.undecided)
        finally:
            unsubscribe()
            alarm.cancel()
            if thinking:
                thinking.cancel()
            if place is not None:
                place.waits.pop(future, None)
        if place is None:  # it never parks, which would tell it that it was cancelled
            await asyncio.to_thread(self.executor.check_owner, run)

    def _place_of(self, run: Any) -> Place | None:
        """Where this run stands; one that belongs to a waiting caller has no place."""
        place = self.places.get(run)
        return place if place and run.definition.park and not run.direct else None

    def _consider(self, place: Place) -> None:
        """Park the run if all of it waits, and nothing but waits."""
        if place.undecided is not None or place.run.closed or place.task is None or not place.waits:
            return
        if _only_waits(place.task, place.waits):
            assert self.loop is not None
            place.undecided = self.loop.create_future()
            self.loop.create_task(self._let_go(place))

    async def _let_go(self, place: Place) -> None:
        run, parks = place.run, list(place.waits.values())
        until = min((park.until for park in parks if park.until is not None), default=None)
        conditions = tuple({condition: None for park in parks for condition in park.conditions})
        letting = c.Letting(parks[0].reason, conditions, until)
        if self.executor.is_draining and not conditions and (until is None or until <= run.now()):
            letting = c.Letting(None, outcome="released", detail="its executor is shutting down")
        try:
            verdict = (await self.executor.recorder.acommit(run.entry(letting=letting))).verdict
        except LeaseLost as lost:
            run.without_lease(lost)
            verdict = Verdict.FENCED
        if verdict is not Verdict.TRUE:
            done = verdict is Verdict.DONE
            run.close(Parked() if done else Cancelled() if verdict is Verdict.CANCELLED else Fenced())
            if done:
                self.executor.has_let_go(run, letting)
            if run.above is None:
                self._close(place)
                self.executor.left(run)
                return
        self._wake(place)  # to look again, or to be unwound where it stands in its caller's task

    def _wake(self, place: Place) -> None:
        undecided, place.undecided = place.undecided, None
        if undecided is not None:
            undecided.set_result(None)
        for future in list(place.waits):
            if not future.done():
                future.set_result(None)

    def _close(self, place: Place) -> None:
        """End the run's coroutines where they stand: `finally` blocks run, no `except` clause does."""
        self.places.pop(place.run, None)
        place.is_gone = True
        assert place.task is not None
        for task in [place.task, *_awaited(place.task)]:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own way to say: on purpose
            try:
                place.context.run(close, task.get_coro())
            except BaseException as error:
                log.warning("%s did not end cleanly when it parked: %r", place.run.workflow_id, error)
        give_back()


_is_giving_back = threading.Lock()


def give_back() -> None:
    """Close the connections that are not to be kept of the thread in which asgiref lets coroutines use the ORM.

    Without that, it would keep one that the server has closed, and every later run would fail on it. Of many runs that
    end at once one does it.
    """
    if _is_giving_back.acquire(blocking=False):
        SyncToAsync.single_thread_executor.submit(_give_back)


def _give_back() -> None:
    _is_giving_back.release()  # first: a run that ends from now on may have used a connection since
    close_connections()


def _settler(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None], place: Place | None) -> Any:
    def settle() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(wake)

    def wake() -> None:
        if not future.done() and not (place is not None and place.is_gone):
            future.set_result(None)

    return settle


def _awaited(task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
    """The tasks that a task awaits, directly or through a gather, at any depth."""
    found = []
    for child in _children(task):
        if isinstance(child, asyncio.Task) and not child.done():
            found += [child, *_awaited(child)]
    return found


def _children(task: asyncio.Task[Any]) -> list[Any]:
    waiter = getattr(task, "_fut_waiter", None)
    if waiter is None:
        return []
    return list(getattr(waiter, "_children", None) or [waiter])


def _only_waits(task: asyncio.Task[Any], waits: dict[asyncio.Future[None], c.Park]) -> bool:
    """Whether a task, and all that it awaits, stands in one of `waits`. What it awaits may be done: it then goes on in
    a moment."""
    waiter = getattr(task, "_fut_waiter", None)
    if waiter is None or waiter.done():
        return False
    for child in _children(task):
        if child in waits:
            if child.done():
                return False
        elif isinstance(child, asyncio.Task):
            if not child.done() and not _only_waits(child, waits):
                return False
        elif not child.done():
            return False
    return True
