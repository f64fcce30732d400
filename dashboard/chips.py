"""The parts of a filter as a person sees them, each of which can be taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.filters import CRITERIA, WorkflowFilter, several
from durable.filters.reading import write_attribute
from durable.models import INTERNAL_QUEUE
from durable.states import PHASES

from .census import chosen_workflows
from .paging import capped_count, figure
from .wording import brief, point

LABELS = {
    "phase": "status",
    "ids": "id",
    "id_prefix": "id begins",
    "created_after": "since",
    "created_before": "before",
    "error_type": "error",
    "dedup_id": "deduplication",
}
"""What a part is called where it is not called by its own name."""
FLAGGED = {
    "was_forked_from": ("has forks", "has no fork"),
    "is_fork": ("is a fork", "is no fork"),
    "has_parent": ("has a parent", "has no parent"),
    "queues_only": ("is in a queue", "in any queue or none"),
}
IDS = ("ids", "id_prefix", "executor", "parent", "forked_from")


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
    for name in CRITERIA:
        value = getattr(chosen, name)
        if value is None:
            continue
        for one in several(value):
            rest = tuple(other for other in value if other != one) if isinstance(value, tuple) else None
            label, said = LABELS.get(name, name.replace("_", " ")), shown(name, one)
            if name in written:
                said = f"last {written[name]}" if name == "created_after" else written[name]
            if name in FLAGGED:
                label = "family" if name != "queues_only" else "queue"
            yield Chip(label, said, whole(name, one), "?" + chosen.to_query(**{name: rest}), {name: rest})


def whole(name: str, value: Any) -> str:
    return write_attribute(*value) if name == "attributes" else shown(name, value) if name in FLAGGED else str(value)


def shown(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return point(value)
    if name in FLAGGED:
        return FLAGGED[name][0 if value else 1]
    if name == "attributes":
        return write_attribute(*value)[:60]
    if name == "phase":
        return PHASES[value].word.lower()
    if name == "queue" and value == INTERNAL_QUEUE:
        return "none"
    return brief(value, 24) if name in IDS else value


def remedies(chosen: WorkflowFilter, alias: str, most: int = 4) -> Iterator[dict[str, Any]]:
    """The filter without one of its parts, for the first `most` of them, where that finds something."""
    for chip in chips_of(chosen)[:most]:
        if count := capped_count(chosen_workflows(replace(chosen, **chip.change), alias)):
            yield {"chip": chip, "count": figure(count), "address": chip.address}
    word = chosen.id_prefix
    if isinstance(word, str) and not chosen.name:
        as_name = WorkflowFilter(name=f"{word.rstrip('*')}*")
        if count := capped_count(chosen_workflows(as_name, alias)):
            address = "?" + as_name.to_query()
            yield {"name": as_name.name, "count": figure(count), "address": address}
