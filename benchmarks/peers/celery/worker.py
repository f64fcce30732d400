"""Celery's worker, which is started by its command and has processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
END_SECONDS = 8


class Worker:
    """What a running worker told, and what it takes."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.told: dict[str, float] = {}
        self.ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def cpu(self) -> float:
        """Seconds of processor time of its processes until now."""
        return sum(_ticks(each) for each in _family(self.process.pid)) / TICKS

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith('{"'):
                for event, at in json.loads(line).items():
                    self.told[event] = min(at, self.told.get(event, at))  # each process of the pool has its first
                if "ready" in self.told:
                    self.ready.set()
        self.ready.set()


@contextmanager
def running(*options: str) -> Iterator[Worker]:
    """A worker, ready, with its defaults but for the log level and what is said."""
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery.app", "worker", "-l", "ERROR", *options]
    environment = {**os.environ, "BENCHMARK_TELLS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    worker = Worker(process)
    try:
        worker.ready.wait()
        if "ready" not in worker.told:
            raise RuntimeError("the worker did not start")
        yield worker
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _ticks(pid: int) -> int:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)
