"""The child of `rundev`: one process with the web server and an executor."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch, reverse

from durable.conf import conf
from durable.executor import Executor

from . import REFUSED, RELOAD, VARIABLE, preparing
from .operator import Operator, demo_operator
from .progress import Progress
from .reloading import Reloader
from .serving import WebServer, url_of

RELOAD_GRACE_SECONDS = 5
"""How long a change of source waits for steps in work; what is not done by then goes on after the restart."""


class Site:
    """Everything that one child process does, from the first check to the last drained workflow."""

    def __init__(self, command: BaseCommand, *, concurrency: int | None, reload: bool, verbosity: int):
        self.command = command
        self.concurrency = concurrency or conf().CONCURRENCY
        self.reload = reload
        self.verbosity = verbosity
        self.began = time.monotonic()
        self.inbox: SimpleQueue[int] = SimpleQueue()
        parent, listener, starts = os.environ[VARIABLE].split(":")
        self.parent = int(parent)
        self.listener = socket.socket(fileno=int(listener))
        self.is_first = starts == "0"
        self.is_ending = False
        self.operator: Operator | None = None
        self.progress = Progress(self.say, command.style)

    def run(self) -> int:
        """Serve until told to stop; returns the exit code that tells the parent why."""
        self.refuse_unless_debug()
        self.command.check()
        signal.signal(signal.SIGTERM, self.asked)
        addresses = list(self.prepare())
        if self.reload:
            reloader = Reloader(self.changed)
            reloader.look()
        self.progress.listen()
        executor, server = Executor(concurrency=self.concurrency), WebServer(self.listener)
        self.quieten()
        executor.start()
        server.start()
        self.greet(addresses)
        if self.reload:
            reloader.start()
        code = self.wait()
        server.stop()
        self.drain(executor, code)
        return code

    def refuse_unless_debug(self) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "rundev is for your own machine and runs only with DEBUG on: it makes an operator whose password it "
                "shows, and it serves pages that a public site must not. Set DEBUG = True in the settings, or run "
                "runexecutor beside a real web server.",
                returncode=REFUSED,
            )

    def quieten(self) -> None:
        """Requests are not what one watches here; errors and refusals still show.

        After the web server is made: it sets Django up once more, logging included.
        """
        if self.verbosity < 2:
            logging.getLogger("django.server").setLevel(logging.WARNING)

    def prepare(self) -> Iterator[tuple[str, str]]:
        """Migrate, and let the apps load what they show. Yields the labels and paths to print."""
        for alias in dict.fromkeys(("default", conf().DATABASE)):
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        with suppress(NoReverseMatch):  # a project without the dashboard
            yield "Console", reverse("durable_dashboard:overview")
        with suppress(NoReverseMatch):
            yield "API", reverse("durable_api:docs")
        answers: list[tuple[Any, Any]] = preparing.send(sender=type(self))
        yield from (address for _, address in answers if address)
        if apps.is_installed("django.contrib.auth"):
            self.operator = demo_operator()

    def greet(self, addresses: list[tuple[str, str]]) -> None:
        seconds = time.monotonic() - self.began
        if not self.is_first:
            self.say(f"Up again after {seconds:.1f} s, process {os.getpid()}.")
            return
        url = url_of(self.listener)
        for label, path in addresses:
            self.say(f"  {label:12} {url}{path}")
        if self.operator:
            self.say(f"  {'Sign in as':12} {self.operator.name}")
            self.say(f"  {'Password':12} {self.operator.password or 'the one that you set (manage.py changepassword)'}")
        self.say(f"  {'Process':12} {os.getpid()}, {self.concurrency} workflows at once")
        self.say(f"Ready after {seconds:.1f} s. Ctrl-C drains and ends.")

    def asked(self, number: int, frame: FrameType | None) -> None:
        """The first time drain; the second time end at once, which is as safe as a crash."""
        if self.is_ending:
            os._exit(0)
        self.is_ending = True
        self.inbox.put(0)

    def changed(self, path: Path) -> None:
        self.say(f"{path.name} changed: draining, then starting again.")
        self.inbox.put(RELOAD)

    def wait(self) -> int:
        """The exit code, once there is a reason to end."""
        while os.getppid() == self.parent:
            self.progress.flush()
            try:
                return self.inbox.get(timeout=1)
            except Empty:
                continue
        return 0

    def drain(self, executor: Executor, code: int) -> None:
        grace = conf().SHUTDOWN_GRACE_SECONDS
        if code == RELOAD:
            grace = min(grace, RELOAD_GRACE_SECONDS)
        else:
            self.say("Draining: steps in work finish, the rest goes on at the next start. Ctrl-C again ends at once.")
        executor.drain(grace)
        self.progress.flush()
        if code != RELOAD:
            self.say("Ended.")

    def say(self, line: str) -> None:
        self.command.stdout.write(line)
        self.command.stdout.flush()
