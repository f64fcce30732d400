"""Putting back in force what was declared, for the one that the address names or for all that an operator overrode."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from .action import Action


class ReturnToDeclared(Action):
    """A subclass says what can be overridden; each has a `key` and knows whether it `is_overridden`."""

    word, icon = "Return to declared", "backoff"
    stay = "Keep the override"
    parameter: ClassVar[str]
    """What the address calls the one that is meant."""

    @property
    def overridable(self) -> list[Any]:
        """All that could have been overridden."""
        return []

    @cached_property
    def cleared(self) -> list[Any]:
        asked = self.request.GET.get(self.parameter)
        over = [each for each in self.overridable if each.is_overridden]
        return [each for each in over if each.key == asked] if asked else over

    @property
    def off(self) -> str:
        return "" if self.cleared else "No operator has overridden this."
