"""Cancel one workflow."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

import durable
from durable.audit import audited

from ..access import may
from .back import back


@may("operate")
@require_POST
def cancel(request: HttpRequest, pk: str) -> HttpResponse:
    """Cancel it and say so in the audit log, or say that it had ended already."""
    with audited("cancel", pk, actor=request.user.get_username(), source="dashboard") as detail:
        detail["changed"] = bool(durable.cancel_workflow(pk))
    if detail["changed"]:
        messages.success(request, "Cancelled. What it recorded stays; resume lets it go on.")
    else:
        messages.warning(request, "It had ended already, so there was nothing to cancel.")
    return back(request, pk)
