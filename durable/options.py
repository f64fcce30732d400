"""What may be said when a workflow is started or a step is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import InvalidOption
from .retry import Retry

MAX_PRIORITY = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    name: str
    retry: Retry = field(default_factory=Retry)


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """How one start differs from the default.

    `workflow_id`: free text, not blank; also the idempotency key. `queue`: name, default none (starts as soon as an
    executor has room). `priority`: 1 (first) to 2**31-1, default none, which goes before all. `dedup_id`: one live
    workflow for each queue. `delay`, `timeout`: seconds. `attributes`: JSON object to search by.
    Raises `InvalidOption`.
    """

    workflow_id: str | None = None
    queue: str | None = None
    priority: int | None = None
    dedup_id: str | None = None
    partition_key: str | None = None
    delay: float | None = None
    timeout: float | None = None
    attributes: Mapping[str, Any] | None = None
    authenticated_user: str | None = None
    authenticated_roles: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for option in ("workflow_id", "queue", "dedup_id", "partition_key"):
            text = getattr(self, option)
            if text is not None:
                _check_text(option, text)
        if self.priority is not None and not (_is_number(self.priority, int) and 1 <= self.priority <= MAX_PRIORITY):
            raise InvalidOption(
                option="priority", value=self.priority, hint=f"give an integer from 1 to {MAX_PRIORITY}"
            )
        for option in ("delay", "timeout"):
            seconds = getattr(self, option)
            if seconds is not None and not (_is_number(seconds, (int, float)) and 0 <= seconds < 10**10):
                raise InvalidOption(option=option, value=seconds, hint="give a number of seconds, not negative")

    def check_queue(self) -> None:
        """Raises `InvalidOption` when an option is set that means nothing without a queue."""
        for option in ("priority", "dedup_id", "partition_key", "delay"):
            if self.queue is None and getattr(self, option) is not None:
                raise InvalidOption(
                    option=option, value=getattr(self, option), hint="it needs a queue; give queue=... too"
                )


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)


def _check_text(option: str, text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InvalidOption(option=option, value=text, hint="give text that is not blank")
    if "\x00" in text or len(text) > 1024:
        raise InvalidOption(option=option, value=text[:60], hint="at most 1024 characters, without U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidOption(option=option, value=ascii(text), hint="it is not valid Unicode text") from None
