"""Pages by keyset on (created_at, id): the thousandth costs as much as the first, and none shows a row twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import QueryDict

from durable.errors import InvalidOption
from durable.models import Workflow
from durable.models.fields import Moment

SIZE = 50
CAP = 10_000


@dataclass(frozen=True)
class Cursor:
    """The row beside which a page lies. `direction` is "older" or "newer"."""

    direction: str
    at: datetime
    id: str

    @classmethod
    def from_query(cls, query: QueryDict) -> Cursor | None:
        """Read `older=<time>,<id>` or `newer=<time>,<id>`. Raises `InvalidOption` for what is neither."""
        for direction in ("older", "newer"):
            if text := query.get(direction):
                at, comma, key = text.partition(",")
                try:
                    moment = datetime.fromisoformat(at.replace(" ", "+"))
                except ValueError:
                    moment = None
                if not comma or moment is None or moment.tzinfo is None or "\0" in key:
                    raise InvalidOption(option=direction, value=text, hint="go back to the first page.")
                return cls(direction, moment, key)
        return None

    @staticmethod
    def beside(row: Workflow) -> str:
        """What an address says to mean `row`."""
        return f"{row.created_at.isoformat()},{row.pk}"

    def narrow(self, workflows: QuerySet[Workflow]) -> QuerySet[Workflow]:
        """Those beyond the cursor, the nearest first.

        The row's own time is asked of the database: on SQLite it is finer than what an address can say.
        """
        own = Workflow.objects.using(workflows.db).filter(pk=self.id).values("created_at")
        at = Coalesce(Subquery(own), Value(self.at, output_field=Moment()))
        if self.direction == "older":
            beyond = Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(pk__lt=self.id))
            return workflows.filter(beyond).order_by("-created_at", "-pk")
        beyond = Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(pk__gt=self.id))
        return workflows.filter(beyond).order_by("created_at", "pk")


class Page:
    """One page of `workflows`, newest first: its `rows`, and the cursors `older` and `newer`, "" for none."""

    def __init__(self, workflows: QuerySet[Workflow], query: QueryDict, size: int = SIZE):
        cursor = Cursor.from_query(query)
        if cursor and cursor.direction == "newer":
            rows = list(cursor.narrow(workflows)[: size + 1])
            if len(rows) > size:
                self.rows = rows[:size][::-1]
                self.newer, self.older = Cursor.beside(self.rows[0]), Cursor.beside(self.rows[-1])
                self.is_first = False
                return
            cursor = None  # the newest are reached: show a full first page
        chosen = cursor.narrow(workflows) if cursor else workflows.order_by("-created_at", "-pk")
        rows = list(chosen[: size + 1])
        self.rows = rows[:size]
        self.older = Cursor.beside(self.rows[-1]) if len(rows) > size else ""
        self.newer = Cursor.beside(self.rows[0]) if cursor and self.rows else ""
        self.is_first = cursor is None


def capped_count(workflows: QuerySet, cap: int = CAP) -> int:
    """How many there are, counted up to `cap` + 1, which means "more"."""
    return workflows.order_by()[: cap + 1].count()


def figure(count: int, cap: int = CAP) -> str:
    """A count that may have stopped at `cap`: "1,482", or "10,000+"."""
    return f"{cap:,}+" if count > cap else f"{count:,}"
