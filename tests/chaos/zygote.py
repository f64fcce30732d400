"""A process that has imported everything and forks executors: real processes, each within milliseconds.

It holds no connection and no thread, so that its children begin as `manage.py runexecutor` does.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, STOP_SECONDS, ExecutorProcess, environment

PROGRAM = "import django; django.setup(); from tests.chaos.zygote import serve; serve()"

PR_SET_PDEATHSIG = 1


class Zygote:
    """The parent of forked executors, as the tests talk to it: a line of JSON there, a line back."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate(timeout=STOP_SECONDS)


class Child:
    """A forked process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, zygote: Zygote, pid: int):
        self.zygote, self.pid = zygote, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.zygote.ask(wait=self.pid, seconds=0)
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            self.returncode = self.zygote.ask(wait=self.pid, seconds=timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("runexecutor", timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkedExecutor(ExecutorProcess):
    """`manage.py runexecutor` in a child of the zygote.

    `arms` names what `tests.chaos.workflows` may do there ("elsewhere": it says that it is on another machine), `crash`
    the point at which the process kills itself, `site` settings of the project.
    """

    def __init__(
        self, zygote: Zygote, log: Path, arguments: tuple[str, ...] = (), changes: dict[str, Any] | None = None,
        *, arms: tuple[str, ...] = (), crash: dict[str, str] | None = None, site: dict[str, Any] | None = None,
    ):  # fmt: skip
        self.log = log
        log.touch()
        pid = zygote.ask(fork=arguments, log=str(log), settings=changes or {}, arms=arms, crash=crash, site=site or {})
        self.process = Child(zygote, pid)  # type: ignore[assignment]

    @property
    def is_suspended(self) -> bool:
        """Whether the kernel says that it is stopped, as after SIGSTOP."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def serve() -> None:
    """Fork and reap as the tests ask, until they close the pipe."""
    from django.urls import reverse

    import tests.chaos.crashing
    import tests.chaos.streaming
    import tests.chaos.workflows  # noqa: F401

    reverse("widget_store:shop")  # imports what the site's addresses lead to
    for line in sys.stdin:
        request = json.loads(line)
        if "fork" in request:
            if (pid := os.fork()) == 0:
                become_executor(request)
            answer: int | None = pid
        else:
            answer = reap(request["wait"], request["seconds"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def reap(pid: int, seconds: float) -> int | None:
    """The exit code of a child, as Popen gives it; None when it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.002)


def become_executor(request: dict[str, Any]) -> None:
    """In the child: run the command to its end; never return."""
    code = 70
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whatever becomes of the tests, no child is left
        _redirect(request["log"])
        _prepare(request)
        code = _call_directly() if "call directly" in request["arms"] else _run(request["fork"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: str) -> None:
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND)
    for target, source in ((0, nothing), (1, file), (2, file)):
        os.dup2(source, target)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _prepare(request: dict[str, Any]) -> None:
    from django.conf import settings

    from durable import signals
    from durable.conf import conf
    from durable.executor import executor, identity
    from durable.management.commands.runexecutor import Command

    from . import crashing, workflows

    settings.DURABLE = {**settings.DURABLE, **request["settings"]}
    for name, value in request["site"].items():
        setattr(settings, name, value)
    conf.cache_clear()
    Command._check_migrations = lambda self: None  # type: ignore[method-assign]  # the half of what a start costs
    executor.STOP_SECONDS = 0.2  # threads that tests hold in a step do not end sooner for being waited for
    workflows.armed |= set(request["arms"])
    if "elsewhere" in request["arms"]:
        identity.host = lambda: "another boot, another namespace"
    if "end at start" in request["arms"]:
        signals.executor_started.connect(lambda **_: os.kill(os.getpid(), signal.SIGTERM), weak=False)
    if request["crash"]:
        crashing.Points(**request["crash"]).watch()


def _run(arguments: list[str]) -> int:
    from django.core.management import CommandError, call_command

    try:
        call_command("runexecutor", *arguments)
    except SystemExit as end:
        return int(end.code or 0)
    except CommandError as error:
        sys.stderr.write(f"CommandError: {error}\n")
        return error.returncode
    return 0


def _call_directly() -> int:
    """Not the command, but a program that calls a workflow."""
    from . import workflows

    workflows.two_steps("a")
    return 0
