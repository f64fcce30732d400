"""Waiting for what becomes true, not for time to pass."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from .databases import forget_connection

T = TypeVar("T")

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.05


def wait_until(predicate: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """What `predicate` returns, once it is true. Fails the test after `timeout` seconds, with the last answer."""
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"Not within {timeout} s: {what or _source(predicate)}; the last answer was {answer!r}"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return answer


def _source(predicate: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(predicate).split())
    except (OSError, TypeError):
        return repr(predicate)


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, which gives back the database connections of the threads that it used."""

    async def run() -> T:
        try:
            return await coroutine
        finally:
            await sync_to_async(forget_connection)()

    return asyncio.run(run())
