"""Points of a checkout at which something becomes durable, by name, and the death of a process at one of them."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from typing import Any

from durable.backends.writing import Verdict
from durable.executor import recorder, transacting


def is_written(written: Any, entry: Any) -> bool:
    """Whether it was, and not put off because somebody held its row."""
    return written.verdicts[id(entry)] is not Verdict.BUSY


class Points:
    """Names each commit of a workflow (`root`) and its child in the same way in every run.

    With `when` and `point`, the process dies there: "before" it is committed (for a transaction: when all is written
    and nothing committed), or "after", when nobody has been told yet. Without, it prints each name.
    """

    def __init__(self, root: str, when: str = "", point: str = ""):
        self.root, self.when, self.point = root, when, point
        self._parkings: Counter[str] = Counter()
        self._named: dict[int, tuple[Any, str]] = {}

    def watch(self) -> None:
        """Put itself around what commits: group commits and transactions."""
        write, record, once = recorder.write, transacting._record, transacting._once

        def writes(backend: Any, session: Any, entries: list[Any]) -> Any:
            names = [self.name(entry) for entry in entries]
            self.reach("before", names)
            written = write(backend, session, entries)
            done = [name for entry, name in zip(entries, names, strict=True) if is_written(written, entry)]
            self.reach("after", done)
            return written

        def records(run: Any, command: Any, *rest: Any) -> None:
            record(run, command, *rest)
            self.reach("before", [self._slot(run.workflow_id, command.slot)])

        def transacts(run: Any, command: Any, alias: str) -> Any:
            value = once(run, command, alias)
            self.reach("after", [self._slot(run.workflow_id, command.slot)])
            return value

        recorder.write, transacting._record, transacting._once = writes, records, transacts

    def reach(self, when: str, names: list[str]) -> None:
        if not self.point and when == "after":
            sys.stdout.writelines(f"point: {name}\n" for name in names)
        if when == self.when and self.point in names:
            os.kill(os.getpid(), signal.SIGKILL)

    def name(self, entry: Any) -> str:
        """The same for an entry that is written again."""
        if id(entry) not in self._named:
            self._named[id(entry)] = (entry, self._new_name(entry))
        return self._named[id(entry)][1]

    def _new_name(self, entry: Any) -> str:
        whose = self._whose(entry.workflow)
        if entry.ending:
            return f"{whose} ends"
        if entry.letting:
            kind = f"{whose} parks on {(entry.letting.reason or 'nothing').partition(':')[0]}"
            self._parkings[kind] += 1
            return f"{kind} {self._parkings[kind]}"
        return self._slot(entry.workflow, entry.record.rows[0])

    def _slot(self, workflow: str, slot: Any) -> str:
        return f"{self._whose(workflow)} {slot.seq} {slot.name}"

    def _whose(self, workflow: str) -> str:
        return "checkout" if workflow == self.root else "dispatch"
