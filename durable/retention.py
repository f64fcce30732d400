"""What goes by its age: deleting ended workflows, and cancelling those that have lived too long."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from .backends.backend import backend
from .chance import chance
from .conf import conf
from .errors import InvalidOption
from .executor.pruner import BATCH, PAUSE_SECONDS, Pruning, database_now, prunings
from .models import Workflow
from .states import FINAL
from .steering import cancel_workflows
from .verbs import managed

LONGEST_SECONDS = 10.0**10
_never = threading.Event()


def _prune(
    *, older_than: timedelta | float | None = None, rows: int | None = None, status: str | Iterable[str] | None = None,
    name: str | Iterable[str] | None = None, batch_size: int = BATCH, pause_seconds: float = PAUSE_SECONDS,
    dry_run: bool = False,
) -> int:  # fmt: skip
    """Delete ended workflows, and give back how many; with `dry_run`, only how many it would delete.

    `older_than`: those that ended longer ago, seconds or a timedelta. `rows`: all but this many, the newest by their
    start. Either is reason enough. `status`, `name`: only those, one or several; default all that have ended. Without
    `older_than` and `rows`, what `RETENTION` says of this application's workflows is done now.

    Oldest first, at most `batch_size` in a transaction, with a pause of `pause_seconds` after each, so that nobody
    waits for it. A live workflow is never deleted, nor one whose parent is live. Inside a workflow this is a recorded
    step. Raises `InvalidOption`.
    """
    pause = _seconds("pause_seconds", pause_seconds)
    alias = backend().alias
    total = 0
    for pruning in plan(older_than=older_than, rows=rows, status=status, name=name, batch_size=batch_size):
        if dry_run:
            total += pruning.count(alias)
            continue
        for deleted in pruning.prune(alias, batch_size):
            total += deleted
            chance.rest(_never, pause)
    return total


def _cancel_older_than(cutoff: datetime | timedelta | float) -> int:
    """Cancel every live workflow that was created before `cutoff`, and give back how many this call cancelled.

    `cutoff`: a time with its zone, or an age in seconds or as a timedelta. The oldest first, in batches of a
    thousand. Inside a workflow this is a recorded step, and that workflow may be among them. Raises `InvalidOption`.
    """
    alias = backend().alias
    if isinstance(cutoff, datetime):
        if timezone.is_naive(cutoff):
            raise InvalidOption(option="cutoff", value=cutoff, hint="give a time with its zone, such as UTC")
        moment = cutoff
    else:
        moment = datetime.fromtimestamp(max(0.0, database_now() - _seconds("cutoff", cutoff)), UTC)
    old = Workflow.objects.using(alias).live().filter(created_at__lt=moment).order_by("created_at", "pk")
    ids = list(old.values_list("pk", flat=True))
    return sum(len(cancel_workflows(ids[start : start + BATCH])) for start in range(0, len(ids), BATCH))


prune, aprune = managed(_prune)
cancel_older_than, acancel_older_than = managed(_cancel_older_than)


def plan(
    *, older_than: Any = None, rows: Any = None, status: Any = None, name: Any = None, batch_size: Any = BATCH
) -> list[Pruning]:
    """What the terms of `prune` come to; deletes nothing. Raises `InvalidOption` for terms that cannot be meant."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= 10_000:
        raise InvalidOption(option="batch_size", value=batch_size, hint="give an integer from 1 to 10,000")
    if older_than is None and rows is None:
        for option, value in (("status", status), ("name", name)):
            if value is not None:
                raise InvalidOption(option=option, value=value, hint="it narrows older_than or rows; give one of them")
        settings = conf()
        if not settings.RETENTION:
            hint = 'give it, or rows, or say in DURABLE["RETENTION"] what is to be kept'
            raise InvalidOption(option="older_than", value=None, hint=hint)
        return prunings(settings.RETENTION, settings.APPLICATION_NAME)
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows < 2**63):
        raise InvalidOption(option="rows", value=rows, hint="give how many to keep, at least 0")
    statuses = _texts("status", status)
    if unknown := set(statuses) - FINAL:
        hint = f"give statuses of ended workflows: {', '.join(sorted(FINAL))}"
        raise InvalidOption(option="status", value=min(unknown), hint=hint)
    age = None if older_than is None else _seconds("older_than", older_than)
    return [Pruning(age=age, rows=rows, statuses=frozenset(statuses) or FINAL, names=_texts("name", name))]


def _texts(option: str, given: Any) -> tuple[str, ...]:
    """One text or several. None is none at all; an empty list would mean nothing and everything, so it is refused."""
    if given is None:
        return ()
    texts = (given,) if isinstance(given, str) else tuple(given)
    if not texts or not all(isinstance(text, str) and "\x00" not in text for text in texts):
        raise InvalidOption(option=option, value=given, hint="give a text, or several")
    return texts


def _seconds(option: str, given: Any) -> float:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_SECONDS:
        raise InvalidOption(option=option, value=given, hint="give a number of seconds or a timedelta, not negative")
    return float(seconds)
