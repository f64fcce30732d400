"""Executors as processes of their own, so that a test can kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from durable.models import Executor

from .waiting import wait_until

ROOT = Path(__file__).parents[2]
START_SECONDS = 30
STOP_SECONDS = 30


def environment(**changes: Any) -> dict[str, str]:
    """The environment in which a process has this test's database and settings, with `changes` to `DURABLE`."""
    alias = settings.DATABASES["default"]
    database = {key: alias[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DURABLE_TEST_DATABASE": json.dumps(database, default=str),
        "DURABLE_TEST_SETTINGS": json.dumps({**settings.DURABLE, **changes}),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


class ExecutorProcess:
    """`manage.py runexecutor`, running. What it prints is in `output`."""

    def __init__(self, log: Path, arguments: tuple[str, ...] = (), changes: dict[str, Any] | None = None):
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runexecutor", *arguments],
                cwd=ROOT,
                env=environment(**changes or {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that a kill reaches its children too
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def executor(self) -> Executor | None:
        """Its living row. A process that starts several has the first."""
        rows = Executor.objects.living().filter(claims=True)
        return next((row for row in rows if self._is_ours(row.pid)), None)

    def wait_until_ready(self, timeout: float = START_SECONDS) -> Executor:
        """Its row, once it takes work. Fails the test when the process has ended before."""

        def ready() -> Executor | None:
            assert self.process.poll() is None, f"runexecutor ended with {self.process.returncode}:\n{self.output}"
            return self.executor

        return wait_until(ready, timeout, f"runexecutor is ready; it said:\n{self.output}")

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is said to the database."""
        self._signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def terminate(self) -> None:
        """SIGTERM: it drains. Does not wait; `wait()` does."""
        self.process.send_signal(signal.SIGTERM)

    def suspend(self) -> None:
        """SIGSTOP: alive and deaf, as in a long pause of the machine. `proceed()` wakes it, as a zombie perhaps."""
        self._signal(signal.SIGSTOP)

    def proceed(self) -> None:
        self._signal(signal.SIGCONT)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(timeout)

    def end(self) -> None:
        """End it whatever it does, at the end of a test."""
        if self.process.poll() is None:
            self.kill()

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getpgid(pid) == self.process.pid
        except ProcessLookupError:
            return False

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
