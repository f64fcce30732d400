"""The clock along a timeline: round times at even steps, starting again after each fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from .phrases import from_stamp
from .timefold import Scale, Segment

STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2419200, 7257600, 31536000,
)  # fmt: skip
"""Seconds between two lines."""
LEAST_STEP = 5.4
"""Percent of the width between two lines, at least."""
ROOM, NARROW_ROOM = 8.0, 19.0
"""Percent that the clock time at the start of a stretch needs, on a desk and on a phone."""
MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Label:
    """A text over the timeline: `x` in percent, its class, and how it lies at that place."""

    x: str
    text: str
    css: str = ""
    anchor: str = "start"
    nudge: str = "0"


def step_of(seconds_per_percent: float, least: float = LEAST_STEP) -> float:
    """The smallest round step that is at least `least` percent wide."""
    return next((step for step in STEPS if step >= seconds_per_percent * least), STEPS[-1])


def marks(scale: Scale, least: float = LEAST_STEP) -> tuple[float, list[float]]:
    """The round step and the moments that lie on it, outside of folds."""
    drawn = sum(segment.x1 - segment.x0 for segment in scale.segments if not segment.idle)
    step = step_of(scale.shown / max(drawn, 0.01), least)
    found: list[float] = []
    for segment in scale.segments:
        if segment.idle:
            continue
        offset = _offset(segment.start)
        at = (int((segment.start + offset) // step) + 1) * step - offset
        while at < segment.end and len(found) < MOST_LINES:
            found.append(at)
            at += step
    return step, found


def rules(scale: Scale) -> list[float]:
    """Where the vertical lines stand, in percent."""
    return [scale.x(at) for at in marks(scale)[1]]


def labels(scale: Scale, now_x: float | None = None) -> list[Label]:
    """Full clock times where a stretch begins, short ones at the lines between, as far as there is room."""
    made, taken = list(_starts(scale)), []
    for label in made:
        x = float(label.x[:-1])
        room = ROOM * 1.6 if len(label.text) > 8 else ROOM * 1.2
        taken.append((x - room, x) if label.anchor == "end" else (x, x + room))
    folds = [(fold.x0 - 2, fold.x1 + 2) for fold in scale.folds]
    if now_x is not None:
        made.append(Label(percent(now_x), "now", "d-g-now", "middle"))
        taken.append((now_x - 5, now_x + 5))
    step, moments = marks(scale)
    for at in moments:
        x = scale.x(at)
        if x < 97.5 and not any(low < x + 2 and x - 2 < high for low, high in (*taken, *folds)):
            made.append(Label(percent(x), _short(at, step), "d-tick2", "middle"))
            taken.append((x - 3, x + 3))
    return made


def strip_labels(scale: Scale) -> Iterator[Label]:
    """A few round times along the unfolded strip."""
    step, moments = marks(scale, least=15.0)
    for at in moments:
        x = scale.x(at)
        if 4 < x < 96:
            yield Label(percent(x), _short(at, step, day=True), "", "middle")


def _starts(scale: Scale) -> Iterator[Label]:
    day, narrow = None, 0.0
    for x, segment in _labelled(scale):
        here = _here(segment.start)
        text = f"{here:%H:%M:%S}" if day in (None, here.date()) else f"{here:%a %H:%M:%S}"
        css = "d-g-strong" if x >= narrow else "d-g-strong d-tick2"
        if x > 88:
            yield Label(percent(segment.x1), text, css, "end")
        else:
            yield Label(percent(x), text, css, "start", "2" if x else "0")
        day = here.date()
        narrow = x + NARROW_ROOM if x >= narrow else narrow


def _labelled(scale: Scale) -> list[tuple[float, Segment]]:
    """The stretches whose start is told: where two lie too close, the one in which more is drawn."""
    kept: list[tuple[float, Segment]] = []
    for segment in scale.segments:
        x, width = segment.x0, segment.x1 - segment.x0
        if segment.idle or (x and width < 6):
            continue
        if kept and x < kept[-1][0] + ROOM:
            if width < 3 * (kept[-1][1].x1 - kept[-1][1].x0):
                continue
            kept.pop()
        kept.append((x, segment))
    return kept


def _short(at: float, step: float, *, day: bool = False) -> str:
    here = _here(at + 1e-6)
    if step < 1:
        digits = 3 if step < 0.1 else 1
        return f":{here:%S}.{here.microsecond // 10 ** (6 - digits):0{digits}}"
    if step < 60 and not day:
        return f":{here:%S}" if here.second else f"{here:%H:%M}"
    if step >= 86400:
        return f"{here.day} {here:%b}"
    if day and here.hour == 0 and here.minute == 0 and step >= 3600:
        return f"{here:%a %H:%M}"
    return f"{here:%H:%M:%S}" if step < 60 else f"{here:%H:%M}"


def _here(at: float) -> datetime:
    return timezone.localtime(from_stamp(at))


def _offset(at: float) -> float:
    offset = _here(at).utcoffset()
    return offset.total_seconds() if offset else 0.0


def percent(x: float) -> str:
    """A place for an attribute, never localized: "7.16%"."""
    return f"{x:.2f}".rstrip("0").rstrip(".") + "%"
