"""Looking at workflows and their steps, from anywhere; inside a workflow what was seen is recorded."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import F, Model

from .conf import conf
from .errors import InvalidOption, WorkflowNotFound
from .filters import WorkflowFilter, known
from .models import Step, Workflow
from .models.workflow import WorkflowQuerySet
from .states import LIVE
from .verbs import managed

M = TypeVar("M", bound=Model)

PAGING = ("limit", "offset", "sort_desc", "load_input", "load_output")
OUTPUT = ("output", "error")


def _list_workflows(
    *, limit: int | None = None, offset: int = 0, sort_desc: bool = False, load_input: bool = True,
    load_output: bool = True, **criteria: Any,
) -> list[Workflow]:  # fmt: skip
    """The workflows that match all `criteria`, the oldest first (`sort_desc`: the newest first), at most `limit`.

    Criteria take one value or a list of them, of which any may match; an empty list matches nothing, None does not
    narrow. Texts: `status`, `phase`, `name` (may end in `*`), `queue`, `ids`, `id_prefix`, `executor`, `parent`,
    `version`, `user`, `application`, `forked_from`, `schedule`, `dedup_id`, `error_type`. Times, as datetimes, RFC 3339
    text or a length such as "24h": `created_after`, `created_before`, and so for `started` and `completed`; "after"
    includes the time, "before" does not. Flags: `was_forked_from`, `is_fork`, `has_parent`, `queues_only`. A mapping:
    `attributes`, all of which a workflow must have.

    `load_input=False` and `load_output=False` leave these columns in the database until they are asked for. Raises
    `InvalidOption`, which names the criterion that is near to an unknown one.
    """
    rows = _found(criteria)
    unread = [*(() if load_input else ("input",)), *(() if load_output else OUTPUT)]
    order = ("-created_at", "-id") if sort_desc else ("created_at", "id")
    return [] if rows is None else list(_page(rows.defer(*unread).order_by(*order), limit, offset))


def _list_queued_workflows(**criteria: Any) -> list[Workflow]:
    """The workflows in queues that have not ended: they wait, are delayed or run. Criteria as for `list_workflows`."""
    status = criteria.get("status")
    given = WorkflowFilter() if _is_empty(status) else WorkflowFilter.of(status=status)
    if given.phase or not set(given.status) <= LIVE:
        raise InvalidOption(option="status", value=status, hint=f"in a queue are {', '.join(sorted(LIVE))}")
    live = sorted(LIVE) if status is None else status
    return _list_workflows(**{**criteria, "status": live, "queues_only": True})


def _get_workflow(workflow_id: str) -> Workflow:
    """The row of a workflow as it is now, with its payloads: see `Workflow`. Raises `WorkflowNotFound`."""
    row = _rows().filter(pk=workflow_id).first()
    if row is None:
        raise WorkflowNotFound(workflow_id=workflow_id)
    return row


def _list_workflow_steps(
    workflow_id: str, limit: int | None = None, offset: int = 0, *, load_output: bool = True
) -> list[Step]:
    """What a workflow has recorded, in the order of its slots: see `Step`. Raises `WorkflowNotFound`."""
    steps = Step.objects.using(conf().DATABASE).filter(workflow_id=workflow_id).order_by("seq")
    read = steps.defer(*(() if load_output else OUTPUT)).annotate(serialization=F("workflow__serialization"))
    found = list(_page(read, limit, offset))
    if not found and not _rows().filter(pk=workflow_id).exists():
        raise WorkflowNotFound(workflow_id=workflow_id)
    return found


def _rows() -> WorkflowQuerySet:
    return Workflow.objects.using(conf().DATABASE)


def _found(criteria: dict[str, Any]) -> WorkflowQuerySet | None:
    """What matches; None when nothing can, because one of no values is wanted."""
    for name, value in criteria.items():
        known(name, value, *PAGING)
    chosen = WorkflowFilter.of(**{name: value for name, value in criteria.items() if not _is_empty(value)})
    return None if any(map(_is_empty, criteria.values())) else chosen.apply(_rows())


def _is_empty(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and not value


def _page(rows: Any, limit: Any, offset: Any) -> Any:
    for option, number in (("limit", limit), ("offset", offset)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**62):
            raise InvalidOption(option=option, value=number, hint="give a whole number that is not negative")
    first = offset or 0
    return rows[first:] if limit is None else rows[first : first + limit]


# --- recorded


def _facts(row: Model) -> dict[str, Any]:
    """The columns of a row that were read, and what it was annotated with."""
    return {name: value for name, value in vars(row).items() if name != "_state"}


def _row(model: type[M], facts: dict[str, Any]) -> M:
    columns = [field.attname for field in model._meta.concrete_fields if field.attname in facts]
    row = model.from_db(conf().DATABASE, columns, [facts[name] for name in columns])
    for name in facts.keys() - set(columns):
        setattr(row, name, facts[name])
    return row


def _workflows(listed: list[dict[str, Any]]) -> list[Workflow]:
    return [_row(Workflow, facts) for facts in listed]


def _all_facts(rows: list[Any]) -> list[dict[str, Any]]:
    return [_facts(row) for row in rows]


list_workflows, alist_workflows = managed(_list_workflows, _all_facts, _workflows)
list_queued_workflows, alist_queued_workflows = managed(_list_queued_workflows, _all_facts, _workflows)
get_workflow, aget_workflow = managed(_get_workflow, _facts, lambda facts: _row(Workflow, facts))
list_workflow_steps, alist_workflow_steps = managed(
    _list_workflow_steps, _all_facts, lambda listed: [_row(Step, facts) for facts in listed]
)
