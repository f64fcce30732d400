"""How a step is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import InvalidOption


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often and how soon a failed step is tried again (the defaults of DBOS).

    `max_attempts` counts the first try; the wait before attempt n+1 is `interval_seconds * backoff_rate ** (n - 1)`,
    at most `max_interval_seconds`. `should_retry(error)` may end it early. Raises `InvalidOption`.
    """

    max_attempts: int = 1
    interval_seconds: float = 1.0
    backoff_rate: float = 2.0
    max_interval_seconds: float = 3600.0
    should_retry: Callable[[BaseException], Any] | None = None

    def __post_init__(self) -> None:
        for option, least in (
            ("max_attempts", 1),
            ("interval_seconds", 0),
            ("backoff_rate", 1),
            ("max_interval_seconds", 0),
        ):
            value, kind = getattr(self, option), int if option == "max_attempts" else (int, float)
            if not isinstance(value, kind) or isinstance(value, bool) or not value >= least:
                what = "an integer" if kind is int else "a number"
                raise InvalidOption(option=option, value=value, hint=f"give {what} of at least {least}")
        if self.should_retry is not None and not callable(self.should_retry):
            raise InvalidOption(option="should_retry", value=self.should_retry, hint="give a function of the error")

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after failed `attempt` (counted from 1)."""
        try:
            delay = self.interval_seconds * self.backoff_rate ** (attempt - 1)
        except OverflowError:
            delay = self.max_interval_seconds
        return min(delay, self.max_interval_seconds)
