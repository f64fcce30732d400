"""Changing a workflow's code while old executions of it are under way."""

from __future__ import annotations

from typing import Any

from .drive import Operation

MARK = "patch:"


def patch(scope: Any, name: str) -> Operation:
    """Whether this execution takes the new way: it reaches this point for the first time now, or did so since the
    patch. One that was past this point before replays something else here and keeps to the old way."""
    recorded = scope.journal.next_recorded()
    if scope.journal.was_further and (recorded is None or recorded.name != MARK + name):
        return False
    slot = scope.open(MARK + name, "patch")
    if slot.recorded is None:
        yield slot.success(True)
    return True


def deprecate_patch(scope: Any, name: str) -> Operation:
    """Step over the mark of a patch where one is recorded; new executions leave none."""
    recorded = scope.journal.next_recorded()
    if recorded is not None and recorded.name == MARK + name:
        scope.open(MARK + name, "patch")
    return True
    yield  # makes this a generator, as every operation is one
