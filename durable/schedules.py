"""Schedules: declared beside their workflows, or created, changed and paused while everything runs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any, TypeVar

from django.db import transaction

from . import cron as expressions
from .backends.backend import backend
from .conf import conf
from .definition import Definition
from .errors import ImproperUse, InvalidOption, ScheduleExists, ScheduleNotFound
from .executor.outside import encode, tell
from .executor.registering import declare_schedule, resettled
from .executor.scheduler import CHANGED, insert, tick_id, tick_of
from .handles import WorkflowHandle
from .models import CatchUp, Now, Schedule
from .models.schedule import TERMS
from .registry import registry
from .verbs import managed

D = TypeVar("D", bound=Definition[Any, Any])

LONGEST_NAME = 200
"""Characters: the ids of what a schedule starts carry its name."""
MOST = expressions.MOST


@dataclass(frozen=True)
class Declared:
    """A schedule that code declares."""

    name: str
    workflow: str
    columns: dict[str, Any]


def scheduled(
    cron: str, timezone: str = "UTC", catch_up: str = "newest", queue: Any = None, name: str | None = None
) -> Callable[[D], D]:
    """Start a workflow by the clock: `@durable.scheduled("0 2 * * *")` on top of `@durable.workflow()`.

    The workflow receives two aware times in UTC: of its tick, and of its start. `cron`: five fields, or six with
    seconds first. `timezone`: IANA name. `catch_up`: what becomes of ticks that nobody could fire within 10 seconds:
    "newest" (the last one is), "skip" or "all". `queue`: a name or a `Queue`, default none. `name`: of the schedule,
    default the workflow's. Executors put it in the database when they start; what an operator overrode stays so.
    Raises `InvalidOption`, and `ImproperUse` for what is no workflow of two arguments.
    """

    def decorate(definition: D) -> D:
        if not isinstance(definition, Definition):
            what = getattr(definition, "__qualname__", repr(definition))
            raise ImproperUse(f"{what} is no workflow. Write @durable.scheduled(...) above its @durable.workflow().")
        terms = _terms(workflow=definition, cron=cron, timezone=timezone, catch_up=catch_up, queue=queue)
        columns = {"declared": {**terms, "code": True}, "context": None, "serialization": "json"}
        registry.declare_schedule(Declared(_name(name or definition.name), definition.name, columns))
        return definition

    return decorate


def is_dropped(schedule: Schedule) -> bool:
    """Whether code declared a schedule once and the code of this process does not any more. It still ticks."""
    return bool(schedule.declared.get("code")) and schedule.name not in {each.name for each in registry.schedules()}


def _create_schedule(
    name: str, workflow: Any, cron: str, *, context: Any = None, timezone: str = "UTC", catch_up: str = "newest",
    queue: Any = None,
) -> Schedule:  # fmt: skip
    """Create a schedule, which ticks from now on; or find the one that was created with the same words.

    `workflow`: a workflow, or the name of one that this process need not know; it receives the time of its tick (aware,
    UTC) and `context`. The rest is as in `scheduled`. Raises `ScheduleExists` when the name is another one's,
    `InvalidOption`, `SerializationError`.
    """
    given = {"workflow": workflow, "cron": cron, "timezone": timezone, "catch_up": catch_up, "queue": queue}
    name, columns = _row(name, given, context)
    rows = Schedule.objects.using(conf().DATABASE)
    terms = {term: columns["declared"][term] for term in TERMS}
    with _announced() as alias:
        row, made = rows.get_or_create(name=name, defaults={**terms, **columns})
        if not made and any(getattr(row, column) != value for column, value in columns.items()):
            raise ScheduleExists(name=name, terms=f"{row.workflow} at {row.cron} {row.timezone}")
        row.refresh_from_db(using=alias)
    return row


def _apply_schedules(schedules: Iterable[Mapping[str, Any]]) -> list[Schedule]:
    """Create schedules, or replace those that have their names: all, or none when one is not valid.

    Each is a mapping of the arguments of `create_schedule`. What an operator overrode or paused stays so, and a
    schedule whose times change starts anew. Raises `InvalidOption`, `SerializationError`.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for each in schedules:
        if not isinstance(each, Mapping):
            raise InvalidOption(option="schedules", value=each, hint="give mappings, one for each schedule")
        given = {"timezone": "UTC", "catch_up": CatchUp.NEWEST.value, "queue": None, "context": None, **each}
        for key in ("name", "workflow", "cron"):
            if key not in given:
                raise InvalidOption(option=key, value=None, hint=f"give one in each mapping; this is {dict(each)!r}")
        raw_name, context = given.pop("name"), given.pop("context")
        name, columns = _row(raw_name, given, context)
        if name in wanted:
            raise InvalidOption(option="name", value=name, hint="it is given twice; nothing was applied")
        wanted[name] = columns
    with _announced() as alias:
        for name in sorted(wanted):  # in one order, so that two of these calls cannot wait for each other
            declare_schedule(name, wanted[name], alias)
        rows = Schedule.objects.using(alias).in_bulk(list(wanted))
    return [rows[name] for name in wanted]


