"""Programs written for DBOS, run as they are printed but for their import line."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.support import wait_until

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
IMPORT = re.compile(r"^from dbos import", re.M)
SECONDS = 30


def changed(text: str) -> str:
    """A program's text after what a person does to it: the import line names Durable."""
    return IMPORT.sub("from durable.compat.dbos import", text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A program in a folder of its own, in which its process runs."""

    def __init__(self, folder: Path, name: str, url: str | None, **replaced: str):
        self.folder, self.url, self.port = folder, url, free_port()
        text = changed((PROGRAMS / name).read_text())
        for old, new in {"port=8000": f"port={self.port}", **replaced}.items():
            text = text.replace(old, new)
        self.path = folder / name
        self.log = folder / f"{self.path.stem}.log"
        self.path.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, **environment: str) -> Program:
        """Begin to run it: `python program.py`, or another command."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command or [sys.executable, self.path.name],
                cwd=self.folder,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def run(self, *command: str, code: int = 0, **environment: str) -> str:
        """Run it to its end; what it printed."""
        self.start(*command, **environment)
        assert self.process is not None
        assert self.process.wait(SECONDS) == code, self.output
        return self.output

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DURABLE_", "DJANGO_", "DBOS"))}
        keys = ("DBOS_SYSTEM_DATABASE_URL", "DBOS_DATABASE_URL", "TESTING_DATABASE_URL")
        urls = dict.fromkeys(keys, self.url) if self.url else {}
        return {**kept, **urls, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}

    @property
    def output(self) -> str:
        return self.log.read_text()

    def until(self, text: str) -> None:
        """Wait until it has printed `text`."""
        wait_until(lambda: self._lives() and text in self.output, SECONDS, f"the program prints {text!r}")

    def _lives(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output}"
        return True

    def get(self, path: str, *, method: str = "GET", **headers: str) -> str:
        """What its server answers, once it listens."""
        wait_until(self._listens, SECONDS, f"the program listens; it said:\n{self.output}")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers=named)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read().decode()

    def _listens(self) -> bool:
        self._lives()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def interrupt(self) -> int:
        """Control-C, as a person ends it; its exit code."""
        return self._signal(signal.SIGINT)

    def kill(self) -> int:
        return self._signal(signal.SIGKILL)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def _signal(self, number: int) -> int:
        assert self.process is not None
        os.killpg(self.process.pid, number)
        return self.process.wait(SECONDS)


def address_of(alias: dict[str, Any], name: str) -> str:
    """The address of another database on the server of a Django database."""
    query = f"?host={alias['HOST']}" if alias["HOST"].startswith("/") else ""
    host = "" if query else f"{alias['HOST'] or 'localhost'}:{alias['PORT'] or 5432}"
    login = alias["USER"] + (f":{alias['PASSWORD']}" if alias["PASSWORD"] else "")
    return f"postgresql://{login}@{host}/{name}{query}"
