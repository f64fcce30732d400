"""What an address asks of the page of a workflow: its whole state, so that a link shows what the sender saw."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from urllib.parse import urlencode

TABS = ("timeline", "steps", "events", "messages", "streams", "attempts", "audit", "raw")
SLOT = re.compile(r"[0-9]{1,9}")
KEY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
DOWNLOADS = ("input", "output", "error")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The query of the page. Each field is one parameter; its default is left out of addresses."""

    tab: str = "timeline"
    step: str = ""
    """A slot, "8.1" for the first slot of the child in slot 8, "0" for the workflow itself."""
    open: tuple[str, ...] = field(default=())
    fold: bool = True
    queue: bool = True
    only: str = ""
    find: str = ""
    after: int = 0
    facts: str = ""
    whole: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Asked:
        """What `query` asks for; a value that makes no sense is taken as not given."""
        step, after = query.get("step", ""), query.get("after", "")
        opened = {key for key in query.get("open", "").split(",") if SLOT.fullmatch(key)}
        opened -= set(query.get("close", "").split(","))
        return cls(
            tab=query.get("tab", "") if query.get("tab") in TABS else "timeline",
            step=step if KEY.fullmatch(step) else "",
            open=tuple(sorted(opened, key=int)),
            fold=query.get("fold") != "0",
            queue=query.get("queue") != "0",
            only="errors" if query.get("only") == "errors" else "",
            find=query.get("find", "").replace("\0", "").strip()[:100],
            after=int(after) if SLOT.fullmatch(after) else 0,
            facts="all" if query.get("facts") == "all" else "",
            whole=query.get("whole", "") if query.get("whole") in DOWNLOADS else "",
        )

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that differ from their defaults."""
        found = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                found.append((one.name, ",".join(value) if isinstance(value, tuple) else said(value)))
        return found

    def link(self, **changes: object) -> str:
        """The address with `changes`, relative to the page."""
        return "?" + urlencode(replace(self, **changes).pairs(), safe=",")  # type: ignore[arg-type]

    def toggled(self, key: str) -> str:
        """The address in which the child of slot `key` is opened, or closed when it is open."""
        rest = tuple(one for one in self.open if one != key)
        return self.link(open=rest if key in self.open else tuple(sorted((*rest, key), key=int)))


def said(value: str | int) -> str:
    return str(int(value)) if isinstance(value, int) else value
