"""`manage.py prune`: delete ended workflows, by age and by number."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ...audit import audited
from ...errors import DurableError
from ...executor.pruner import BATCH
from ...reaching import Place
from ...retention import plan, prune
from ...states import FINAL
from ..face import SOURCE, operator, printable

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Command(BaseCommand):
    help = (
        "Delete ended workflows with all their rows, in small batches. Without --older-than and --rows: what "
        'DURABLE["RETENTION"] says. Live workflows, and those whose parent is live, are never deleted.'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=duration, help="those that ended longer ago: 90s, 45m, 12h, 30d, 2w")
        parser.add_argument("--rows", type=int, help="all but this many, the newest by their start")
        parser.add_argument(
            "--status",
            action="append",
            metavar="STATUS",
            help=f"only these; may be repeated: {', '.join(sorted(FINAL))}",
        )
        parser.add_argument("--name", action="append", help="only workflows of this name; may be repeated")
        parser.add_argument("--batch-size", type=int, default=BATCH, help=f"at most so many at once (default: {BATCH})")
        parser.add_argument("--dry-run", action="store_true", help="only say how many would be deleted")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        terms = {name: options[name] for name in ("older_than", "rows", "status", "name") if options[name] is not None}
        terms["batch_size"] = options["batch_size"]
        try:
            with Place().reached():
                found = self._prune(terms, options["dry_run"])
        except (DurableError, DatabaseError) as error:
            raise CommandError(printable(str(error).strip())) from error
        if options["format"] == "json":
            said = "would_delete" if options["dry_run"] else "deleted"
            self.stdout.write(json.dumps({said: found}))
        else:
            said = "would be deleted" if options["dry_run"] else "deleted"
            self.stdout.write(f"{found:,} workflow{'' if found == 1 else 's'} {said}")

    def _prune(self, terms: dict[str, Any], dry_run: bool) -> int:
        plan(**terms)  # terms that cannot be meant leave no trace
        if not dry_run:
            # First, in a transaction of its own: what follows has many, and may be interrupted.
            with audited("prune", "", actor=operator(), source=SOURCE, **terms):
                pass
        return prune(**terms, dry_run=dry_run)


def duration(text: str) -> float:
    """Seconds of a text such as 30d."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw]?)", text.strip().lower(), re.ASCII)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no duration; give 90s, 45m, 12h, 30d or 2w")
    return float(found[1]) * UNITS[found[2]]
