from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils.autoreload import get_child_arguments

from durable.conf import conf
from durable.contrib import dev
from durable.contrib.dev import postgres as embedded
from durable.contrib.dev.serving import listen
from durable.contrib.dev.site import Site
from durable.contrib.dev.supervisor import Supervisor


class Command(BaseCommand):
    help = (
        "Runs the site on your own machine: migrates, makes a demo operator, then web server and executor in one "
        "process that is started again when it dies or when its source changes. Ctrl-C drains and ends it."
    )
    requires_system_checks: list[str] = []  # the child checks, each time that it starts

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--addr", default="127.0.0.1:8000", metavar="HOST:PORT", help="default: %(default)s")
        parser.add_argument("--concurrency", type=int, help="workflows at once; default: DURABLE['CONCURRENCY']")
        parser.add_argument("--postgres", action="store_true", help="on an embedded PostgreSQL instead of SQLite")
        parser.add_argument("--no-reload", action="store_true", help="do not watch the source for changes")

    def handle(
        self, *, addr: str, concurrency: int | None, postgres: bool, no_reload: bool, verbosity: int, **options: Any
    ) -> None:
        if dev.is_supervised():
            if postgres and connections[conf().DATABASE].vendor != "postgresql":
                raise CommandError(
                    f"--postgres works with settings that take their database from {embedded.URL}.",
                    returncode=dev.REFUSED,
                )
            site = Site(self, concurrency=concurrency, reload=not no_reload, verbosity=verbosity)
            raise SystemExit(site.run())
        try:
            listener = listen(addr)
        except ValueError:
            raise CommandError(f"--addr {addr} is not an address; give host:port, such as 127.0.0.1:8000.") from None
        except OSError as error:
            raise CommandError(
                f"Cannot listen at {addr}: {os.strerror(error.errno or 0)}. Give another with --addr."
            ) from None
        if postgres:
            embedded.start(Path.cwd())
        raise SystemExit(Supervisor(get_child_arguments(), listener, self.note).run())

    def note(self, line: str) -> None:
        self.stdout.write(self.style.WARNING(line))
        self.stdout.flush()
