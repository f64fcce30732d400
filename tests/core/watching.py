"""Waiting for a workflow to stand somewhere."""

from __future__ import annotations

from typing import Any

from durable.models import Workflow
from tests.support import wait_until


def parked(handle: Any, reason: str | None = None, timeout: float = 10.0) -> Workflow:
    """The workflow's row, once it is parked: in the database, and in no process's memory."""

    def waits() -> Workflow | None:
        row = handle.get_status()
        is_parked = row.status == "PENDING" and row.executor is None and row.run_after is None and row.waiting_for
        return row if is_parked and reason in (None, row.waiting_for) else None

    return wait_until(waits, timeout, f"it parks on {reason or 'anything'}")


def ended(handle: Any, timeout: float = 10.0) -> Workflow:
    """The workflow's row, once it has ended, however that is."""
    return wait_until(lambda: (row := handle.get_status()).is_finished and row, timeout, "it ends")
