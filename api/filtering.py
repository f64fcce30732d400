"""Which workflows are meant: the criteria of `durable.filters`, in an address or in a body."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter

from durable.errors import InvalidOption
from durable.filters import ALIASES, CRITERIA, FLAGS, TIMES, WorkflowFilter
from durable.filters.reading import read_words
from durable.states import PHASES, Status

from .errors import InvalidParameter

NOT_BLANK = {"type": "string", "pattern": r"\S"}
TIME = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^[0-9]{1,4}[smhdw]$"},
    ]
}
FLAG = {"type": "integer", "enum": [0, 1]}

MEANINGS = {
    "status": "Any of these.",
    "phase": "Any of these; widens `status`.",
    "name": "Name of the definition; may end in `*`.",
    "queue": "Any of these.",
    "ids": "Any of these, at most 1,000. Also `id`.",
    "id_prefix": "Beginning of the id.",
    "executor": "Id of the executor that holds it, or held it last.",
    "parent": "Id of the workflow that started it.",
    "version": "Application version.",
    "user": "Whom it runs as.",
    "application": "Name of the application that started it.",
    "forked_from": "Id of the workflow that it was forked from.",
    "schedule": "Name of the schedule that started it.",
    "dedup_id": "Its deduplication id.",
    "error_type": "Type of the error with which it ended.",
    "created_after": "At or after: `24h` ago, `2026-11-20` or ISO 8601.",
    "created_before": "Before, written in the same ways.",
    "started_after": "First run at or after.",
    "started_before": "First run before.",
    "completed_after": "Ended at or after.",
    "completed_before": "Ended before.",
    "was_forked_from": "1: another one was forked from it; 0: none was.",
    "is_fork": "1: it is a fork; 0: it is none.",
    "has_parent": "1: another workflow started it; 0: none did.",
    "queues_only": "1: leaves out what was started without a queue.",
    "attributes": "`key=value`, whose value is JSON where it is and text elsewhere; it must have all of them.",
    "q": "The search box's language: `status:failed queue:orders since:24h`.",
}
KINDS: dict[str, Any] = {
    "status": {"type": "array", "items": {"type": "string", "enum": [str(status) for status in Status]}},
    "phase": {"type": "array", "items": {"type": "string", "enum": list(PHASES)}},
    "q": NOT_BLANK,
    **dict.fromkeys(TIMES, TIME),
    **dict.fromkeys(FLAGS, FLAG),
}
SEVERAL = {"type": "array", "items": NOT_BLANK}

FILTERS = [
    OpenApiParameter(name, KINDS.get(name, SEVERAL), description=MEANINGS.get(name, "")) for name in (*CRITERIA, "q")
]
PARAMETERS = (*CRITERIA, *ALIASES, "q")


def filter_of_query(query: QueryDict) -> WorkflowFilter:
    """The filter that an address says. Raises `InvalidParameter`."""
    try:
        return WorkflowFilter.from_query(query)
    except InvalidOption as wrong:
        raise InvalidParameter(getattr(wrong, "option", "q"), str(wrong)) from None


def filter_of_body(criteria: dict[str, Any]) -> WorkflowFilter:
    """The filter that a JSON object says, each criterion with one value or several. Raises `InvalidParameter` for what
    is none: a slip must not act on everything."""
    said: dict[str, list[Any]] = {}
    try:
        for name, value in criteria.items():
            if name == "q":
                for text in listed(value):
                    for part, word in read_words(text if isinstance(text, str) else ""):
                        said.setdefault(part, []).append(word)
            else:
                said.setdefault(check_criterion(name), []).extend(listed(value))
        chosen = WorkflowFilter.of(**said)
    except InvalidOption as wrong:
        raise InvalidParameter(f"filter.{getattr(wrong, 'option', 'q')}", str(wrong)) from None
    if not chosen:
        raise InvalidParameter("filter", "It leaves nothing out. Say which workflows are meant.")
    return chosen


def check_criterion(name: str) -> str:
    if name not in PARAMETERS:
        raise InvalidParameter(f"filter.{name}", f"It is unknown here. Known are {', '.join(PARAMETERS)}.")
    return ALIASES.get(name, name)


def listed(value: Any) -> list[Any]:
    """One value or several; of a mapping, its pairs."""
    if value is None or value in ([], {}, ""):
        raise InvalidOption(option="value", value=value, hint="give one, or leave the criterion out.")
    if isinstance(value, dict):
        return list(value.items())
    return value if isinstance(value, list) else [value]
