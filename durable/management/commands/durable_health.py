"""`manage.py durable_health`: whether workflows can run, for people and for a monitor."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...errors import DurableError
from ..face import as_json, printable
from ..health import examined


class Command(BaseCommand):
    help = (
        "Say whether workflows can run: database, migrations, clocks, living executors, stale leases, oldest ready "
        "work. Exit code 0 when all is well, 1 when something is not."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
        parser.add_argument(
            "--max-wait", type=float, default=300, metavar="SECONDS", help="of ready work (default: 300)"
        )
        parser.add_argument("--max-skew", type=float, default=2, metavar="SECONDS", help="between clocks (default: 2)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            findings = list(examined(options["max_wait"], options["max_skew"]))
        except DurableError as error:
            raise CommandError(str(error)) from error
        is_well = all(finding.is_well for finding in findings)
        if options["format"] == "json":
            checks = {each.name: {"ok": each.is_well, "says": each.says, **each.figures} for each in findings}
            self.stdout.write(as_json({"ok": is_well, "checks": checks}))
        else:
            for each in findings:
                word = self.style.SUCCESS("ok  ") if each.is_well else self.style.ERROR("FAIL")
                self.stdout.write(f"{word}  {each.name:<10}  {printable(each.says)}")
        if not is_well:
            sys.exit(1)
