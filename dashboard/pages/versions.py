"""Versions of the code: which run, which is the latest, and what waits for one that nobody runs."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

import durable
from durable.conf import conf
from durable.models import Version

from ..access import allowed, may
from ..console import console_of
from ..fleet import Code, Fleet
from ..wording import plural


@may("view")
@require_safe
def versions(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only its part that changes."""
    page = VersionsPage(request)
    template = "durable/includes/fleet.html" if page.console.is_part else "durable/versions.html"
    return render(request, template, {"page": page, "live": "5s"})


class VersionsPage:
    """What the page asks of the database."""

    def __init__(self, request: HttpRequest):
        self.request = request
        self.console = console_of(request)
        self.fleet = Fleet(self.console.alias, self.console.serving)

    @property
    def may_act(self) -> bool:
        return allowed(self.request, "operate_version")

    @property
    def is_strict(self) -> bool:
        """Whether work waits for executors of its own version."""
        return conf().VERSIONS == "strict"

    @cached_property
    def rows(self) -> list[tuple[Version, int, bool]]:
        """The versions of this application, the latest first: each with how many living executors run it."""
        run = Counter(executor.version for executor in self.console.serving)
        return [(row, run[row.name], place == 0) for place, row in enumerate(durable.list_versions())]

    @property
    def codes(self) -> list[Code]:
        return self.fleet.shown

    @property
    def headline(self) -> str:
        if not self.rows and not self.codes:
            return "No version has run yet."
        stranded = sum(code.idle for code in self.fleet.stranded)
        if stranded:
            more = " or more" if self.fleet.is_cut else ""
            words = plural(stranded, "workflow waits", "workflows wait")
            return f"{words}{more} for code that nobody runs."
        return "All work has an executor that runs its code."

    @property
    def poll(self) -> str:
        return f"{self.request.path}?seen=unseen"
