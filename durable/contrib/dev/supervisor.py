"""The parent of `rundev`: starts the child, starts it again when it dies, and hands on the wish to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from . import REFUSED, RELOAD, VARIABLE

SHORT_LIFE_SECONDS = 5
"""A child that dies younger than this is started again ever later: after 0, 1, 2, 4 … seconds."""

LONGEST_REST_SECONDS = 10
NOT_SOURCES = {"node_modules", "__pycache__", "site-packages"}


class Supervisor:
    """Keeps one child process alive until it is asked to stop.

    `command` is the child's argument list, `listener` the bound socket it inherits, `say` prints one line.
    """

    def __init__(self, command: Sequence[str], listener: socket.socket, say: Callable[[str], None]):
        self.command = list(command)
        self.listener = listener
        self.say = say
        self.child: subprocess.Popen[bytes] | None = None
        self.asked = 0
        self.starts = 0
        self.short_lives = 0

    def run(self) -> int:
        """Supervise until SIGINT or SIGTERM; returns the exit code of the whole: 0 when it ended as asked."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.ask)
        while not self.asked:
            began, sources = time.monotonic(), fingerprint()
            code = self.start().wait()
            if self.asked:
                break
            if code == REFUSED:
                return 1
            if code != RELOAD:
                self.rest(code, time.monotonic() - began, sources)
        return 0

    def start(self) -> subprocess.Popen[bytes]:
        number = self.listener.fileno()
        environment = {"DURABLE_DEBUG": "1"} | os.environ | {VARIABLE: f"{os.getpid()}:{number}:{self.starts}"}
        self.starts += 1
        self.child = subprocess.Popen(self.command, env=environment, pass_fds=[number], preexec_fn=ignore_interrupt)
        if self.asked:  # in between: the handler could not see the child yet
            self.child.terminate()
        return self.child

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Hand the wish on. The first time the child drains; the second time it ends at once."""
        self.asked += 1
        if self.child and self.child.returncode is None:
            self.child.terminate()

    def rest(self, code: int, lived: float, sources: object) -> None:
        """Wait before the next start: longer each time that a child dies young, no longer than a change of source."""
        self.short_lives = self.short_lives + 1 if lived < SHORT_LIFE_SECONDS else 1
        seconds = min(LONGEST_REST_SECONDS, 2 ** (self.short_lives - 2)) if self.short_lives > 1 else 0
        if code > 0:
            seconds = max(1, seconds)  # it ended with an error: leave time to read it
        when = f"in {seconds} s, or when a source file changes" if seconds else "now"
        self.say(f"The process {died(code)}. Starting it again {when}.")
        until = time.monotonic() + seconds
        while not self.asked and time.monotonic() < until and fingerprint() == sources:
            time.sleep(0.25)


def ignore_interrupt() -> None:
    """Ctrl-C reaches every process of the terminal; the child shall hear it from its parent, once, as SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def died(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def fingerprint() -> frozenset[tuple[str, float]]:
    """Every Python file below the current folder with its time of change, but for virtual environments."""
    return frozenset(sources(Path.cwd()))


def sources(top: Path) -> Iterator[tuple[str, float]]:
    for folder, names, files in os.walk(top):
        names[:] = [
            name
            for name in names
            if not name.startswith(".")
            and name not in NOT_SOURCES
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                try:
                    yield path, os.stat(path).st_mtime
                except FileNotFoundError:
                    continue
