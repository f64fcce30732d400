"""Where the calling code stands: in a workflow, in one of its steps, or outside."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

scope: ContextVar[Any] = ContextVar("durable_scope", default=None)
"""The scope whose verbs the calling code uses; None outside a workflow."""


def leave(token: Token[Any]) -> None:
    """Take back what a `scope.set` did; a coroutine that is closed from outside its own context has nothing to undo."""
    try:  # noqa: SIM105 - `suppress` costs a microsecond, and this is done twice a step
        scope.reset(token)
    except ValueError:
        pass
