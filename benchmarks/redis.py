"""A Redis server for the peers that need one: on a Unix socket, as PostgreSQL is, and without persistence."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .peers import REDIS, Results
from .subjects import Failed, Subject

PROGRAM = "redis-server"
START_SECONDS = 10
MISSING = f"{PROGRAM} is not on the PATH: install it (Debian: apt-get install redis-server)"


class Redis:
    """One server, emptied for each measurement."""

    kind = REDIS

    def __init__(self, path: Path):
        self.path = path

    @property
    def facts(self) -> dict[str, str]:
        version = next(line for line in self._ask("info server").splitlines() if line.startswith("redis_version"))
        return {
            "server": f"{version.partition(':')[2].strip()}, embedded, over a Unix socket",
            "persistence": "none: what its peers accept is in memory only",
        }

    @contextmanager
    def fresh(self, subject: Subject) -> Iterator[str]:
        self._ask("flushall")
        yield f"unix://{self.path}?db=0"

    @contextmanager
    def watching(self, url: str, results: Results, n: int) -> Iterator[Callable[[], int | None]]:
        connection = Connection(self.path)

        def succeeded() -> int | None:
            *_, there = [connection.ask(command) for command in results.commands.splitlines()]
            return int(there) if int(there) >= n else None

        yield succeeded
        connection.close()

    def connect(self, url: str) -> Any:
        return Connection(self.path)

    def _ask(self, command: str) -> str:
        connection = Connection(self.path)
        try:
            return connection.ask(command)
        finally:
            connection.close()


class Connection:
    """Just enough of the protocol to ask for a number or a text."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.answers = self.socket.makefile("rb")

    def ask(self, command: str) -> str:
        self.socket.sendall(f"{command}\r\n".encode())
        kind, value = (line := self.answers.readline().decode().rstrip())[:1], line[1:]
        if kind == "$":
            return self.answers.read(int(value) + 2).decode().rstrip()
        if kind not in ("+", ":"):
            raise Failed(f"Redis answered {line!r} to {command!r}")
        return value

    def close(self) -> None:
        self.answers.close()
        self.socket.close()


@contextmanager
def open_redis() -> Iterator[Redis]:
    """A server for the run, in a folder of its own. Raises `Failed`."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise Failed(MISSING)
    short = tempfile.TemporaryDirectory(prefix="durable-benchmark-")  # a socket's path is in it
    with short as folder, _running(program, Path(folder)) as redis:
        yield redis


@contextmanager
def _running(program: str, folder: Path) -> Iterator[Redis]:
    path = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(path), "save": "", "appendonly": "no", "dir": str(folder)}
    options["loglevel"] = "warning"
    command = [program, *(word for name, value in options.items() for word in (f"--{name}", value))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _wait_for(process, path)
        yield Redis(path)
    finally:
        process.terminate()
        process.communicate()


def _wait_for(process: subprocess.Popen[str], path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return Connection(path).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise Failed(f"{PROGRAM} did not start: {process.communicate()[0][-500:]}") from None
            time.sleep(0.01)
