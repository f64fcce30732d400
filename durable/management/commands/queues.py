"""`manage.py queues`: look at queues, pause them and change their limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count

from ... import queues
from ...conf import conf
from ...errors import QueueNotFound
from ...limits import COUNTS
from ...models import Queue, Workflow
from ...models.queue import LIMITS
from ...states import LIVE, Status
from ..face import Face, argument, columns_of, verb

FACTS = (
    "name",
    "paused",
    *LIMITS,
    "priority_enabled",
    "partitioned",
    "declared",
    "override",
    "created_at",
    "updated_at",
)
RATES = ("limiter", "partition_limiter")
NONE = "none"

NAME = argument("name", help="name of the queue")


class Command(Face):
    help = "Look at queues, pause them and change their limits. Actions leave a row in the audit."

    @verb()
    def list_(self) -> None:
        """List queues, with their limits in force and how much is in them."""
        counts = counted()
        facts = [columns_of(row, FACTS) | counts[row.name] for row in queues.list_queues()]
        self.table(facts, "name", "paused", "waiting", "running", "concurrency", "worker_concurrency", "rate_limit")

    @verb(NAME)
    def get(self, *, name: str) -> None:
        """Show a queue: its limits as declared, as overridden and in force."""
        self.sheet(columns_of(found(name), FACTS) | counted(name)[name])

    @verb(NAME)
    def pause(self, *, name: str) -> None:
        """Start nothing more from a queue; what runs goes on."""
        with self.audited("pause", name, kind="queue"):
            queues.pause_queue(name)
        self.done(f"{name} is paused", name=name, paused=True)

    @verb(NAME)
    def resume(self, *, name: str) -> None:
        """Serve a paused queue again."""
        with self.audited("resume", name, kind="queue"):
            queues.resume_queue(name)
        self.done(f"{name} is served", name=name, paused=False)

    @verb(
        NAME,
        *(argument(f"--{count.replace('_', '-')}", metavar="N", help="a number, or none") for count in COUNTS),
        *(
            argument(f"--{rate.replace('_', '-')}", metavar="N/SECONDS", help="such as 50/30, or none")
            for rate in RATES
        ),
    )
    def set(self, *, name: str, **limits: str | None) -> None:
        """Override limits at once, for all executors; `none` is no limit."""
        wanted = {limit: read_limit(limit, text) for limit, text in limits.items() if text is not None}
        if not wanted:
            raise CommandError("Say which limit: --concurrency 5, for example.")
        with self.audited("set limits", name, kind="queue", limits=wanted):
            row = queues.set_queue_limits(name, **wanted)
        self.sheet(columns_of(row, FACTS))

    @verb(NAME, argument("limits", nargs="*", metavar="limit", help="names of limits (default: all)"))
    def clear(self, *, name: str, limits: list[str]) -> None:
        """Put back in force what the code declares."""
        with self.audited("clear limits", name, kind="queue", limits=limits):
            row = queues.clear_queue_limits(name, *(limit.replace("-", "_") for limit in limits))
        self.sheet(columns_of(row, FACTS))


def found(name: str) -> Queue:
    row = queues.retrieve_queue(name)
    if row is None:
        known = ", ".join(each.name for each in queues.list_queues()) or "none"
        raise QueueNotFound(queue=name, known=known)
    return row


def counted(*names: str) -> Mapping[str, dict[str, int]]:
    """How many workflows of each queue, or of these, wait, and how many have begun."""
    live = Workflow.objects.using(conf().DATABASE).live().filter(status__in=LIVE)
    rows = (live.filter(queue__in=names) if names else live).values_list("queue", "status").annotate(Count("pk"))
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"waiting": 0, "running": 0})
    for queue, status, number in rows:
        found[queue]["running" if status == Status.PENDING else "waiting"] += number
    return found


def read_limit(limit: str, text: str) -> Any:
    """A number, a rate, or None for no limit. Raises `CommandError`."""
    if text.lower() == NONE:
        return None
    try:
        if limit not in RATES:
            return int(text)
        most, _, period = text.partition("/")
        return {"limit": int(most), "period": float(period)}
    except ValueError:
        wanted = "a rate such as 50/30 (fifty in any thirty seconds)" if limit in RATES else "a number"
        raise CommandError(f"--{limit.replace('_', '-')} {text!r} is not valid: give {wanted}, or none.") from None
