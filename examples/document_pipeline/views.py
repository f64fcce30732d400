"""Start an index and watch it. For operators only: the report names files of this machine."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_GET, require_POST

import durable
from durable.conf import conf
from durable.models import Workflow
from durable.states import Status

from .workflows import index_documents

MOST_FILES = 20_000


def for_staff(view: Any) -> Any:
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), resolve_url("durable_dashboard:login"))
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return wrapper


@require_GET
@for_staff
def index(request: HttpRequest) -> HttpResponse:
    runs = Workflow.objects.using(conf().DATABASE).listed().filter(name=index_documents.name)[:10]
    return render(request, "document_pipeline/index.html", {"runs": runs, "most": MOST_FILES})


@require_POST
@for_staff
def start(request: HttpRequest) -> HttpResponse:
    limit = request.POST.get("limit", "")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MOST_FILES:
        return HttpResponseBadRequest(f"limit is a number from 1 to {MOST_FILES}.")
    return redirect("document_pipeline:run", index_documents.start(limit=int(limit)).workflow_id)


@require_GET
@for_staff
def run(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """How far it is; htmx asks for the part that changes until there is a report."""
    workflows = Workflow.objects.using(conf().DATABASE).filter(name=index_documents.name)
    workflow = workflows.filter(pk=workflow_id).first()
    if workflow is None:
        raise Http404
    context = {
        "workflow": workflow,
        "progress": durable.get_event(workflow_id, "progress", timeout_seconds=0),
        "report": report_of(workflow),
    }
    part = "_run.html" if "HX-Request" in request.headers else "run.html"
    return render(request, f"document_pipeline/{part}", context)


def report_of(workflow: Workflow) -> dict[str, Any] | None:
    """What the finished index returned, or None while there is no such thing."""
    if workflow.status != Status.SUCCESS:
        return None
    return durable.retrieve_workflow(workflow.pk).get_result()
