"""Where an action on a workflow leads."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from ..asked import Asked
from ..pages.workflow import WorkflowPage


def back(request: HttpRequest, pk: str) -> HttpResponse:
    """To the page as it was shown; for htmx, its part that has changed."""
    if "HX-Request" in request.headers:
        return WorkflowPage(request, pk).part()
    query = Asked.from_query(request.GET).link()
    return redirect(reverse("durable_dashboard:workflow", args=[pk]) + (query if query != "?" else ""))
