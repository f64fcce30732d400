from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

import durable
from durable.errors import ResultTimeout
from examples.document_pipeline.workflows import index_documents


class Command(BaseCommand):
    help = "Starts the index of text files and follows it. An executor must run elsewhere: rundev or runexecutor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", help="default: the installed Python packages")
        parser.add_argument("--limit", type=int, default=1000, help="most files; default: %(default)s")

    def handle(self, *, folder: str | None, limit: int, **options: Any) -> None:
        if limit < 1:
            raise CommandError(f"--limit {limit} is too small; give at least 1.")
        handle = index_documents.start(folder, limit)
        self.stdout.write(f"Started {handle.workflow_id}.")
        report = self.follow(handle)
        for name, value in report.items():
            self.stdout.write(f"{name:12} {value}")

    def follow(self, handle: Any) -> dict[str, Any]:
        """Print the progress until there is a report."""
        told: Any = None
        while True:
            try:
                return handle.get_result(timeout=1)
            except ResultTimeout:
                news = durable.get_event(handle.workflow_id, "progress", timeout_seconds=0)
                if news and news != told:
                    self.stdout.write(f"{news['done']} of {news['files']} files")
                    told = news
