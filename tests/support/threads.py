"""Several threads that begin together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def in_threads(number: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act(0)` to `act(number - 1)` give or raise in threads that begin at once, in that order."""
    barrier, found = threading.Barrier(number), [None] * number

    def run(n: int) -> None:
        barrier.wait(10)
        try:
            found[n] = act(n)
        except Exception as error:
            found[n] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return found
