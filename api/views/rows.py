"""Workflows as rows: which there are, and what an action left behind."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.response import Response

from durable.conf import conf
from durable.errors import WorkflowNotFound
from durable.models import Workflow
from durable.models.workflow import WorkflowQuerySet

from ..links import link
from .endpoint import Endpoint


def workflows() -> WorkflowQuerySet:
    return Workflow.objects.using(conf().DATABASE)


def found(rows: WorkflowQuerySet, pk: str) -> Workflow:
    """The workflow `pk` of `rows`. Raises `WorkflowNotFound`."""
    workflow = rows.filter(pk=pk).first()
    if workflow is None:
        raise WorkflowNotFound(workflow_id=pk)
    return workflow


def rows_of(view: Endpoint, model: Any, pk: str, *payload: str) -> QuerySet[Any]:
    """The rows of `model` that belong to the workflow `pk`, without the columns that `view`'s user may not see.

    Raises `WorkflowNotFound`.
    """
    found(workflows().only("id"), pk)
    rows = model.objects.using(conf().DATABASE).filter(workflow_id=pk)
    return rows if view.may_see_payload else rows.defer(*payload)


def receipt(request: Any, pk: str, *, changed: bool, status: int = 200) -> Response:
    """What an action left behind, and where to look."""
    url = link(request, "workflow", id=pk)
    now = found(workflows().only("status"), pk).status
    return Response({"id": pk, "url": url, "status": now, "changed": changed}, status=status, headers={"Location": url})
