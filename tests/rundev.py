"""Starts the real `manage.py rundev` for a test, and reads what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent


class Rundev:
    """One `manage.py rundev` in `project`, at a free port, with its files in `home`."""

    def __init__(self, home: Path, *options: str, project: Path = ROOT, **environment: str):
        self.home = home
        self.command = [sys.executable, "manage.py", "rundev", "--addr", "127.0.0.1:0", *options]
        self.project = project
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DURABLE_", "DJANGO_"))}
        self.environment = kept | {"DURABLE_HOME": str(home), "PYTHONUNBUFFERED": "1"} | environment
        self.lines: list[str] = []
        self.news = threading.Condition()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def read(self) -> None:
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()
        with self.news:
            self.news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, *, since: int = 0, timeout: float = 60) -> re.Match[str]:
        """The first line from number `since` on that matches `pattern`."""
        until = time.monotonic() + timeout
        with self.news:
            while True:
                for line in self.lines[since:]:
                    if match := re.search(pattern, line):
                        return match
                rest = until - time.monotonic()
                assert rest > 0 and self.reader.is_alive(), f"No line matches {pattern!r} in:\n{self.output}"
                self.news.wait(min(rest, 1))

    def ready(self) -> Self:
        self.wait_for("Ready after")
        return self

    @property
    def url(self) -> str:
        return self.wait_for(r"(http://127\.0\.0\.1:\d+)/").group(1)

    @property
    def password(self) -> str:
        return self.wait_for(r"Password +(\S+)").group(1)

    @property
    def child(self) -> int:
        """The process that serves now."""
        found = re.findall(r"(?:Process +|process )(\d+)", self.output)
        return int(found[-1])

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read().decode()

    def interrupt(self) -> int:
        """Ctrl-C, as a terminal sends it: to every process of the group. Returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=40)
