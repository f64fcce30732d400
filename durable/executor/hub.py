"""Wake-ups: who waits in this process for what, and how other processes are told.

A notification makes waiting short and never makes it correct: every waiter looks again by itself. Keys are
`w:<workflow>` (a message for it, or its end), `event:<workflow>/<key>` and `stream:<workflow>/<key>`, `v:<workflow>`
(any of those two), `c:<workflow>` (its owner changed: cancelled, resumed), `q:<queue>`, `t:` (a timer was set) and
`s:*` (a schedule was changed).
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.db.utils import DatabaseError, InterfaceError, OperationalError

from ..backends.backend import Backend, backend
from ..chance import chance

log = logging.getLogger("durable.hub")

CHANNEL = "durable"
REMEMBERED = 10_000
"""How many changed keys are kept, so that one who looked before a change does not sleep through it."""
COALESCE_SECONDS = 0.005
SQLITE_POLL_SECONDS = 0.02
PAYLOAD_BYTES = 7_500


class Hub:
    """One for each process and database."""

    def __init__(self, backend: Backend):
        self.backend = backend
        self.id = chance.new_id()[-12:]
        self._lock = threading.Lock()
        self._sequence = 0
        self._floor = 0
        self._changed: OrderedDict[str, int] = OrderedDict()
        self._waiters: dict[str, dict[int, Callable[[], None]]] = {}
        self._tickets = 0
        self._outbox: set[str] = set()
        self._outgoing = threading.Event()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- waiting

    def mark(self) -> int:
        """Remember this before looking; pass it when waiting."""
        return self._sequence

    def subscribe(self, keys: Iterable[str], since: int, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when any of `keys` changes, at once if one has since `since`. Gives back how to end it."""
        self.start()
        keys = tuple(keys)
        with self._lock:
            self._tickets += 1
            ticket = self._tickets
            for key in keys:
                self._waiters.setdefault(key, {})[ticket] = wake
            missed = since < self._floor or any(self._changed.get(key, -1) > since for key in keys)

        def unsubscribe() -> None:
            with self._lock:
                for key in keys:
                    waiters = self._waiters.get(key)
                    if waiters is not None:
                        waiters.pop(ticket, None)
                        if not waiters:
                            del self._waiters[key]

        if missed:
            wake()
        return unsubscribe

    def wait(self, keys: Iterable[str], since: int, seconds: float) -> bool:
        """Block until any of `keys` changes after `since`, or `seconds` have passed; say whether one changed."""
        alarm = threading.Event()
        unsubscribe = self.subscribe(keys, since, alarm.set)
        try:
            return chance.rest(alarm, max(0.0, seconds))
        finally:
            unsubscribe()

    # --- telling

    def announce(self, keys: Iterable[str]) -> None:
        """Tell this process and the others that `keys` changed. Call it after the commit."""
        keys = set(keys)
        if not keys:
            return
        self._wake(keys)
        if self.backend.listens:
            with self._lock:
                self._outbox |= keys
            self.start()
            self._outgoing.set()

    def _wake(self, keys: set[str]) -> None:
        with self._lock:
            self._sequence += 1
            for key in keys:
                self._changed[key] = self._sequence
                self._changed.move_to_end(key)
            while len(self._changed) > REMEMBERED:
                self._floor = self._changed.popitem(last=False)[1]
            woken = [wake for key in keys for wake in self._waiters.get(key, {}).values()]
        for wake in woken:
            wake()

    def _wake_all(self) -> None:
        """Something changed elsewhere and nobody knows what: everyone looks."""
        with self._lock:
            self._sequence += 1
            self._floor = self._sequence
            woken = {id(wake): wake for waiters in self._waiters.values() for wake in waiters.values()}
        for wake in woken.values():
            wake()

    # --- threads

    def start(self) -> None:
        """Start listening; the first waiter does."""
        if self._threads or self._stopped.is_set():
            return
        with self._lock:
            if self._threads:
                return
            loops = [self._poll] if not self.backend.listens else [self._listen, self._tell]
            self._threads = [
                threading.Thread(target=loop, name=f"durable-{loop.__name__.strip('_')}", daemon=True) for loop in loops
            ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._outgoing.set()
        for thread in self._threads:
            thread.join(timeout=3)

    def _tell(self) -> None:
        """Send what changed, at once and then at most every few milliseconds, on a connection of its own."""
        session = self.backend.own()
        while not self._stopped.is_set():
            self._outgoing.wait()
            self._outgoing.clear()
            with self._lock:
                keys, self._outbox = self._outbox, set()
            try:
                for payload in payloads(self.id, keys):
                    session.run("select pg_notify(%(channel)s, %(payload)s)", {"channel": CHANNEL, "payload": payload})
            except DatabaseError as error:
                log.debug("notification not sent, pollers will find out: %s", error)
                session.close()
            self._stopped.wait(COALESCE_SECONDS)
        with suppress(DatabaseError):  # our own listener hears it and sees that it should stop
            session.run("select pg_notify(%(channel)s, %(payload)s)", {"channel": CHANNEL, "payload": self.id})
        session.close()

    def _listen(self) -> None:
        """PostgreSQL: hear what others commit."""
        import psycopg

        while not self._stopped.is_set():
            session = self.backend.own()
            try:
                raw: Any = session.connect()
                raw.execute(f"listen {CHANNEL}")
                self._wake_all()  # anything may have happened before we listened
                while not self._stopped.is_set():
                    for notification in raw.notifies(timeout=5):
                        self._hear(notification.payload)
                        if self._stopped.is_set():
                            break
            except (DatabaseError, InterfaceError, OperationalError, psycopg.Error) as error:
                log.debug("listener lost its connection: %s", error)
                self._stopped.wait(1)
            finally:
                session.close()

    def _hear(self, payload: str) -> None:
        sender, _, body = payload.partition("\n")
        if sender == self.id:
            return
        if body == "*":
            self._wake_all()
        else:
            self._wake(set(body.split("\n")))

    def _poll(self) -> None:
        """SQLite: notice that another connection has committed. The pragma reads a counter, no table."""
        session = self.backend.own()
        seen = None
        while not self._stopped.is_set():
            try:
                version = session.run("PRAGMA data_version", {}) if self.backend.vendor == "sqlite" else None
            except DatabaseError:
                session.close()
                version = None
            if seen is not None and version != seen:
                self._wake_all()
            seen = version
            self._stopped.wait(SQLITE_POLL_SECONDS)
        session.close()


def payloads(sender: str, keys: set[str]) -> list[str]:
    """Notification texts within PostgreSQL's limit of 8,000 bytes; "*" when there is too much to say."""
    if not keys:
        return []
    if len(keys) > 2_000 or any("\n" in key or len(key.encode()) > 1_000 for key in keys):
        return [f"{sender}\n*"]
    texts, text = [], sender
    for key in keys:
        if len(text.encode()) + len(key.encode()) + 1 > PAYLOAD_BYTES:
            texts.append(text)
            text = sender
        text += f"\n{key}"
    return [*texts, text]


_hubs: dict[tuple[int, str, str], Hub] = {}
_hubs_lock = threading.Lock()


def hub() -> Hub:
    """The hub of this process (a forked child gets its own) for the engine's database."""
    here = backend()
    key = (os.getpid(), here.alias, here.vendor)
    found = _hubs.get(key)
    if found is None:
        with _hubs_lock:
            found = _hubs.setdefault(key, Hub(here))
    return found


def stop_hubs(alias: str | None = None) -> None:
    """Stop every hub of this process, or those of one alias; the next use makes new ones."""
    with _hubs_lock:
        stopped = [_hubs.pop(key) for key in list(_hubs) if alias is None or key[1] == alias]
    for each in stopped:
        each.stop()
