"""A web process beside an engine: one thread writes as often as it is asked to, another one reads.

Standard library only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from .measuring import Figures, Job

READS_A_SECOND = 20

Moments = list[tuple[float, float]]
"""When something was begun (seconds since the epoch) and how many milliseconds it took."""


def visited(
    job: Job, write: Callable[[int], None], read: Callable[[], None], leave: Callable[[], None]
) -> Iterator[Figures]:
    """Write `job["asked"]` times a second, or without a pause (None), and read twenty times a second, until the end.

    A write that took too long is followed by those that it kept waiting, at once. `leave` closes a thread's connection.
    Says every write and every read at its end; raises what either raised.
    """
    stopping, begun = threading.Event(), threading.Semaphore(0)
    writes: Moments = []
    reads: Moments = []
    failures: list[BaseException] = []

    def repeat(moments: Moments, act: Callable[[int], None], asked: float | None) -> None:
        started, n = time.perf_counter(), 0
        try:
            while not stopping.is_set():
                if asked is not None and stopping.wait(max(0.0, started + n / asked - time.perf_counter())):
                    break
                at, began = time.time(), time.perf_counter()
                act(n)
                moments.append((at, (time.perf_counter() - began) * 1000))
                n += 1
                if n == 1:
                    begun.release()
        except BaseException as error:
            failures.append(error)
            begun.release()
        finally:
            leave()

    threads = [
        threading.Thread(target=repeat, args=(writes, write, job["asked"])),
        threading.Thread(target=repeat, args=(reads, lambda n: read(), READS_A_SECOND)),
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    if not failures:
        yield {}
    stopping.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    yield {"writes": writes, "reads": reads}
