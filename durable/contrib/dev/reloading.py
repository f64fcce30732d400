"""Notices that the source has changed: Django's list of what to watch, in a loop that ends no process by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.utils.autoreload import StatReloader, autoreload_started, file_changed


class Reloader(StatReloader):
    """Calls `changed` once, with the first source file that changed after `look`.

    A changed template is Django's to forget; it needs no new process.
    """

    def __init__(self, changed: Callable[[Path], None]):
        super().__init__()
        self.changed = changed
        self.seen: dict[Path, float] = {}

    def look(self) -> None:
        """Remember the files as they are: what changes from now on will be noticed."""
        autoreload_started.send(sender=self)
        self.seen = dict(self.snapshot_files())

    def start(self) -> None:
        threading.Thread(target=self.watch, name="durable-reloader", daemon=True).start()

    def watch(self) -> None:
        while not (changed := [path for path in self.changes() if not self.is_template(path)]):
            time.sleep(self.SLEEP_TIME)
        self.changed(changed[0])

    def changes(self) -> list[Path]:
        """The files that changed since the last look. A file seen for the first time has not changed."""
        now = dict(self.snapshot_files())
        before, self.seen = self.seen, now
        return [path for path, when in now.items() if when > before.get(path, when)]

    def is_template(self, path: Path) -> bool:
        return any(handled for _, handled in file_changed.send(sender=self, file_path=path))
