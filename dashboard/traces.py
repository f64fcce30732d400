"""Recorded errors as people read them: type and message, and a traceback with the application's own frames in ink."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .jsontree import clean

FRAME = re.compile(r'^(\s*File ")([^"\n]+)(", line )(\d+)(.*)$')
FOREIGN = re.compile(r"^<|/(site|dist)-packages/|/lib(64)?/python\d|/durable/(engine|executor|backends)/")
CUT = re.compile(r"^.*/(?:site-packages|dist-packages|python\d[\d.]*)/")
BETWEEN = ("Traceback", "The above", "During handling", "Raised again", "[...")

Part = tuple[str, str]
"""A way to write and a text: "" plain, "b" own, "strong" the error itself."""


@dataclass(frozen=True, slots=True)
class Told:
    """An error as it was recorded. `raw` is set when its text could not be read."""

    type: str
    message: str = ""
    module: str = ""
    lines: tuple[tuple[Part, ...], ...] = ()
    errors: tuple[Told, ...] = ()
    raw: str = ""

    @property
    def sentence(self) -> str:
        """Type and first line of the message, of a length for one line."""
        first = self.message.strip().partition("\n")[0]
        first = first if len(first) <= 300 else f"{first[:299]}…"
        return f"{self.type}: {first}" if first else self.type


def told(text: str | None) -> Told | None:
    """What an error column says, or None when it is empty. Never raises."""
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return _told(value, 2) if isinstance(value, dict) else Told("An error", raw=text[:20_000])


def _told(value: dict[str, Any], depth: int) -> Told:
    kind, message, module = (clean(str(value.get(part) or "")) for part in ("type", "message", "module"))
    trace = value.get("traceback")
    lines = inked(clean(trace)) if isinstance(trace, str) and trace.strip() else []
    members = value.get("errors") if depth else None
    members = members if isinstance(members, list) else []
    errors = [_told(member, depth - 1) for member in members if isinstance(member, dict)]
    return Told(kind or "Error", message, module, tuple(lines), tuple(errors))


def inked(trace: str) -> list[tuple[Part, ...]]:
    """The lines of a traceback; frames outside of libraries are set apart, library paths are cut."""
    lines: list[tuple[Part, ...]] = []
    own = inside = False
    for line in trace.rstrip().splitlines():
        if found := FRAME.match(line):
            start, path, between, number, rest = found.groups()
            own, inside = not FOREIGN.search(path), True
            if own:
                lines.append((("", start), ("b", path), ("", between), ("b", number), ("", rest)))
            else:
                lines.append((("", start + CUT.sub(".../", path) + between + number + rest),))
        elif inside and line.startswith("    "):
            lines.append((("b" if own else "", line),))
        elif line and not line[0].isspace() and not line.startswith(BETWEEN):
            inside = False
            lines.append((("strong", line),))
        else:
            lines.append((("", line),))
    return lines
