"""What every program measures with, so that all are measured alike. Standard library only."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

Job = dict[str, Any]
Figures = dict[str, Any]

GAP_SECONDS = (0.02, 0.06)
"""Between two probes: long beside what is probed, and random, so that no polling interval is met in step."""
WAITERS = 128
"""More than are ever under way: one that waits for a thread would look late."""


class Meter:
    """Wall and processor time of one stretch of work."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def __enter__(self) -> Meter:
        self._cpu, self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: Any) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._start, time.process_time() - self._cpu

    def rate(self, n: int) -> float:
        """How many in a second, of `n`."""
        return n / self.seconds

    def cpu_ms(self, n: int) -> float:
        """Milliseconds of this process's processor time for each of `n`."""
        return self.cpu / n * 1000


class FirstCall:
    """Remembers when it was first called (seconds since the epoch)."""

    def __init__(self) -> None:
        self.at: float | None = None

    def __call__(self) -> None:
        if self.at is None:
            self.at = time.time()


class Shift:
    """A worker's own account of a drain. When it is done is seen from outside, by looking at the rows."""

    def __init__(self, first: FirstCall):
        self.first = first
        self.launched, self._cpu = time.time(), time.process_time()

    def figures(self) -> Figures:
        """When it was launched and when the first workflow ran (seconds since the epoch), and its processor seconds."""
        return {"launched": self.launched, "first": self.first.at, "cpu": time.process_time() - self._cpu}


def probed(n: int, seed: int, start: Callable[[], Any], stamps: Callable[[Any], list[float]]) -> Figures:
    """Start `n` workflows, one at a time with random gaps, on a worker in another process.

    Each gives back when it began and when it ended, on the monotonic clock, which all processes of a machine share.
    Returns milliseconds from the call to its start, and from its end to its result in this process.
    """
    gaps = random.Random(seed)
    pool = ThreadPoolExecutor(WAITERS)
    started: list[tuple[float, Future[tuple[list[float], float]]]] = []
    for _ in range(n):
        time.sleep(gaps.uniform(*GAP_SECONDS))
        called = time.monotonic()
        started.append((called, pool.submit(_stamped, start(), stamps)))
    found = [(called, *future.result()) for called, future in started]
    pool.shutdown()
    return {
        "start": [(stamp[0] - called) * 1000 for called, stamp, _ in found],
        "result": [(seen - stamp[1]) * 1000 for _, stamp, seen in found],
    }


def _stamped(handle: Any, stamps: Callable[[Any], list[float]]) -> tuple[list[float], float]:
    stamp = stamps(handle)
    return stamp, time.monotonic()


def mailed(n: int, seed: int, send: Callable[[float], None], received: Callable[[], list[float]]) -> list[float]:
    """Send `n` messages with random gaps to a workflow that waits: milliseconds from each call to its receipt."""
    gaps = random.Random(seed)
    for _ in range(n):
        time.sleep(gaps.uniform(*GAP_SECONDS))
        send(time.monotonic())
    return [seconds * 1000 for seconds in received()]


def spaced(n: int, seed: int, tell: Callable[[int], None]) -> None:
    """Tell the numbers below `n`, with random gaps."""
    gaps = random.Random(seed)
    for i in range(n):
        time.sleep(gaps.uniform(*GAP_SECONDS))
        tell(i)


def heard(n: int, begin: Callable[[], None], hear: Callable[[int], float]) -> list[float]:
    """Wait for `n` things at once, each on a thread of its own, and then let them begin.

    `hear` waits for the i-th and gives when it was told, on the monotonic clock: milliseconds until it was heard.
    """
    with ThreadPoolExecutor(n) as pool:
        waiting = [pool.submit(lambda i=i: [hear(i), time.monotonic()]) for i in range(n)]
        begin()
        return [(seen - told) * 1000 for told, seen in (future.result() for future in waiting)]


def read(begin: Callable[[], None], values: Callable[[], Iterable[float]]) -> list[float]:
    """Read a stream of moments on the monotonic clock from its beginning: milliseconds until each came."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: [(time.monotonic() - told) * 1000 for told in values()])
        begin()
        return reading.result()


class Arrivals:
    """Calls at random moments, `rate` a second on average, until they are counted.

    An open loop: the moments are drawn without regard to how long a call takes, and one that is late is made at once.
    """

    def __init__(self, rate: float, seed: int, call: Callable[[int], Any]):
        self.rate, self.call, self.n = rate, call, 0
        self.gaps = random.Random(seed)
        self.ended = threading.Event()
        self.error: Exception | None = None
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        due = self.began
        try:
            while not self.ended.is_set():
                due += self.gaps.expovariate(self.rate)
                time.sleep(max(0.0, due - time.monotonic()))
                self.call(self.n)
                self.n += 1
        except Exception as error:
            self.error = error

    def figures(self) -> Figures:
        """End them; how many there were, and how many a second. Raises what a call raised."""
        self.ended.set()
        self.thread.join()
        if self.error:
            raise self.error
        return {"calls": self.n, "rate": self.n / (time.monotonic() - self.began)}
