"""Acting on many workflows: those that are named, or those that a filter finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.chance import chance
from durable.errors import DurableError, WorkflowConflict, WorkflowNotFound
from durable.models.workflow import WorkflowQuerySet
from durable.states import FINAL, LIVE, Status

from ..authentication import actor_of
from ..errors import problem_of
from ..filtering import filter_of_body
from ..idempotency import key_parameter, read_key
from ..pagination import PAGE_PARAMETERS, Page
from ..permissions import MayOperate
from ..serializers.bulk import BulkReportSerializer, BulkSerializer
from .endpoint import PAGING, Endpoint, documented, only, said
from .forking import is_fork
from .rows import workflows
from .workflows import NEWEST_FIRST

MOST_COUNTED = 10_000

CONCERNS = {
    "cancel": LIVE,
    "resume": {Status.CANCELLED, Status.DEAD},
    "rewind": FINAL,
    "delete": FINAL,
}
"""Which of those that a filter finds an action is for. Ids that are given are taken at their word."""
KEY = key_parameter(
    "For restart: each fork's id is this, a colon and the id of its original, so that none is forked again."
)
EXAMPLE = OpenApiExample(
    "Look first",
    {"action": "cancel", "filter": {"queue": "orders", "created_before": "24h"}, "dry_run": True},
    request_only=True,
)


@dataclass
class Result:
    """What became of one workflow."""

    id: str
    workflow: str
    changed: bool = False
    problem: str | None = None


class Bulk(Endpoint):
    permission_classes = (MayOperate,)

    @documented(
        operation_id="act_on_workflows",
        summary="Cancel, resume, restart, rewind or delete many workflows, a page at a time, newest first",
        parameters=[KEY, *PAGING],
        request=BulkSerializer,
        examples=[EXAMPLE],
        responses={200: BulkReportSerializer},
        problems=(400, 404, 415),
    )
    def post(self, request: Any) -> Response:
        order = said(request, BulkSerializer)
        only(request, paging=PAGE_PARAMETERS if "filter" in order else ())
        action = order["action"]
        rows = chosen(order)
        if "filter" in order and action in CONCERNS:
            rows = rows.with_status(*CONCERNS[action])
        act = Act(action, actor_of(request), read_key(request), order)
        return report(request, order, rows, act)


def chosen(order: dict[str, Any]) -> WorkflowQuerySet:
    """The workflows that are meant. Raises `WorkflowNotFound` for an id that does not exist."""
    if "filter" in order:
        return filter_of_body(order["filter"]).apply(workflows().order_by())
    rows = workflows().filter(pk__in=order["ids"])
    known = set(rows.values_list("pk", flat=True))
    for pk in order["ids"]:
        if pk not in known:
            raise WorkflowNotFound(workflow_id=pk)
    return rows


def report(
    request: Any, order: dict[str, Any], rows: WorkflowQuerySet, act: Callable[[str], tuple[str, bool]]
) -> Response:
    """Do `act` on one page of `rows`, each in a transaction of its own, unless it is only a rehearsal."""
    if "ids" in order:
        count, page = len(order["ids"]), Page(order["ids"], None)
    else:
        count = rows.order_by()[:MOST_COUNTED].count()
        page = NEWEST_FIRST.page(request, rows.only("id", "created_at"))
    results = [Result(pk, pk) for pk in (getattr(row, "pk", row) for row in page.rows)]
    if not order["dry_run"]:
        for result in results:
            attempt(result, act)
    changed = sum(result.changed for result in results)
    said = {"dry_run": order["dry_run"], "count": count, "changed": changed, "cursor": page.cursor}
    return Response({**said, "results": [asdict(result) for result in results]})


def attempt(result: Result, act: Callable[[str], tuple[str, bool]]) -> None:
    """Do it, or note why it cannot be done: one that cannot does not keep the others from it."""
    try:
        result.workflow, result.changed = act(result.id)
    except DurableError as error:
        problem = problem_of(error)
        if problem is None or problem["status"] >= 500:
            raise
        result.problem = problem["detail"]


@dataclass
class Act:
    """One action on one workflow after the other: gives the id under which each goes on, and whether it changed."""

    action: str
    actor: str
    key: str | None
    order: dict[str, Any]

    def __call__(self, pk: str) -> tuple[str, bool]:
        options = {name: self.order[name] for name in ("queue", "version", "start_step") if name in self.order}
        if self.action == "restart":
            return self._restart(pk, options)
        with audited(self.action, pk, actor=self.actor, source="api", bulk=True, **options) as detail:
            detail["changed"] = changed = getattr(self, f"_{self.action}")(pk, options)
        return pk, changed

    @property
    def _children(self) -> bool:
        return self.order.get("children", False)

    def _cancel(self, pk: str, options: dict[str, Any]) -> bool:
        return durable.cancel_workflow(pk, cancel_children=self._children)

    def _delete(self, pk: str, options: dict[str, Any]) -> bool:
        return durable.delete_workflow(pk, delete_children=self._children)

    def _rewind(self, pk: str, options: dict[str, Any]) -> bool:
        durable.rewind_workflow(pk, **options)
        return True

    def _resume(self, pk: str, options: dict[str, Any]) -> bool:
        epoch = workflows().filter(pk=pk).values_list("epoch", flat=True)
        before = epoch.first()
        durable.resume_workflow(pk, **options)
        return epoch.first() != before

    def _restart(self, pk: str, options: dict[str, Any]) -> tuple[str, bool]:
        fork = f"{self.key}:{pk}" if self.key else chance.new_id()
        try:
            with audited("restart", pk, actor=self.actor, source="api", bulk=True, fork=fork, **options):
                durable.restart_workflow(pk, workflow_id=fork, **options)
        except WorkflowConflict:
            if self.key is None or not is_fork(fork, pk):
                raise
            return fork, False
        return fork, True
