"""Reading for runs: what they ask of the database, on connections of the engine's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ..backends.backend import Backend
from ..backends.session import Own
from .lease import Lease

R = TypeVar("R")

THREADS = 4
"""How many answer coroutine runs."""


class Readers:
    """Connections that are taken for one question and given back; one more is made when all are in use."""

    def __init__(self, backend: Backend, lease: Lease):
        self.backend, self.lease = backend, lease
        self.sessions: list[Own] = []
        self._is_stopped = False
        self._threads: ThreadPoolExecutor | None = None

    def ask(self, question: Any) -> Any:
        """The answer to an operation's question."""
        return self.read(lambda session: self.backend.answer(session, question))

    async def aask(self, question: Any) -> Any:
        """`ask` for a coroutine."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="durable-reader")
        future: Future[Any] = self._threads.submit(self.ask, question)
        return await asyncio.wrap_future(future)

    def read(self, look: Callable[[Own], R]) -> R:
        """What `look(session)` gives; it is called once more after a lost connection, while the lease holds."""
        try:
            session = self.sessions.pop()
        except IndexError:
            session = self.backend.own()
        try:
            try:
                return look(session)
            except Exception:
                session.close()
                if not self.lease.holds:
                    raise
                return look(session)
        finally:
            if self._is_stopped:
                session.close()
            else:
                self.sessions.append(session)

    def stop(self) -> None:
        """Answer nothing more on coroutines' behalf. `close` follows."""
        if self._threads:
            self._threads.shutdown(wait=False)

    def close(self) -> None:
        """Close the connections; one that is in use is closed when it is given back."""
        self._is_stopped = True
        for session in self.sessions:
            session.close()
