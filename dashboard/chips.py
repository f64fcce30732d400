"""The parts of a filter as a person sees them, each of which can be taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.filters import WorkflowFilter
from durable.models import INTERNAL_QUEUE
from durable.states import PHASES

from .census import chosen_workflows
from .paging import capped_count, figure
from .wording import brief, point

LABELS = {
    "status": "status",
    "phase": "status",
    "name": "name",
    "queue": "queue",
    "ids": "id",
    "id_prefix": "id begins",
    "created_after": "since",
    "created_before": "before",
    "executor": "executor",
    "parent": "parent",
    "version": "version",
}


@dataclass(frozen=True)
class Chip:
    """One value of a filter: its label, its value, the address without it, and the change that takes it away."""

    label: str
    value: str
    whole: str
    address: str
    change: dict[str, Any]


def chips_of(chosen: WorkflowFilter) -> list[Chip]:
    return list(_chips(chosen))


def _chips(chosen: WorkflowFilter) -> Iterator[Chip]:
    written = dict(chosen.spelled)
    for name, label in LABELS.items():
        value = getattr(chosen, name)
        for one in value if isinstance(value, tuple) else (value,):
            if not one:
                continue
            rest = tuple(other for other in value if other != one) if isinstance(value, tuple) else None
            said = f"last {written[name]}" if name == "created_after" and name in written else written.get(name)
            yield Chip(label, said or shown(name, one), str(one), "?" + chosen.to_query(**{name: rest}), {name: rest})


def shown(name: str, value: str | datetime) -> str:
    if isinstance(value, datetime):
        return point(value)
    if name == "phase":
        return PHASES[value].word.lower()
    if name == "queue" and value == INTERNAL_QUEUE:
        return "none"
    return brief(value, 24) if name in ("ids", "id_prefix", "executor", "parent") else value


def remedies(chosen: WorkflowFilter, alias: str, most: int = 4) -> Iterator[dict[str, Any]]:
    """The filter without one of its parts, for the first `most` of them, where that finds something."""
    for chip in chips_of(chosen)[:most]:
        if count := capped_count(chosen_workflows(replace(chosen, **chip.change), alias)):
            yield {"chip": chip, "count": figure(count), "address": chip.address}
    word = chosen.id_prefix
    if word and not chosen.name:
        as_name = WorkflowFilter(name=f"{word.rstrip('*')}*")
        if count := capped_count(chosen_workflows(as_name, alias)):
            address = "?" + as_name.to_query()
            yield {"name": as_name.name, "count": figure(count), "address": address}
