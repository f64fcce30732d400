"""The executors of this process, so that a direct call finds the one that serves, and tests can stop them all."""

from __future__ import annotations

import os
import threading
from typing import Any

_lock = threading.RLock()
_started: list[tuple[int, Any]] = []
_parents: list[Any] = []


def add(executor: Any) -> None:
    """Remember a started executor; the newest one that claims comes first."""
    with _lock:
        _started.append((os.getpid(), executor))


def current(alias: str, vendor: str) -> Any | None:
    """A living executor of this process on that database; one that claims before one that does not."""
    with _lock:
        mine = [
            each
            for pid, each in _started
            if pid == os.getpid() and (each.backend.alias, each.backend.vendor) == (alias, vendor)
            and not each.is_stopped and not each.is_draining and each.lease.holds
        ]  # fmt: skip
    return max(mine, key=lambda each: each.claims, default=None)


def any_of_this_process() -> Any | None:
    """The executor that serves in this process, on whatever database; None when there is none."""
    with _lock:
        mine = [each for pid, each in _started if pid == os.getpid() and not each.is_stopped]
    return max(mine, key=lambda each: each.claims, default=None)


def take_all() -> list[Any]:
    """Forget and give back every executor of this process."""
    with _lock:
        mine = [each for pid, each in _started if pid == os.getpid()]
        _started.clear()
    return mine


def _after_fork() -> None:
    """A forked child has neither its parent's threads nor a right to its connections, which it must not close."""
    global _lock
    _lock = threading.RLock()
    _parents.extend(_started)
    _started.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
