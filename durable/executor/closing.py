"""Closing a coroutine where it stands, with the asynchronous generators that it awaits."""

from __future__ import annotations

import gc
import inspect
from contextlib import suppress
from typing import Any


def close(coroutine: Any) -> None:
    """End a suspended coroutine: `finally` blocks run, the innermost first, no `except` clause does.

    Before Python 3.13 a coroutine's own `close` leaves an asynchronous generator that it iterates over as it stands:
    its `finally` blocks never run, and the loop later complains that it is running already.
    """
    for awaited in reversed(_generators(coroutine)):
        with suppress(GeneratorExit, StopAsyncIteration):
            awaited.throw(GeneratorExit)
    coroutine.close()


def _generators(coroutine: Any) -> list[Any]:
    """What a coroutine awaits of asynchronous generators, the outermost first."""
    found, node = [], coroutine
    while node is not None:
        if inspect.iscoroutine(node):
            node = node.cr_await
        elif inspect.isasyncgen(node):
            node = node.ag_await
        elif inspect.isgenerator(node):
            node = node.gi_yieldfrom
        else:  # the awaitables of `anext` name what they are about to no one but the garbage collector
            inside = [each for each in gc.get_referents(node) if _is_awaitable(each)]
            if inside and inspect.isasyncgen(inside[0]):
                found.append(node)
            node = inside[0] if inside else None
    return found


def _is_awaitable(thing: Any) -> bool:
    is_code = inspect.isasyncgen(thing) or inspect.iscoroutine(thing)
    return is_code or type(thing).__name__.startswith("async_generator")
