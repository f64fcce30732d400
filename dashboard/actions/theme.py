"""Light, dark, or as the system: a cookie, so that it works without a script and before signing in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from ..access import may
from ..console import THEME_COOKIE, THEMES

YEAR = 365 * 86400


@may("view")
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme and go back to the page."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    response = redirect(back if safe else "durable_dashboard:overview")
    chosen = request.POST.get("theme")
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, YEAR, secure=request.is_secure(), httponly=True, samesite="Lax")
    return response
