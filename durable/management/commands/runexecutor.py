"""`manage.py runexecutor`: a process that runs workflows until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError

from ...conf import conf
from ...contrib.dev.reloading import Reloader
from ...errors import DatabaseAway, DurableError
from ...executor import Executor
from ...logs import log_to
from .. import crew


class Command(BaseCommand):
    help = "Run workflows: claim, execute, recover. First SIGTERM or Ctrl-C drains, a second one lets go at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", help="comma-separated names (default: all); work without one is always served")
        parser.add_argument("--concurrency", type=int, help="how many workflows run at once (default: CONCURRENCY)")
        parser.add_argument("--processes", type=int, help="how many such processes (default: PROCESSES)")
        parser.add_argument("--grace", type=float, help="seconds to finish steps (default: SHUTDOWN_GRACE_SECONDS)")
        parser.add_argument("--label", help="a name for people (default: host and pid)")
        parser.add_argument(
            "--reload", action=BooleanOptionalAction, default=None,
            help="drain and start again when a source file changes (default: in DEBUG)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        log_to(self.stdout, verbosity=options["verbosity"])
        for option in ("concurrency", "processes"):
            if options[option] is not None and options[option] < 1:
                raise CommandError(f"--{option} {options[option]} is not valid: give at least 1.")
        self._check_migrations()
        processes = options["processes"] or conf().PROCESSES
        if processes > 1 and not crew.is_member():
            sys.exit(crew.Crew(processes, self.stdout.write).run())
        self._serve(options)

    def _serve(self, options: dict[str, Any]) -> None:
        queues = [name.strip() for name in options["queues"].split(",") if name.strip()] if options["queues"] else None
        asked, hurry = signals()  # before the start, so that a signal during it drains too
        changed = watch(asked) if options["reload"] or (options["reload"] is None and settings.DEBUG) else None
        try:
            executor = Executor(queues=queues, concurrency=options["concurrency"], label=options["label"]).start()
        except DurableError as error:
            raise CommandError(str(error)) from error
        grace = conf().SHUTDOWN_GRACE_SECONDS if options["grace"] is None else options["grace"]
        serve(executor, grace, asked, hurry)
        if changed and changed.is_set() and not hurry.is_set():
            os.execv(sys.executable, [sys.executable, *sys.argv])

    def _check_migrations(self) -> None:
        alias = conf().DATABASE or DEFAULT_DB_ALIAS
        try:
            plan = MigrationExecutor(connections[alias])
            pending = plan.migration_plan([key for key in plan.loader.graph.leaf_nodes() if key[0] == "durable"])
        except DatabaseError as error:
            raise CommandError(str(DatabaseAway(alias=alias, reason=str(error).strip()))) from error
        if pending:
            raise CommandError(
                f"Durable's tables are not up to date in database {alias!r}. Run: manage.py migrate --database {alias}"
            )


def signals() -> tuple[threading.Event, threading.Event]:
    """Events for the first and the second SIGTERM or Ctrl-C."""
    asked, hurry = threading.Event(), threading.Event()

    def stop(signum: int, frame: Any) -> None:
        (hurry if asked.is_set() else asked).set()

    signal.signal(signal.SIGTERM, stop)
    # Ctrl-C reaches every process of a terminal; a member of a crew hears it from its parent, once, as SIGTERM
    signal.signal(signal.SIGINT, signal.SIG_IGN if crew.is_member() else stop)
    return asked, hurry


def watch(asked: threading.Event) -> threading.Event:
    """An event that is set, with `asked`, when a source file changes."""
    changed = threading.Event()

    def change(path: Path) -> None:
        changed.set()
        asked.set()

    reloader = Reloader(change)
    reloader.look()
    reloader.start()
    return changed


def serve(executor: Executor, grace: float, asked: threading.Event, hurry: threading.Event) -> None:
    """Serve until asked to stop, here or in the database, then drain; being hurried ends the grace."""
    parent = os.getppid()
    while not asked.wait(0.5) and not executor.is_draining and not crew.has_lost_its_parent(parent):
        pass
    draining = threading.Thread(target=executor.drain, args=(grace,), daemon=True)
    draining.start()
    while draining.is_alive() and not hurry.is_set():
        draining.join(timeout=0.1)
    if hurry.is_set():
        executor.drain_now()
        draining.join(timeout=10)
