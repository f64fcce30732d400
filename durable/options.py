"""What may be said when a workflow is started or a step is made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import InvalidOption
from .retry import Retry

MAX_PRIORITY = 2**31 - 1


INHERIT: Any = object()
"""A timeout that is not given: a child has its parent's deadline, any other start has none."""

ID_POLICIES = ("return-existing", "reject")


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    name: str
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    is_preemptible: bool = False
    is_async: bool = False


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """How one start differs from the default.

    `workflow_id`: free text, not blank; also the idempotency key. `id_policy`: what a start with an id that is in use
    does: "return-existing" (default) attaches to it, "reject" raises `WorkflowIdInUse`. `queue`: name, default none
    (starts as soon as an executor has room). `priority`: 1 (first) to 2**31-1, default none, which goes before all.
    `dedup_id`: one live workflow for each queue; `dedup_policy`: "reject" (default) raises `QueueDeduplicated`,
    "return-existing" attaches. `partition_key`: for a partitioned queue. `delay`: seconds until it joins its queue.
    `timeout`: seconds from its start until it is cancelled, default the parent's deadline, None for none. `version`:
    which version of the code may run it, default this one's. `attributes`: JSON object to search by.
    `authenticated_user`, `authenticated_roles`: as whom it runs, default as its parent. Raises `InvalidOption`.
    """

    workflow_id: str | None = None
    id_policy: str | None = None
    queue: str | None = None
    priority: int | None = None
    dedup_id: str | None = None
    dedup_policy: str | None = None
    partition_key: str | None = None
    delay: float | None = None
    timeout: float | None = INHERIT
    version: str | None = None
    attributes: Mapping[str, Any] | None = None
    authenticated_user: str | None = None
    authenticated_roles: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for option in ("workflow_id", "queue", "dedup_id", "partition_key", "version", "authenticated_user"):
            text = getattr(self, option)
            if text is not None:
                _check_text(option, text)
        if self.priority is not None and not (_is_number(self.priority, int) and 1 <= self.priority <= MAX_PRIORITY):
            raise InvalidOption(
                option="priority", value=self.priority, hint=f"give an integer from 1 to {MAX_PRIORITY}"
            )
        for option in ("delay", "timeout"):
            seconds = getattr(self, option)
            if seconds in (None, INHERIT):
                continue
            if not (_is_number(seconds, (int, float)) and 0 <= seconds < 10**10):
                raise InvalidOption(option=option, value=seconds, hint="give a number of seconds, not negative")
        for option in ("id_policy", "dedup_policy"):
            if (policy := getattr(self, option)) not in (None, *ID_POLICIES):
                raise InvalidOption(option=option, value=policy, hint=f"one of {', '.join(ID_POLICIES)}")
        if self.attributes is not None:
            check_attributes(self.attributes)
        for role in self.authenticated_roles or ():
            _check_text("authenticated_roles", role)

    def check_queue(self) -> None:
        """Raises `InvalidOption` when an option is set that means nothing without a queue."""
        for option in ("priority", "dedup_id", "partition_key", "delay"):
            if self.queue is None and getattr(self, option) is not None:
                raise InvalidOption(
                    option=option, value=getattr(self, option), hint="it needs a queue; give queue=... too"
                )

    def filled_with(self, said: Mapping[str, Any]) -> StartOptions:
        """These options, and `said` for those that are not given."""
        missing = {name: value for name, value in said.items() if getattr(self, name) in (None, INHERIT)}
        if self.timeout is None:
            missing.pop("timeout", None)
        return replace(self, **missing)


NO_OPTIONS = StartOptions()
"""A start that differs in nothing from the default."""


def check_attributes(attributes: Any) -> None:
    """Raises `InvalidOption` for what is no JSON object."""
    try:
        if not isinstance(attributes, Mapping) or not all(isinstance(key, str) for key in attributes):
            raise TypeError
        if "\\u0000" in json.dumps(dict(attributes), allow_nan=False):
            raise ValueError
    except (TypeError, ValueError, RecursionError):
        hint = "give a JSON object: text keys, and JSON values without NaN and U+0000"
        raise InvalidOption(option="attributes", value=attributes, hint=hint) from None


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
