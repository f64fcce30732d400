"""What programs need that measure states rather than rates: a process at rest, runs that are held, a common start.

Standard library only.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .measuring import Figures, Job

LONGEST_SECONDS = 900
"""After this a program gives up what it waits for, and says so."""
LOOK_SECONDS = 0.05
GATE_SECONDS = 0.001


def wait_until(
    is_so: Callable[[], object], what: str, seconds: float = LONGEST_SECONDS, look: float = LOOK_SECONDS
) -> None:
    """Look until it is so. Raises `RuntimeError` that says `what` did not come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(look)


def at_rest() -> Figures:
    """Resident memory in MB, its peak, and the threads that the operating system counts for this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    megabytes = {name: int(lines[key].split()[0]) / 1024 for name, key in (("rss", "VmRSS"), ("peak", "VmHWM"))}
    return {**megabytes, "threads": int(lines["Threads"])}


def seconds_of(program: str) -> float:
    """How long `program` takes in an interpreter of its own, with the start of that."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def text_of(size: int) -> str:
    """So many random letters and digits, always the same."""
    return base64.b64encode(random.Random(size).randbytes(size)).decode()[:size]


class Night:
    """Sleepers that are all due at one moment."""

    def __init__(self) -> None:
        self.due = 0.0
        self.late: list[float] = []

    def left(self) -> float:
        """Seconds until the moment; what is recorded at the first call is what counts."""
        return max(0.0, self.due - time.time())

    def wakes(self) -> None:
        self.late.append(time.time() - self.due)

    def pass_by(self, job: Job, start: Callable[[], None], all_sleep: Callable[[], object]) -> Figures:
        """Let `job["workflows"]` sleepers run into a moment `job["allowance"]` seconds from now.

        Seconds until all slept, how it was then, and how late each woke (ms); when the moment came too early, the
        seconds until all were through ("overslept").
        """
        n, launched = job["workflows"], time.time()
        self.due = launched + job["allowance"]
        start()
        wait_until(lambda: time.time() >= self.due or all_sleep(), "all asleep")
        asleep, rest = time.time(), at_rest()
        wait_until(lambda: len(self.late) >= n, "all awake")
        if asleep >= self.due:
            return {"overslept": time.time() - launched}
        late = [seconds * 1000 for seconds in self.late]
        return {"parked": asleep - launched, "rest": rest, "late": late, "peak": at_rest()["peak"]}


class Hold:
    """Keeps coroutines in memory, in a process that is then killed; in any other they pass."""

    def __init__(self) -> None:
        self.wanted: int | None = None
        self.held = 0
        self.all_held = threading.Event()

    async def here(self) -> None:
        if self.wanted is None:
            return
        self._count()
        await asyncio.Event().wait()

    def here_in_thread(self) -> None:
        """`here` for a thread."""
        if self.wanted is None:
            return
        self._count()
        threading.Event().wait()

    def wait(self) -> None:
        """Raises `RuntimeError` when not as many as wanted are held in the end."""
        if not self.all_held.wait(LONGEST_SECONDS):
            raise RuntimeError(f"{self.held} of {self.wanted} workflows were held")

    def _count(self) -> None:
        self.held += 1
        if self.held == self.wanted:
            self.all_held.set()


def crash() -> None:
    """End this process as a crash does: nothing is let go of."""
    os.kill(os.getpid(), signal.SIGKILL)


class Gate:
    """Calls `start` in a thread once the file `path` is there, so that several processes begin together."""

    def __init__(self, path: str, start: Callable[[], object]):
        self.path, self.start = path, start
        self.error = ""
        """Why it could not begin."""
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while not os.path.exists(self.path):
            time.sleep(GATE_SECONDS)
        try:
            self.start()
        except Exception as error:
            self.error = repr(error)
