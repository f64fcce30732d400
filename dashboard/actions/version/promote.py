"""Make one version the latest."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django.urls import reverse

import durable
from durable.conf import conf
from durable.errors import VersionNotFound
from durable.models import Version

from ..action import Action, Effect, view_of


class Promote(Action):
    """Make it the latest version."""

    right: ClassVar[str] = "operate_version"
    kind: ClassVar[str] = "version"
    verb = "promote"
    word, icon = "Promote", "up"

    @cached_property
    def versions(self) -> list[Version]:
        found = durable.list_versions()
        if self.target not in {version.name for version in found}:
            known = ", ".join(version.name for version in found) or "none"
            raise VersionNotFound(version=self.target, known=known)
        return found

    @property
    def question(self) -> str:
        return "Make this the latest version?"

    @property
    def crumb(self) -> str:
        return "Versions"

    @property
    def back(self) -> str:
        return reverse("durable_dashboard:versions")

    @property
    def off(self) -> str:
        return "It is the latest already." if self.versions[0].name == self.target else ""

    @property
    def effects(self) -> list[Effect]:
        running = [executor for executor in self.console.serving if executor.version == self.target]
        made = [Effect("up", f"It takes the place of {self.versions[0].name}.")]
        if conf().VERSIONS == "strict":
            made.append(Effect("queued", "Its executors take work that names no version; those of others do not."))
        else:
            made.append(Effect("info", "Work goes on where it did: here any executor that knows a function takes it."))
        if not running:
            made.append(Effect("warn", "No living executor runs it.", "backoff"))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        durable.set_latest_version(self.target)
        return f"Version {self.target} is the latest."


promote = view_of(Promote)