def _list_schedules(
    *, workflow: str | None = None, paused: bool | None = None, prefix: str | None = None
) -> list[Schedule]:
    """Every schedule, by name: of a workflow, paused or not, whose name starts with `prefix`."""
    rows = Schedule.objects.using(conf().DATABASE)
    if workflow is not None:
        rows = rows.filter(workflow=workflow)
    if paused is not None:
        rows = rows.filter(paused=paused)
    if prefix:
        rows = rows.filter(name__gte=prefix, name__lt=prefix + "\U0010ffff")
    return list(rows)


def _get_schedule(name: str) -> Schedule:
    """The schedule's row as it is now. Raises `ScheduleNotFound`."""
    return _found(name)


def _delete_schedule(name: str) -> bool:
    """Delete a schedule; False when there is none. What it started stays.

    One that code declares comes back when an executor starts: pause it instead.
    """
    with _announced() as alias:
        deleted, _ = Schedule.objects.using(alias).filter(pk=name).delete()
    return bool(deleted)


def _pause_schedule(name: str) -> None:
    """Start nothing more by the clock: when this returns, no tick is being fired. Raises `ScheduleNotFound`."""
    with _announced() as alias:
        changed = Schedule.objects.using(alias).filter(pk=name, paused=False).update(paused=True, updated_at=Now())
        if not changed:
            _found(name)


def _resume_schedule(name: str) -> None:
    """Let a paused schedule tick again, from now on: ticks of the pause are not made up for.

    Raises `ScheduleNotFound`.
    """
    with _announced() as alias:
        rows = Schedule.objects.using(alias).filter(pk=name, paused=True)
        if not rows.update(paused=False, last_at=Now(), updated_at=Now()):
            _found(name)


def _override_schedule(name: str, **terms: Any) -> Schedule:
    """Put other terms in force than those declared: `cron`, `timezone`, `catch_up`, `queue`, `workflow`.

    They stay until `clear_schedule_override`, whatever the code declares. Raises `ScheduleNotFound`, `InvalidOption`.
    """
    if not terms:
        raise InvalidOption(option="terms", value=terms, hint=f"give one or more of {', '.join(TERMS)}")
    for term in terms:
        _check_term(term)
    with _changed(name) as row:
        now = {term: getattr(row, term) for term in TERMS}
        checked = _terms(**now | terms)
        row.override = {**row.override, **{term: checked[term] for term in terms}}
    return row


def _clear_schedule_override(name: str, *terms: str) -> Schedule:
    """Put back in force what was declared: for the named terms, or for all. Raises `ScheduleNotFound`."""
    for term in terms:
        _check_term(term)
    with _changed(name) as row:
        row.override = {term: value for term, value in row.override.items() if terms and term not in terms}
    return row


