"""Resume one workflow."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

import durable
from durable.audit import audited
from durable.errors import NotResumable
from durable.states import Status

from ..access import may
from .back import back


@may("operate")
@require_POST
def resume(request: HttpRequest, pk: str) -> HttpResponse:
    """Let it go on after its last recorded step, or say why it cannot."""
    try:
        with audited("resume", pk, actor=request.user.get_username(), source="dashboard") as detail:
            handle = durable.resume_workflow(pk)
            # What runs or has succeeded is left as it is; all else waits for an executor now.
            detail["changed"] = handle.get_status().status == Status.ENQUEUED
    except NotResumable as error:
        messages.error(request, str(error))
        return back(request, pk)
    if detail["changed"]:
        messages.success(request, "Resumed. It goes on after its last recorded step as soon as an executor takes it.")
    else:
        messages.warning(request, "It runs or has succeeded, so there was nothing to resume.")
    return back(request, pk)
