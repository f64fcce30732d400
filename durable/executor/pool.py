"""Threads for runs: made when there is work for them, at most as many as may run at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from django.db import connections

log = logging.getLogger("durable.executor")

IDLE_SECONDS = 2.0
"""After so long without work a thread ends, and gives back its memory."""


class Pool:
    """Runs jobs in daemon threads. A thread gives back its Django connections after each job."""

    def __init__(self, size: int, name: str = "durable-run"):
        self.size, self.name = size, name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._busy = 0

    @property
    def is_crowded(self) -> bool:
        """Whether no further job could start now: what waits in memory should leave it."""
        return self._busy >= self.size

    @property
    def threads(self) -> int:
        return len(self._threads)

    def submit(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._busy += 1
            if len(self._threads) < min(self._busy, self.size):
                thread = threading.Thread(target=self._work, name=f"{self.name}-{len(self._threads) + 1}", daemon=True)
                self._threads.add(thread)
                thread.start()
            self._jobs.put(job)  # under the lock: a thread that would end sees it, or is not counted above

    def stop(self) -> None:
        """End the idle threads; busy ones end with their job."""
        for _ in range(len(self._threads)):
            self._jobs.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the threads to end, `seconds` in all."""
        until = time.monotonic() + seconds
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(timeout=max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        try:
            while job := self._next():
                try:
                    job()
                except BaseException:
                    log.exception("a run broke in a way that is Durable's fault; its workflow will be recovered")
                finally:
                    close_connections()
                    with self._lock:
                        self._busy -= 1
        finally:
            connections.close_all()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _next(self) -> Callable[[], None] | None:
        """The next job; None when this thread is to end."""
        while True:
            try:
                return self._jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._threads.discard(threading.current_thread())
                        return None


def close_connections() -> None:
    """Close Django's connections of this thread that are not to be kept (CONN_MAX_AGE)."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