def _trigger_schedule(name: str) -> WorkflowHandle[Any]:
    """Start the schedule's workflow now, paused or not, as if it ticked. Raises `ScheduleNotFound`."""
    row, now = _with_clock(name)
    workflow_id = f"sched-{name}-trigger-{now.isoformat(timespec='microseconds')}"
    return _start(row, {workflow_id: now}, now)[0]


def _backfill_schedule(
    name: str, start: datetime, end: datetime, *, dry_run: bool = False
) -> list[WorkflowHandle[Any]]:
    """Start a workflow for each tick from `start` (inclusive) to `end` (exclusive), paused or not; their handles.

    Naive times are UTC. A tick that was fired or backfilled before keeps its workflow, and those that have not come yet
    are left to the clock. `dry_run` starts nothing. Raises `ScheduleNotFound`, and `InvalidOption` for more than 10,000
    ticks.
    """
    row, now = _with_clock(name)
    past = takewhile(lambda tick: tick <= now, expressions.between(row.cron, row.timezone, start, end))
    ticks = {tick_id(name, tick): tick for tick in islice(past, MOST + 1)}
    if len(ticks) > MOST:
        hint = f"there are more than {MOST:,} ticks from {start.isoformat()} on; give a shorter time"
        raise InvalidOption(option="end", value=end.isoformat(), hint=hint)
    return [WorkflowHandle(workflow_id) for workflow_id in ticks] if dry_run else _start(row, ticks, now)


def _next_ticks(schedule: str | Schedule, n: int = 5, after: datetime | None = None) -> list[datetime]:
    """When a schedule (its row or name) ticks next: up to `n` aware times in UTC, after a moment, default now.

    They are what it would do were it not paused. Raises `ScheduleNotFound`, `InvalidOption`.
    """
    row = _found(schedule) if isinstance(schedule, str) else schedule
    return expressions.next_ticks(row.cron, row.timezone, after, n)


# --- helpers


def _start(row: Schedule, ticks: Mapping[str, datetime], now: datetime) -> list[WorkflowHandle[Any]]:
    """Insert workflows for ticks by their ids; those that exist are left as they are."""
    engine = backend()
    new = [tick_of(row, workflow_id, tick, now) for workflow_id, tick in ticks.items()]
    with transaction.atomic(using=engine.alias):
        if insert(engine, engine.borrowed(), row.name, new):
            queue = new[0].queue
            transaction.on_commit(lambda: tell([], {f"q:{queue}"}), using=engine.alias)
    return [WorkflowHandle(workflow_id) for workflow_id in ticks]


def _row(name: Any, given: dict[str, Any], context: Any) -> tuple[str, dict[str, Any]]:
    columns = {"declared": _terms(**given), "context": encode(context), "serialization": conf().SERIALIZER}
    return _name(name), columns


def _terms(**given: Any) -> dict[str, Any]:
    """The terms of a schedule as its row has them. Raises `InvalidOption`."""
    for term in given:
        _check_term(term)
    parsed = expressions.parse(given["cron"], given["timezone"])
    catch_up, queue = given["catch_up"], getattr(given["queue"], "name", given["queue"])
    if catch_up not in CatchUp.values:
        hint = f"give one of {', '.join(CatchUp.values)}"
        raise InvalidOption(option="catch_up", value=catch_up, hint=hint)
    return {
        "workflow": _workflow(given["workflow"]),
        "cron": parsed.cron,
        "timezone": parsed.zone.key,
        "catch_up": str(catch_up),
        "queue": None if queue is None else _text("queue", queue),
    }


def _check_term(term: str) -> None:
    if term not in TERMS:
        near = difflib.get_close_matches(str(term), TERMS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(TERMS)}"
        raise InvalidOption(option="term", value=term, hint=hint)


