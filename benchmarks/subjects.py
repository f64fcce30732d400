"""The engines as processes: started with a verb and a job, answering in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import durable

from .peers import LIMIT, OURS, PEERS, Peer

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "peers"
VENVS = ROOT / ".durable" / "benchmarks" / "venvs"
TIMEOUT_SECONDS = 120
LAST_WORDS = 2000

Json = dict[str, Any]


class Failed(RuntimeError):
    """A program ended without an answer, or a peer could not be installed."""


@dataclass(frozen=True)
class Subject:
    """One engine, or the limit."""

    name: str
    title: str
    python: Path
    table: str = ""
    """Where its workflows are, on PostgreSQL."""

    def can(self, module: str) -> bool:
        """Whether it has programs for a scenario."""
        return (PROGRAMS / self.name / f"{module}.py").exists()

    def ask(self, verb: str, url: str, **job: Any) -> Json:
        """What a program answers: `verb` is "module.verb". Raises `Failed` with its last words."""
        process = self._start(verb, url, job)
        try:
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += f"\nno answer within {TIMEOUT_SECONDS} s"
        if process.returncode or not out:
            raise Failed(f"{self.title}, {verb} {job}: {err[-LAST_WORDS:]}")
        return json.loads(out.splitlines()[-1])

    @contextmanager
    def working(self, verb: str, url: str, **job: Any) -> Iterator[Json]:
        """A worker, ready, in a process of its own. After the block, what it said at its end is in the mapping."""
        process = self._start(verb, url, job, stdin=subprocess.PIPE)
        assert process.stdout is not None
        said: Json = {}
        try:
            if not process.stdout.readline():
                raise Failed(f"{self.title}, {verb} {job}: {process.communicate()[1][-LAST_WORDS:]}")
            yield said
        finally:
            try:
                out, _ = process.communicate(timeout=10)  # closes its standard input, and so lets it end
                said.update(json.loads(out or "{}"))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def _start(self, verb: str, url: str, job: Json, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.python, "-m", "benchmarks.peers", self.name, *verb.split("."), json.dumps(job)],
            cwd=ROOT,
            env={**os.environ, "BENCHMARK_DATABASE_URL": url},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def ours() -> Subject:
    return Subject(OURS, f"durable {durable.__version__}", Path(sys.executable), "durable_workflow")


def limit(driver: str) -> Subject:
    return Subject(LIMIT, driver, Path(sys.executable))


def peer(name: str) -> Subject:
    """A peer in its own virtual environment, which is made on first use. Raises `Failed`."""
    known = PEERS[name]
    return Subject(name, f"{name} {known.version}", _python(known), known.table)


def _python(peer: Peer) -> Path:
    folder = VENVS / peer.name
    python = folder / "bin" / "python"
    complete = folder / "requirements.txt"
    wanted = "\n".join(peer.requirements)
    if complete.exists() and complete.read_text() == wanted:
        return python
    print(f"installing {', '.join(peer.requirements)} ...", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    for command in ([sys.executable, "-m", "venv", "--clear", folder], pip):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{peer.name} cannot be installed: {done.stderr[-LAST_WORDS:]}")
    complete.write_text(wanted)
    return python
