"""Every way to narrow a list of workflows, spelled once: for the console, the API and the client."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone

from .errors import InvalidOption
from .models.workflow import WorkflowQuerySet
from .states import LIVE, OF_STATUS, OF_WAIT, PHASES, Status

MOST_IDS = 1000
BEYOND = "\U0010ffff"
"""Sorts after every character that an id may hold."""

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
RELATIVE = re.compile(r"(\d{1,9})\s*([smhdw])", re.IGNORECASE)
LOST_PLUS = re.compile(r"(.*\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)")
WORDS = re.compile(r'(?:([A-Za-z_]+):)?("[^"]*"|[^\s"]+)')

ALIASES = {
    "id": "ids",
    "prefix": "id_prefix",
    "since": "created_after",
    "after": "created_after",
    "before": "created_before",
    "until": "created_before",
}
MANY = ("status", "phase", "queue", "ids")
TIMES = ("created_after", "created_before")
ONE = ("name", "id_prefix", "executor", "parent", "version")
SPELLED = {"ids": "id"}


@dataclass(frozen=True, kw_only=True)
class WorkflowFilter:
    """What a person or a program looks for. Every part narrows; several values of one part widen.

    `status` and `phase` are one part: a workflow matches when either does. `name` may end in `*`. Times are aware.
    """

    status: tuple[str, ...] = ()
    phase: tuple[str, ...] = ()
    name: str | None = None
    queue: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    id_prefix: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    executor: str | None = None
    parent: str | None = None
    version: str | None = None
    spelled: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    """How relative times were written, so that a link with "24h" keeps moving."""

    @classmethod
    def from_query(cls, query: QueryDict) -> Self:
        """Read the parameters of an address, and the words of its `q`. Unknown parameters are other people's.

        Raises `InvalidOption` for an unknown status, phase or time, and for text that no column can hold.
        """
        pairs = [(name, value) for name in query for value in query.getlist(name) if name != "q"]
        words = [pair for text in query.getlist("q") for pair in read_words(text)]
        return cls._of((ALIASES.get(name, name), value) for name, value in [*pairs, *words])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the search box: `status:failed name:checkout queue:orders since:24h <id or its start>`."""
        return cls._of(read_words(text))

    @classmethod
    def _of(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        many: dict[str, list[str]] = {name: [] for name in MANY}
        one: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        for name, raw in pairs:
            text = raw.strip()
            if not text or name not in (*MANY, *TIMES, *ONE):
                continue
            if "\0" in text:
                raise InvalidOption(option=name, value=text, hint="it holds a zero character.")
            if name in ("status", "phase"):
                for word in text.split(","):
                    kind, value = read_state(name, word.strip())
                    many[kind].append(value)
            elif name in TIMES:
                one[name] = read_time(name, text)
                spelled[name] = text
            elif name in MANY:
                many[name].append(text)
            else:
                one[name] = text
        if len(many["ids"]) > MOST_IDS:
            raise InvalidOption(option="id", value=len(many["ids"]), hint=f"give at most {MOST_IDS:,}.")
        relative = tuple(pair for pair in spelled.items() if RELATIVE.fullmatch(pair[1]))
        one.update((name, tuple(dict.fromkeys(values))) for name, values in many.items())
        return cls(**one, spelled=relative)

    def pairs(self, **changes: Any) -> Iterator[tuple[str, str]]:
        """The parameters of an address that say this filter, with `changes` to its fields."""
        chosen = replace(self, **changes)
        written = {name: text for name, text in self.spelled if name not in changes}
        for name in (*MANY, *ONE):
            value = getattr(chosen, name)
            for text in value if isinstance(value, tuple) else (value,):
                if text:
                    yield SPELLED.get(name, name), text
        for name in TIMES:
            if moment := getattr(chosen, name):
                yield name, written.get(name) or moment.isoformat()

    def to_query(self, **changes: Any) -> str:
        """This filter as the query of an address, without the question mark: `from_query` reads it back."""
        return urlencode(list(self.pairs(**changes)))

    def __bool__(self) -> bool:
        return any(True for _ in self.pairs())

    def apply(self, workflows: WorkflowQuerySet) -> WorkflowQuerySet:
        """`workflows` narrowed, in the way that their indexes answer."""
        if self.status or self.phase:
            workflows = self._in_state(workflows)
        for lookup, value in (
            ("queue__in", self.queue),
            ("pk__in", self.ids),
            ("created_at__gte", self.created_after),
            ("created_at__lt", self.created_before),
            ("executor", self.executor),
            ("parent", self.parent),
            ("version", self.version),
        ):
            if value:
                workflows = workflows.filter(**{lookup: value})
        if self.id_prefix:
            workflows = workflows.filter(begins("pk", self.id_prefix))
        if self.name:
            whole = not self.name.endswith("*")
            workflows = workflows.filter(name=self.name) if whole else workflows.filter(begins("name", self.name[:-1]))
        return workflows

    def _in_state(self, workflows: WorkflowQuerySet) -> WorkflowQuerySet:
        phases = Q()
        for key in self.phase:
            phases |= in_phase(key)
        if not self.status:
            return workflows.filter(phases)
        by_status = workflows.with_status(*self.status)
        return by_status | workflows.filter(phases) if phases else by_status


def read_words(text: str) -> Iterator[tuple[str, str]]:
    """The words of the search box as parameters. A word without a known key is an id, or the start of one."""
    known = {**ALIASES, **{name: name for name in (*MANY, *TIMES, *ONE)}}
    loose: list[str] = []
    for match in WORDS.finditer(text):
        key, value = match[1], match[2].strip('"')
        if key is None:
            loose.append(value)
        elif key.lower() in known:
            yield known[key.lower()], value
        elif near := difflib.get_close_matches(key.lower(), known, 1, 0.75):
            raise InvalidOption(option="q", value=match[0], hint=f"did you mean {near[0]}: ?")
        else:
            loose.append(f"{key}:{value}")
    if len(loose) == 1:
        yield "id_prefix", loose[0]
    for word in loose if len(loose) > 1 else ():
        yield "ids", word


def read_state(option: str, word: str) -> tuple[str, str]:
    """A status or phase by any of its names: ("status", "ERROR") for "error", ("phase", "failed") for "failed"."""
    upper, lower = word.upper(), word.lower()
    if option == "status" and upper in set(Status):
        return "status", upper
    if lower in PHASES:
        return "phase", lower
    for phase in PHASES.values():
        if phase.word.lower() == lower:
            return "phase", phase.key
    known = [*PHASES] if option == "phase" else [*Status, *PHASES]
    near = difflib.get_close_matches(word, known, 1) or difflib.get_close_matches(upper, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
    raise InvalidOption(option=option, value=word, hint=hint)


def read_time(option: str, text: str) -> datetime:
    """An aware time from "24h" (that long ago), "2026-11-20" or "2026-11-20T14:32:05+01:00"."""
    hint = 'write a length such as "15m", "24h" or "7d", or a time such as "2026-11-20 14:32".'
    try:
        if relative := RELATIVE.fullmatch(text):
            return timezone.now() - timedelta(**{UNITS[relative[2].lower()]: int(relative[1])})
        # "+" in an address that nobody quoted arrives as a space.
        moment = datetime.fromisoformat(LOST_PLUS.sub(r"\1+\2", text))
        if not 1970 <= moment.year < 9999:
            raise ValueError(text)
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    except (ValueError, OverflowError) as wrong:
        raise InvalidOption(option=option, value=text, hint=hint) from wrong


def begins(column: str, text: str) -> Q:
    """`column` begins with `text`, as a range that a plain index answers on both databases."""
    return Q(**{f"{column}__gte": text, f"{column}__lt": text + BEYOND})


def in_phase(key: str) -> Q:
    """The workflows that `durable.states.phase_of` puts in a phase, asked for so that a partial index answers."""
    for status, phase in OF_STATUS.items():
        if phase == key and status not in LIVE:
            return Q(status=status) if status == Status.SUCCESS else Q(failure=status)
    unserved = waits("executor")
    ready = Q(run_after__isnull=False)
    alive = Q(run_after__isnull=False) | Q(wake_at__isnull=False)
    if key == "unserved":
        return alive & Q(status__in=LIVE) & unserved
    here = Q(waiting_for__isnull=True) | ~unserved
    if key == "queued":
        return ready & Q(status=Status.ENQUEUED) & here
    if key == "delayed":
        return alive & Q(status=Status.DELAYED) & here
    if key == "running":
        return ready & Q(status=Status.PENDING, executor__isnull=False) & here
    let_go = Q(status=Status.PENDING, executor__isnull=True) & here
    parked = Q(run_after__isnull=True, wake_at__isnull=False) & let_go
    known = {phase: waits(kind) for kind, phase in OF_WAIT.items()}
    if key in known:
        return parked & known[key]
    other = Q(waiting_for__isnull=False)
    for condition in known.values():
        other &= ~condition
    return (ready & let_go) | (parked & (Q(waiting_for__isnull=True) | other))


def waits(kind: str) -> Q:
    """`waiting_for` is `kind` or `kind:detail`."""
    return Q(waiting_for=kind) | Q(waiting_for__gte=f"{kind}:", waiting_for__lt=f"{kind};")
