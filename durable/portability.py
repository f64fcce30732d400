"""A workflow with its whole history as one JSON document, out of one database and into another.

The document says what the tables say, column by column; payloads stay the texts that they are. What comes in may come
from anybody: every value is checked before anything is stored, and nothing is decoded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.db import IntegrityError, models, transaction

from . import serializers
from .backends.backend import backend
from .backends.dialect import Postgres, Sqlite
from .conf import conf
from .deleting import check_id, children_of
from .errors import InvalidDocument, QueueDeduplicated, WorkflowConflict, WorkflowNotFound
from .executor.outside import tell
from .executor.pruner import TABLES
from .handles import WorkflowHandle
from .models import Attempt, Event, Message, Now, Step, StepAttempt, StreamEntry, Workflow
from .models.fields import Key
from .states import FINAL, Status
from .verbs import managed

FORMAT, VERSION = "durable.workflow", 1
PARTS: dict[str, type[models.Model]] = {
    "steps": Step,
    "step_attempts": StepAttempt,
    "attempts": Attempt,
    "events": Event,
    "stream_entries": StreamEntry,
    "messages": Message,
}
LEFT_OUT = frozenset({"workflow", "admitted", "position", "waiting_for", "debounce_key", "debounce_deadline"})
"""What means something only in the database that it comes from."""
UNIQUE = {
    "steps": "seq",
    "step_attempts": "seq n",
    "events": "key seq",
    "stream_entries": "key offset",
    "messages": "key",
}
FROM_ONE = frozenset({"seq", "n", "consumed_seq"})
JSON_TEXTS = frozenset({"input", "output", "value", "body"})
LONGEST_KEY = 2000
"""Bytes: an index of PostgreSQL holds no longer ones."""
MOST = 2**30
"""For counts and numbers, so that an epoch can still rise."""
AT_ONCE = 500


# --- out


def _export_workflow(workflow_id: str, children: bool = False) -> dict[str, Any]:
    """A workflow and all that it has recorded, as a JSON document; with `children` also those that it started, and
    those that they started, and so on.

    Payloads are in it as stored, also those that only people with a permission may see. Each workflow is as of one
    moment, also while it runs. Inside a workflow this is a recorded step. Raises `WorkflowNotFound`.
    """
    if (first := _exported(check_id(workflow_id))) is None:
        raise WorkflowNotFound(workflow_id=workflow_id)
    found, level, seen = [first], [workflow_id], {workflow_id}
    while children and level:
        level = [child for child in children_of(level) if child not in seen]
        seen.update(level)
        found += [part for child in level if (part := _exported(child)) is not None]
    return {"format": FORMAT, "version": VERSION, "workflows": found}


def _exported(workflow_id: str) -> dict[str, Any] | None:
    alias = backend().alias
    with transaction.atomic(using=alias):
        held = Workflow.objects.using(alias).filter(pk=workflow_id).select_for_update(no_key=True)
        row = held.values(*columns(Workflow)).first()
        if row is None:
            return None
        parts = {
            part: [_plain(each) for each in _rows(model, alias, workflow_id).values(*columns(model))]
            for part, model in PARTS.items()
        }
    return {"workflow": _plain(row), **parts}


def _rows(model: type[models.Model], alias: str, workflow_id: str) -> models.QuerySet[Any]:
    return model._default_manager.using(alias).filter(workflow_id=workflow_id)


def columns(model: type[models.Model]) -> dict[str, models.Field[Any, Any]]:
    """What a document says of a row: its fields by name, without what the other database gives it anew."""
    return {
        field.name: field
        for field in model._meta.concrete_fields
        if field.name not in LEFT_OUT and not isinstance(field, models.AutoField)
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for name, value in row.items()
    }


# --- in


def _import_workflow(document: Mapping[str, Any]) -> WorkflowHandle[Any]:
    """Store what `export_workflow` gave, all of it or nothing; a handle on its first workflow.

    Workflows that had not ended go on here, from their last recorded step: do not let them go on where they come from.
    Those that had ended stay as they are. Raises `InvalidDocument`, which says what is wrong with it and where;
    `WorkflowConflict` when one of the ids exists here; `QueueDeduplicated` when the deduplication id of one that goes
    on is in use. Inside a workflow this is a recorded step.
    """
    found = [Imported(part, f"workflows[{number}]") for number, part in enumerate(_parts(document))]
    ids = [each.row["id"] for each in found]
    if len(set(ids)) < len(ids):
        _refuse("workflows", "an id is there twice")
    alias = backend().alias
    try:
        with transaction.atomic(using=alias):
            _check_free(alias, ids)
            for each in found:
                each.store(alias)
            _queue_up(ids)
    except IntegrityError:  # somebody has stored one of them a moment ago
        _check_free(alias, ids)
        raise
    changed = {f"q:{each.row['queue']}" for each in found}
    transaction.on_commit(lambda: tell([], changed), using=alias)
    return WorkflowHandle(ids[0])


def _parts(document: Any) -> list[Any]:
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        _refuse("format", f"it is no document of export_workflow, whose format is {FORMAT!r}")
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        _refuse("version", f"it is {document.get('version')!r}, and this release reads {VERSION}")
    _check_names(document, ("format", "version", "workflows"), "the document")
    parts = document.get("workflows")
    if not isinstance(parts, list) or not parts:
        _refuse("workflows", "give a list of at least one")
    return parts


def _check_free(alias: str, ids: list[str]) -> None:
    rows = Workflow.objects.using(alias)
    for start in range(0, len(ids), AT_ONCE):
        if taken := rows.filter(pk__in=ids[start : start + AT_ONCE]).values_list("pk", "name").first():
            text = f"Workflow {taken[0]!r} exists here, so it cannot be imported. Delete it first. Nothing was stored."
            raise WorkflowConflict(text, workflow_id=taken[0], existing=taken[1], wanted=taken[1])


def _queue_up(ids: Iterable[str]) -> None:
    """Those that go on join the end of their queues."""
    engine = backend()
    d: Any = Postgres if engine.vendor == "postgresql" else Sqlite
    text = f"update durable_workflow set position = {d.position} where {d.member('id', 'ids')}"
    engine.run(engine.borrowed(), text, ids=engine.pack(ids))


class Imported:
    """One workflow of a document, checked. Raises `InvalidDocument`."""

    def __init__(self, part: Any, where: str):
        if not isinstance(part, Mapping):
            _refuse(where, "give an object")
        _check_names(part, ("workflow", *PARTS), where)
        self.where = where
        self.row = _read_row(Workflow, part.get("workflow"), f"{where}.workflow", serialization=None)
        self.parts = {name: self._read_part(name, part.get(name, [])) for name in PARTS}
        self._check_sense()
        self._settle()

    def store(self, alias: str) -> None:
        """Insert all its rows."""
        row = self.row
        if row["dedup_id"] is not None:
            taken = Workflow.objects.using(alias).filter(queue=row["queue"], dedup_id=row["dedup_id"])
            if taken.exists():
                raise QueueDeduplicated(queue=row["queue"], dedup_id=row["dedup_id"])
        for table in TABLES:  # remains of another with this id, which is gone
            table._default_manager.using(alias).filter(workflow_id=row["id"]).delete()
        Workflow(**row).save(using=alias, force_insert=True)
        for name, model in PARTS.items():
            rows = [model(workflow_id=row["id"], **each) for each in self.parts[name]]
            model._default_manager.using(alias).bulk_create(rows, batch_size=AT_ONCE)

    def _read_part(self, name: str, rows: Any) -> list[dict[str, Any]]:
        where = f"{self.where}.{name}"
        if not isinstance(rows, list):
            _refuse(where, "give a list")
        written = self.row["serialization"]
        read = [_read_row(PARTS[name], each, f"{where}[{n}]", written) for n, each in enumerate(rows)]
        if unique := UNIQUE.get(name):
            keys = [tuple(each[column] for column in unique.split()) for each in read]
            if len(set(keys)) < len(keys):
                _refuse(where, f"two of them have the same {unique.replace(' ', ' and ')}")
        return read

    def _check_sense(self) -> None:
        """What the engine relies on, beyond the single values."""
        for column in ("id", "name", "queue"):
            if not self.row[column].strip():
                _refuse(f"{self.where}.workflow.{column}", "it is blank")
        epoch = self.row["epoch"]
        if late := [step["seq"] for step in self.parts["steps"] if step["epoch"] > epoch]:
            _refuse(f"{self.where}.steps", f"step {late[0]} is of an epoch after {epoch}, the workflow's own")
        streams: dict[str, set[int]] = {}
        for entry in self.parts["stream_entries"]:
            streams.setdefault(entry["key"], set()).add(entry["offset"])
        for key, offsets in streams.items():
            if max(offsets) != len(offsets) - 1:
                _refuse(f"{self.where}.stream_entries", f"the offsets of {key!r} do not count from 0 without a gap")

    def _settle(self) -> None:
        """Make the row one of this database: ended, due later, or released and ready."""
        row = self.row
        row["epoch"] += 1  # never 1 at its next claim, which would be a fresh start without a journal
        status = row["status"]
        if status in FINAL:
            row |= {"run_after": None, "wake_at": None, "dedup_id": None, "deadline": None}
            row |= {"failure": None if status == Status.SUCCESS else status}
            row["completed_at"] = row["completed_at"] or Now()
            return
        if status == Status.DELAYED and row["wake_at"] is None:
            row["status"] = Status.ENQUEUED
        later = row["status"] == Status.DELAYED
        row |= {"run_after": None if later else Now(), "wake_at": row["wake_at"] if later else None}
        row |= dict.fromkeys(("executor", "failure", "completed_at", "output"))
        row |= dict.fromkeys(("error", "error_type", "error_fingerprint"))


# --- one value


def _read_row(model: type[models.Model], row: Any, where: str, serialization: str | None) -> dict[str, Any]:
    """The values of a row, checked. A column that is left out has its default."""
    known = columns(model)
    if not isinstance(row, Mapping):
        _refuse(where, "give an object")
    _check_names(row, known, where)
    read = {name: _read(field, row, f"{where}.{name}") for name, field in known.items()}
    written = serialization or _known_serialization(read["serialization"], where)
    for name, text in read.items():
        if text is not None and (name == "error" or (written == "json" and name in JSON_TEXTS)):
            _check_json(text, f"{where}.{name}")
    return read


def _read(field: models.Field[Any, Any], row: Mapping[str, Any], where: str) -> Any:
    if field.name not in row and not field.primary_key and (field.null or field.has_default()):
        return field.get_default()
    value = row.get(field.name)
    if value is None and field.null:
        return None
    if isinstance(field, models.JSONField):
        return _read_json(field.name, value, where)
    if isinstance(field, models.DateTimeField):
        return _read_moment(value, where)
    if isinstance(field, models.TextField):
        return _read_text(field, value, where)
    kinds: Any = (int, float) if isinstance(field, models.FloatField) else int
    if isinstance(field, models.BooleanField):
        if not isinstance(value, bool):
            _refuse(where, "give true or false")
    elif isinstance(value, bool) or not isinstance(value, kinds):
        _refuse(where, "give a number")
    elif not (field.name in FROM_ONE) <= value <= MOST or not math.isfinite(value):
        _refuse(where, f"{value} is out of range")
    return value


def _read_text(field: Any, value: Any, where: str) -> str:
    if not isinstance(value, str) or "\x00" in value:
        _refuse(where, "give text, without U+0000")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        _refuse(where, "it is not valid Unicode text")
    limit = LONGEST_KEY if isinstance(field, Key) else conf().MAX_PAYLOAD_BYTES
    if size > limit:
        _refuse(where, f"it has {size:,} bytes, and {limit:,} are allowed")
    if field.choices and value not in {choice for choice, _ in field.choices}:
        _refuse(where, f"{value[:60]!r} is none of {', '.join(str(choice) for choice, _ in field.choices)}")
    return value


def _read_moment(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        if moment.utcoffset() is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        _refuse(where, "give a time with its zone, such as 2026-11-20T15:00:00.000000+00:00")


def _read_json(name: str, value: Any, where: str) -> Any:
    """Attributes are an object, roles a list of texts; neither holds what a database refuses."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        is_storable = "\\u0000" not in text and bool(text.encode())
    except (TypeError, ValueError, RecursionError):
        is_storable = False
    is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if not is_storable or not (isinstance(value, dict) if name == "attributes" else is_list):
        _refuse(where, "give an object" if name == "attributes" else "give a list of texts")
    return value


def _known_serialization(name: str, where: str) -> str:
    """A document must not choose how its payloads are read: only what this project reads by itself is taken."""
    if name not in {"json", serializers.get(conf().SERIALIZER).name}:
        _refuse(f"{where}.serialization", f"{name[:60]!r} is not how this project stores values")
    return name


def _check_json(text: str, where: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        _refuse(where, "it is no JSON")


def _check_names(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    if unknown := [name for name in given if name not in set(known)]:
        _refuse(where, f"{str(unknown[0])[:60]!r} is unknown in it; a newer release may have written it")


def _refuse(where: str, problem: str) -> NoReturn:
    raise InvalidDocument(problem=f"{where}: {problem}")


def _id(handle: WorkflowHandle[Any]) -> str:
    return handle.workflow_id


export_workflow, aexport_workflow = managed(_export_workflow)
import_workflow, aimport_workflow = managed(_import_workflow, _id, WorkflowHandle)
