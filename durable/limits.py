"""What limits a queue may have, and how they are said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import InvalidOption
from .models import INTERNAL_QUEUE
from .options import StartOptions

COUNTS = (
    "concurrency", "worker_concurrency", "max_tasks_per_iteration",
    "partition_concurrency", "partition_worker_concurrency",
)  # fmt: skip
PARTITION_LIMITS = (
    "partition_concurrency", "partition_worker_concurrency", "partition_rate_limit", "partition_rate_period",
)  # fmt: skip


def check_name(name: Any) -> None:
    """Raises `InvalidOption` for a name that no queue can have."""
    StartOptions(queue=name)
    if name is None or name.startswith(INTERNAL_QUEUE):
        raise InvalidOption(
            option="name", value=name, hint=f"give a text; names that start with {INTERNAL_QUEUE} are Durable's own"
        )


def limits_of(
    *, limiter: Mapping[str, float] | None = None, partition_limiter: Mapping[str, float] | None = None,
    is_partitioned: bool = False, **counts: int | None,
) -> dict[str, Any]:  # fmt: skip
    """The columns of a queue's limits. `is_partitioned`: what is said for the queue holds for each partition instead.

    Raises `InvalidOption` for a limit that cannot be kept, or contradicts another.
    """
    for option, value in counts.items():
        if option not in COUNTS:
            raise InvalidOption(option=option, value=value, hint=f"known limits are {', '.join(COUNTS)}, limiter")
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InvalidOption(option=option, value=value, hint="give an integer of at least 1, or None")
    found: dict[str, Any] = {count: counts.get(count) for count in COUNTS}
    found["rate_limit"], found["rate_period"] = rate_of("limiter", limiter)
    found["partition_rate_limit"], found["partition_rate_period"] = rate_of("partition_limiter", partition_limiter)
    if is_partitioned:
        for limit in PARTITION_LIMITS:
            of_queue = limit.removeprefix("partition_")
            if found[limit] is None:
                found[limit], found[of_queue] = found[of_queue], None
    for all_of_it, of_one in (
        ("concurrency", "worker_concurrency"),
        ("partition_concurrency", "partition_worker_concurrency"),
    ):
        if found[all_of_it] is not None and found[of_one] is not None and found[of_one] > found[all_of_it]:
            raise InvalidOption(option=of_one, value=found[of_one], hint=f"at most the {all_of_it}")
    return found


def rate_of(option: str, limiter: Mapping[str, float] | None) -> tuple[int | None, float | None]:
    """Limit and period of `{"limit": n, "period": seconds}`."""
    if limiter is None:
        return None, None
    try:
        limit, period = limiter["limit"], limiter["period"]
        if limit < 1 or period <= 0 or int(limit) != limit:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InvalidOption(option=option, value=limiter, hint='give {"limit": 50, "period": 30}') from None
    return int(limit), float(period)
