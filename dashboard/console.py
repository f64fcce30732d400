"""What one page of the console knows about its request."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from hashlib import blake2s
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from durable.conf import conf
from durable.models import Executor, Now

THEMES = ("system", "light", "dark")
THEME_COOKIE = "durable_theme"
UNSEEN = b"seen=unseen"
"""Stands in the address that a part polls, until the part itself knows by what it will be known."""
PASSING = re.compile(rb"(<time [^>]*data-tick[^>]*>)[^<]*")
"""What the browser ticks on by itself does not make a part new."""
SECTIONS = ("overview", "workflows", "queues", "schedules", "executors", "versions")


def console_of(request: HttpRequest) -> Console:
    """The console of `request`, made on first use."""
    if not hasattr(request, "durable_console"):
        request.durable_console = Console(request)
    return request.durable_console


def executors_now(alias: str) -> QuerySet[Executor]:
    """All executors, each with `alive`: whether its lease runs, by the database's clock."""
    runs = ExpressionWrapper(Q(lease_until__gt=Now()), output_field=BooleanField())
    return Executor.objects.using(alias).annotate(alive=runs)


class Console:
    """Who asks, in which theme, with what right; who is alive; what the page cost."""

    def __init__(self, request: HttpRequest):
        self.request = request
        self.alias = conf().DATABASE
        self.application = conf().APPLICATION_NAME
        self.as_of = timezone.now()
        self.queries = 0
        self.began = time.perf_counter()

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the queries of the block, on every database."""
        self.began = time.perf_counter()
        with ExitStack() as stack:
            for connection in connections.all():
                stack.enter_context(connection.execute_wrapper(self.count))
            yield

    @property
    def is_part(self) -> bool:
        """Whether htmx asks for the part of a page that may have changed."""
        headers = self.request.headers
        return "HX-Request" in headers and "HX-History-Restore-Request" not in headers

    def stamp(self, response: HttpResponse) -> HttpResponse:
        """Tell a page that asked for a part how fresh it is now, and 204 if it is as that page has `seen` it."""
        if self.is_part:
            if response.status_code == 200 and UNSEEN in response.content:
                seen = blake2s(PASSING.sub(rb"\1", response.content), digest_size=9).hexdigest()
                if seen == self.request.GET.get("seen"):
                    response = HttpResponse(status=204)
                else:
                    response.content = response.content.replace(UNSEEN, f"seen={seen}".encode())
            here = timezone.localtime(self.as_of)
            told = {"durable:fresh": {"value": f"{here:%H:%M:%S} {here.tzname()}"}}
            response.headers.setdefault("HX-Trigger", json.dumps(told))
        return response

    def count(self, execute: Callable[..., Any], *args: Any) -> Any:
        self.queries += 1
        return execute(*args)

    @property
    def milliseconds(self) -> int:
        """How long the page has taken so far."""
        return round((time.perf_counter() - self.began) * 1000)

    @property
    def database(self) -> str:
        """The kind and version of the database, such as "PostgreSQL 18"."""
        connection = connections[self.alias]
        if connection.vendor == "postgresql":
            return f"PostgreSQL {connection.pg_version // 10000}"
        return f"SQLite {sqlite3.sqlite_version}"

    @property
    def release(self) -> str:
        """The version of Durable, or "" when it runs from a checkout that is not installed."""
        try:
            return version("durable-django")
        except PackageNotFoundError:
            return ""

    @cached_property
    def living(self) -> list[Executor]:
        """The executors whose lease runs."""
        return list(Executor.objects.using(self.alias).living().order_by("label", "started_at"))

    @property
    def serving(self) -> list[Executor]:
        """Those of the living that take new work."""
        return [executor for executor in self.living if executor.claims and not executor.draining]

    @cached_property
    def last_seen(self) -> Any:
        """When the last executor that takes work ended its lease, or None if there never was one."""
        takers = Executor.objects.using(self.alias).filter(claims=True)
        return takers.aggregate(last=Max("lease_until"))["last"]

    @property
    def theme(self) -> str:
        """ "system", "light" or "dark", as the cookie says."""
        chosen = self.request.COOKIES.get(THEME_COOKIE)
        return chosen if chosen in THEMES else "system"

    @property
    def next_theme(self) -> str:
        return THEMES[(THEMES.index(self.theme) + 1) % len(THEMES)]

    @property
    def sections(self) -> list[tuple[str, str, bool]]:
        """The pages of the navigation: word, address, whether this one is the page or lies below it."""
        path, found = self.request.path, []
        for name in SECTIONS:
            address = reverse(f"durable_dashboard:{name}")
            is_here = path == address if name == "overview" else path.startswith(address)
            found.append((name.capitalize(), address, is_here))
        return found