def _workflow(workflow: Any) -> str:
    """The name of a workflow, whose function, when it is given, must take two arguments."""
    if not isinstance(workflow, Definition):
        return _text("workflow", workflow)
    if workflow.signature is not None:
        try:
            workflow.signature.bind(None, None)
        except TypeError as error:
            hint = f"a scheduled workflow is called with two arguments, and this takes {workflow.signature}: {error}"
            raise InvalidOption(option="workflow", value=workflow.name, hint=hint) from None
    return workflow.name


def _name(name: Any) -> str:
    if len(_text("name", name)) > LONGEST_NAME:
        raise InvalidOption(option="name", value=f"{name[:60]}...", hint=f"at most {LONGEST_NAME} characters")
    return name


def _text(option: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 1024:
        shown = expressions.shortened(value)
        raise InvalidOption(option=option, value=shown, hint="give a name: printable text, not blank")
    return value


def _found(name: str) -> Schedule:
    row = Schedule.objects.using(conf().DATABASE).filter(pk=name).first()
    if row is None:
        raise _not_found(name)
    return row


def _not_found(name: str) -> ScheduleNotFound:
    names = list(Schedule.objects.using(conf().DATABASE).values_list("name", flat=True)[:20])
    return ScheduleNotFound(name=name, known=", ".join(names) or "none")


def _with_clock(name: str) -> tuple[Schedule, datetime]:
    """A schedule's row, and the database's clock."""
    row: Any = Schedule.objects.using(conf().DATABASE).annotate(now=Now()).filter(pk=name).first()
    if row is None:
        raise _not_found(name)
    return row, row.now.astimezone(UTC)


@contextmanager
def _announced() -> Iterator[str]:
    """A transaction, after which every scheduler looks at once; gives the alias."""
    alias = conf().DATABASE
    with transaction.atomic(using=alias):
        yield alias
        transaction.on_commit(lambda: tell([], {CHANGED}), using=alias)


@contextmanager
def _changed(name: str) -> Iterator[Schedule]:
    try:
        with resettled(name, conf().DATABASE) as row:
            yield row
    except Schedule.DoesNotExist:
        raise _not_found(name) from None


FACTS = tuple(field.attname for field in Schedule._meta.concrete_fields)


def _facts(row: Schedule) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FACTS}


def _of_facts(facts: dict[str, Any]) -> Schedule:
    return Schedule.from_db(conf().DATABASE, list(facts), list(facts.values()))


def _all_facts(rows: list[Schedule]) -> list[dict[str, Any]]:
    return [_facts(row) for row in rows]


def _all_of_facts(rows: list[dict[str, Any]]) -> list[Schedule]:
    return [_of_facts(facts) for facts in rows]


def _ids(handles: list[WorkflowHandle[Any]]) -> list[str]:
    return [handle.workflow_id for handle in handles]


def _handles(ids: list[str]) -> list[WorkflowHandle[Any]]:
    return [WorkflowHandle(workflow_id) for workflow_id in ids]


create_schedule, acreate_schedule = managed(_create_schedule, _facts, _of_facts)
apply_schedules, aapply_schedules = managed(_apply_schedules, _all_facts, _all_of_facts)
list_schedules, alist_schedules = managed(_list_schedules, _all_facts, _all_of_facts)
get_schedule, aget_schedule = managed(_get_schedule, _facts, _of_facts)
delete_schedule, adelete_schedule = managed(_delete_schedule)
pause_schedule, apause_schedule = managed(_pause_schedule)
resume_schedule, aresume_schedule = managed(_resume_schedule)
override_schedule, aoverride_schedule = managed(_override_schedule, _facts, _of_facts)
clear_schedule_override, aclear_schedule_override = managed(_clear_schedule_override, _facts, _of_facts)
trigger_schedule, atrigger_schedule = managed(_trigger_schedule, lambda handle: handle.workflow_id, WorkflowHandle)
backfill_schedule, abackfill_schedule = managed(_backfill_schedule, _ids, _handles)
next_ticks, anext_ticks = managed(_next_ticks)
