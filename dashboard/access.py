"""Who may look and who may act."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.module_loading import import_string

from durable.conf import conf
from durable.errors import InvalidOption, QueueNotFound, ScheduleNotFound, VersionNotFound, WorkflowNotFound

from .armour import armoured
from .console import console_of

View = Callable[..., HttpResponse]

NOT_FOUND = (WorkflowNotFound, QueueNotFound, ScheduleNotFound, VersionNotFound)

RIGHTS = {
    "view": "durable.view_workflow",
    "view_payload": "durable.view_payload",
    "operate": "durable.operate_workflow",
    "operate_queue": "durable.operate_queue",
    "operate_schedule": "durable.operate_schedule",
    "operate_version": "durable.operate_version",
}
"""Every right with the permission that grants it. "operate" is to act on workflows, the others on what they name."""


def by_permission(request: HttpRequest, right: str) -> bool:
    """The default rule: the permission that belongs to the right; superusers have all."""
    return request.user.has_perm(RIGHTS[right])


def allowed(request: HttpRequest, right: str) -> bool:
    """Whether the person behind `request` has `right`, one of `RIGHTS`.

    `DURABLE["DASHBOARD"]["ACCESS"]` may name a function `(request, right) -> bool`, or a class of such callables.
    """
    rule = conf().DASHBOARD.get("ACCESS")
    decide = import_string(rule) if isinstance(rule, str) else rule or by_permission
    return bool((decide() if isinstance(decide, type) else decide)(request, right))


def may(right: str) -> Callable[[View], View]:
    """Open a view to people with `right` only, give it the strict headers, and measure what it costs.

    Strangers are sent to the login page; people without the right see why.
    """
    if right not in RIGHTS:
        raise ValueError(f"{right!r} is no right; known are {', '.join(RIGHTS)}.")

    def decorate(view: View) -> View:
        @armoured
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            console = console_of(request)
            with console.measured():
                if not allowed(request, right):
                    return refuse(request, right)
                try:
                    return console.stamp(view(request, *args, **kwargs))
                except (Http404, *NOT_FOUND) as missing:
                    return told(request, "missing", 404, problem=str(missing))
                except InvalidOption as wrong:
                    return told(request, "invalid", 400, problem=str(wrong))

        return wrapper

    return decorate


def refuse(request: HttpRequest, right: str) -> HttpResponse:
    """The login page for a stranger, a sentence for everybody else."""
    if request.user.is_authenticated:
        return told(request, "refused", 403, permission=RIGHTS[right])
    if console_of(request).is_part:
        # A fragment cannot hold the login page: let the whole page load again and be redirected.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    if request.method != "GET":
        return redirect("durable_dashboard:login")
    return redirect_to_login(request.get_full_path(), resolve_url("durable_dashboard:login"))


def told(request: HttpRequest, name: str, status: int, **context: Any) -> HttpResponse:
    return render(request, f"durable/{name}.html", context, status=status)
