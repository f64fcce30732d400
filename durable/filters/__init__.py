"""Every way to narrow a list of workflows, spelled once: for the console, the API, the client and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from django.db import connections
from django.db.models import Q
from django.http import QueryDict

from ..errors import InvalidOption
from ..models.containing import contains
from ..models.workflow import INTERNAL_QUEUE, WorkflowQuerySet
from .phases import in_phase
from .reading import RELATIVE, read, read_words, write_attribute
from .words import ALIASES, CRITERIA, FLAGS, MANY, MOST_IDS, ONE, SPELLED, TIMES

__all__ = ["ALIASES", "CRITERIA", "FLAGS", "MANY", "ONE", "TIMES", "WorkflowFilter", "in_phase", "known"]

BEYOND = "\U0010ffff"
"""Sorts after every character that an id may hold."""
CLOCKS_DIFFER = timedelta(hours=1)
"""More than the clocks of two database servers, of which one took over from the other, are apart."""
COLUMNS = {
    "queue": "queue", "ids": "pk", "executor": "executor", "parent": "parent", "version": "version",
    "user": "authenticated_user", "application": "application", "forked_from": "forked_from", "schedule": "schedule",
    "dedup_id": "dedup_id", "error_type": "error_type",
}  # fmt: skip

Words = str | tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class WorkflowFilter:
    """What a person or a program looks for. Every part narrows; several values of one part widen.

    `status` and `phase` are one part: a workflow matches when either does. `name` may end in `*`. Times are aware.
    `attributes` are keys and values that a workflow must all have. A flag that is None does not narrow; `queues_only`
    leaves out what was started without a queue.
    """

    status: tuple[str, ...] = ()
    phase: tuple[str, ...] = ()
    name: Words = None
    queue: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    id_prefix: Words = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    completed_after: datetime | None = None
    completed_before: datetime | None = None
    executor: Words = None
    parent: Words = None
    version: Words = None
    user: Words = None
    application: Words = None
    forked_from: Words = None
    schedule: Words = None
    dedup_id: Words = None
    error_type: Words = None
    was_forked_from: bool | None = None
    is_fork: bool | None = None
    has_parent: bool | None = None
    queues_only: bool | None = None
    attributes: tuple[tuple[str, Any], ...] = ()
    spelled: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    """How relative times were written, so that a link with "24h" keeps moving."""

    @classmethod
    def from_query(cls, query: QueryDict) -> Self:
        """Read the parameters of an address, and the words of its `q`. Unknown parameters are other people's.

        Raises `InvalidOption` for an unknown status, phase or time, and for text that no column can hold.
        """
        pairs = [(name, value) for name in query for value in query.getlist(name) if name != "q"]
        words = [pair for text in query.getlist("q") for pair in read_words(text)]
        return cls.from_pairs([*pairs, *words])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the search box: `status:failed name:checkout queue:orders since:24h <id or its start>`."""
        return cls.from_pairs(read_words(text))

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Read the names and texts of an address; what is blank or unknown says nothing."""
        named = [(ALIASES.get(name, name), text.strip()) for name, text in pairs]
        return cls._of((name, text) for name, text in named if text and name in CRITERIA)

    @classmethod
    def of(cls, **criteria: Any) -> Self:
        """The filter of a program: `of(status="ERROR", name=["a", "b"], attributes={"region": "eu"}, is_fork=True)`.

        A part takes one value or several; None says nothing. Times are datetimes, or text as in an address. Raises
        `InvalidOption`, which names what is near to an unknown part.
        """
        pairs: list[tuple[str, Any]] = []
        for given, value in criteria.items():
            name = known(given, value)
            values = list(value.items()) if isinstance(value, Mapping) else value
            if not isinstance(values, (list, tuple, set, frozenset)):
                values = [values]
            if not values or any(isinstance(each, str) and not each.strip() for each in values):
                raise InvalidOption(option=name, value=value, hint="give a value that is not blank, or leave it out")
            pairs += [(name, each) for each in values if each is not None]
        return cls._of(pairs)

    @classmethod
    def _of(cls, pairs: Iterable[tuple[str, Any]]) -> Self:
        found: dict[str, list[Any]] = {}
        spelled: dict[str, str] = {}
        for name, given in pairs:
            for part, value in read(name, given):
                found.setdefault(part, []).append(value)
            if name in TIMES:
                spelled[name] = given if isinstance(given, str) else ""
        if len(found.get("ids", ())) > MOST_IDS:
            raise InvalidOption(option="id", value=len(found["ids"]), hint=f"give at most {MOST_IDS:,}.")
        relative = tuple(pair for pair in spelled.items() if RELATIVE.fullmatch(pair[1]))
        return cls(**{name: together(name, values) for name, values in found.items()}, spelled=relative)

    def pairs(self, **changes: Any) -> Iterator[tuple[str, str]]:
        """The parameters of an address that say this filter, with `changes` to its fields."""
        chosen = replace(self, **changes)
        written = {name: text for name, text in self.spelled if name not in changes}
        for name in (*MANY, *ONE):
            for text in several(getattr(chosen, name)):
                if text:
                    yield SPELLED.get(name, name), text
        for name in TIMES:
            if moment := getattr(chosen, name):
                yield name, written.get(name) or moment.isoformat()
        for name in FLAGS:
            if getattr(chosen, name) is not None:
                yield name, "1" if getattr(chosen, name) else "0"
        for key, value in chosen.attributes or ():
            yield "attributes", write_attribute(key, value)

    def to_query(self, **changes: Any) -> str:
        """This filter as the query of an address, without the question mark: `from_query` reads it back."""
        return urlencode(list(self.pairs(**changes)))

    def __bool__(self) -> bool:
        return any(True for _ in self.pairs())

    def apply(self, workflows: WorkflowQuerySet) -> WorkflowQuerySet:
        """`workflows` narrowed, in the way that their indexes answer."""
        if self.status or self.phase:
            workflows = self._in_state(workflows)
        for name, column in COLUMNS.items():
            if values := several(getattr(self, name)):
                workflows = workflows.filter(**{f"{column}__in": values})
        if self.error_type:  # only the failed have one, and the index of failures is small
            workflows = workflows.filter(failure__isnull=False)
        if names := several(self.name):
            workflows = workflows.filter(either("name", names))
        if beginnings := several(self.id_prefix):
            workflows = workflows.filter(either("pk", [f"{beginning}*" for beginning in beginnings]))
        if self.attributes:
            vendor = connections[workflows.db].vendor
            workflows = workflows.filter(contains("attributes", dict(self.attributes), vendor))
        return self._in_time(self._flagged(workflows))

    def _in_state(self, workflows: WorkflowQuerySet) -> WorkflowQuerySet:
        phases = Q()
        for key in self.phase:
            phases |= in_phase(key)
        if not self.status:
            return workflows.filter(phases)
        by_status = workflows.with_status(*self.status)
        return by_status | workflows.filter(phases) if phases else by_status

    def _flagged(self, workflows: WorkflowQuerySet) -> WorkflowQuerySet:
        if self.was_forked_from is not None:
            workflows = workflows.filter(was_forked_from=self.was_forked_from)
        for column, flag in (("forked_from", self.is_fork), ("parent", self.has_parent)):
            if flag is not None:
                workflows = workflows.filter(**{f"{column}__isnull": not flag})
        return workflows.exclude(queue=INTERNAL_QUEUE) if self.queues_only else workflows

    def _in_time(self, workflows: WorkflowQuerySet) -> WorkflowQuerySet:
        """No index knows starts and ends; what started before a time was created before it, which one knows."""
        for name in TIMES:
            if moment := getattr(self, name):
                event, _, side = name.partition("_")
                workflows = workflows.filter(**{f"{event}_at__{'gte' if side == 'after' else 'lt'}": moment})
                if side == "before" and event != "created":
                    workflows = workflows.filter(created_at__lt=moment + CLOCKS_DIFFER)
        return workflows


def several(value: Any) -> tuple[Any, ...]:
    """The values of a part, of which there may be one, or none."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def known(name: str, value: Any, *also: str) -> str:
    """The criterion that is called `name`. Raises `InvalidOption` with the near one of these and `also`."""
    name = ALIASES.get(name, name)
    if name not in CRITERIA:
        near = difflib.get_close_matches(name, (*CRITERIA, *also), 1, 0.5)
        hint = f"it is no criterion; did you mean {near[0]}?" if near else f"known are {', '.join(CRITERIA)}"
        raise InvalidOption(option=name, value=value, hint=hint)
    return name


def together(name: str, values: list[Any]) -> Any:
    """Several values of one part: texts widen, of times and flags the last counts, attributes all do."""
    if name in TIMES or name in FLAGS:
        return values[-1]
    if name == "attributes":
        return tuple(dict(values).items())
    distinct = tuple(dict.fromkeys(values))
    return distinct[0] if name in ONE and len(distinct) == 1 else distinct


def begins(column: str, text: str) -> Q:
    """`column` begins with `text`, as a range that a plain index answers on both databases."""
    return Q(**{f"{column}__gte": text, f"{column}__lt": text + BEYOND})


def either(column: str, wanted: Iterable[str]) -> Q:
    """`column` is one of `wanted`, or begins with one that ends in `*`."""
    found = Q()
    for text in wanted:
        found |= begins(column, text[:-1]) if text.endswith("*") else Q(**{column: text})
    return found
