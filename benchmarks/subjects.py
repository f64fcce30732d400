"""The engines as processes: started with a verb and a job, answering in JSON."""

from __future__ import annotations

import ast
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

from .peers import LIMIT, OUR_TABLE, OURS, PEERS, Peer, Results, Table

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "peers"
VENVS = ROOT / ".durable" / "benchmarks" / "venvs"
TIMEOUT_SECONDS = 900
END_SECONDS = 10
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
    table: Table | Results | None = None
    """Where its workflows are; as text, the name of the table on PostgreSQL."""
    place: str | None = None
    """What they are kept in, if not in the run's databases."""

    def can(self, module: str) -> bool:
        """Whether it has programs for a scenario."""
        return self._program(module).exists()

    def parts_of(self, module: str) -> tuple[str, ...] | None:
        """The keys of the parts of a scenario that its program can do, by the `PARTS` it names; None if it names none.

        Read from the source: the program itself can only be imported where its engine is installed.
        """
        for line in ast.parse(self._program(module).read_text()).body:
            if isinstance(line, ast.Assign) and [ast.unparse(target) for target in line.targets] == ["PARTS"]:
                return tuple(ast.literal_eval(line.value))
        return None

    def does(self, module: str, part: Any) -> bool:
        """Whether its program can do a part: one that is a key, or has a `key`; any other it can."""
        able, key = self.parts_of(module), getattr(part, "key", part)
        return able is None or not isinstance(key, str) or key in able

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
        """A worker, ready, in a process of its own. After the block, what it said at its end is in the mapping.

        Raises `Failed` with its last words when it did not get ready, or ended with an error.
        """
        process = self._start(verb, url, job, stdin=subprocess.PIPE)
        assert process.stdout is not None
        said: Json = {}
        try:
            if not process.stdout.readline():
                raise Failed(f"{self.title}, {verb} {job}: {process.communicate()[1][-LAST_WORDS:]}")
            yield said
        except BaseException:
            _end(process)
            raise
        out, err = _end(process)
        if process.returncode > 0:  # below: it was killed, as a scenario may do
            raise Failed(f"{self.title}, {verb} {job}: {err[-LAST_WORDS:]}")
        said.update(json.loads(out or "{}"))

    def _program(self, module: str) -> Path:
        return PROGRAMS / self.name / f"{module}.py"

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


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Close its standard input, which lets it end; what it says at that. One that takes too long is killed."""
    try:
        return process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "", ""


def ours() -> Subject:
    return Subject(OURS, f"durable {durable.__version__}", Path(sys.executable), OUR_TABLE)


def limit(driver: str) -> Subject:
    return Subject(LIMIT, driver, Path(sys.executable))


def peer(name: str, kind: str) -> Subject:
    """A peer beside databases of a kind, in its own virtual environment, made on first use. Raises `Failed`."""
    known = PEERS[name]
    place = known.place(kind)
    if place is None:
        raise Failed(f"{name} works on {', '.join(known.places)} only")
    return Subject(name, f"{name} {known.version}", _python(known), known.table, place if place != kind else None)


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
