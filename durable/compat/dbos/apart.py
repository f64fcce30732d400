"""Blocking calls where an event loop runs: in a thread of their own, because Django refuses its database there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def on_a_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def apart(fn: Callable[[], T]) -> T:
    """`fn()`, in another thread when an event loop runs in this one, which stands still meanwhile."""
    if not on_a_loop():
        return fn()
    with ThreadPoolExecutor(1, thread_name_prefix="dbos-apart") as pool:
        return pool.submit(copy_context().run, closing(fn)).result()


def closing(fn: Callable[[], T]) -> Callable[[], T]:
    """`fn`, for a thread that is lent for one call: it gives back Django's connections."""

    def run() -> T:
        try:
            return fn()
        finally:
            connections.close_all()

    return run
