"""Where a moment lies on the page: time runs evenly, but for the long idle stretches, which fold to a fixed width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

FOLD_WIDTH = 6.0
"""Percent of the drawing that one fold takes."""
FOLDS_WIDTH = 54.0
"""Percent that all folds may take together; more of them become narrower."""
MOST_FOLDS = 12
WORTH = 0.12
"""An idle stretch folds when it is longer than this share of the time that stays visible."""
SHORTEST_FOLD = 0.25
"""Seconds; what is shorter is always drawn as it was."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Idle:
    """A stretch in which nothing ran, and why: an icon of the sprite, a hue and a sentence."""

    start: float
    end: float
    icon: str
    hue: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time and its place in percent; `idle` is set when it is folded."""

    start: float
    end: float
    x0: float
    x1: float
    idle: Idle | None = None


class Scale:
    """Maps seconds since the epoch to percent of the width, evenly within each segment."""

    def __init__(self, segments: list[Segment]):
        self.segments = segments
        self._starts = [segment.start for segment in segments]

    @property
    def start(self) -> float:
        return self.segments[0].start

    @property
    def end(self) -> float:
        return self.segments[-1].end

    @property
    def folds(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.idle]

    @property
    def shown(self) -> float:
        """Seconds that are drawn unfolded."""
        return sum(segment.end - segment.start for segment in self.segments if not segment.idle)

    def x(self, at: float) -> float:
        """The place of a moment, in percent; what lies outside is drawn at the nearer edge."""
        segment = self.segments[max(bisect_right(self._starts, at) - 1, 0)]
        share = (at - segment.start) / (segment.end - segment.start)
        return segment.x0 + min(max(share, 0.0), 1.0) * (segment.x1 - segment.x0)


def merged(spans: Iterable[Span], start: float, end: float) -> list[Span]:
    """The union of spans within [start, end], in order."""
    union: list[Span] = []
    for low, high in sorted((max(low, start), min(high, end)) for low, high in spans):
        if high < low:
            continue
        if union and low <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], high))
        else:
            union.append((low, high))
    return union


def gaps(busy: Iterable[Span], start: float, end: float) -> list[Span]:
    """What the union of `busy` leaves free within [start, end]."""
    free, at = [], start
    for low, high in merged(busy, start, end):
        if low > at:
            free.append((at, low))
        at = max(at, high)
    return [*free, (at, end)] if end > at else free


def length(spans: Iterable[Span]) -> float:
    return sum(high - low for low, high in spans)


def worth_folding(idle: Iterable[Idle], start: float, end: float) -> list[Idle]:
    """Those idle stretches that would crowd out what ran, the longest first while it pays."""
    chosen: list[Idle] = []
    shown = end - start
    for stretch in sorted(idle, key=lambda one: one.start - one.end):
        seconds = stretch.end - stretch.start
        if len(chosen) == MOST_FOLDS or seconds < SHORTEST_FOLD or seconds < WORTH * (shown - seconds):
            break
        chosen.append(stretch)
        shown -= seconds
    return sorted(chosen, key=lambda one: one.start)


def scale(start: float, end: float, idle: Iterable[Idle] = (), width: float = 99.0) -> Scale:
    """A scale over [start, end] that ends at `width` percent, with the stretches worth it folded."""
    end = max(end, start + 0.001)
    folds = worth_folding(idle, start, end)
    shown = end - start - sum(fold.end - fold.start for fold in folds)
    # A little of each idle stretch stays visible at both sides, so that a fold never touches what ran.
    pad = max(shown, 0.001) * 0.006
    cuts = [(fold.start + min(pad, 0.02 * (fold.end - fold.start)), fold.end - min(pad, 0.02 * (fold.end - fold.start)),
             fold) for fold in folds]  # fmt: skip
    shown = end - start - sum(high - low for low, high, _ in cuts)
    fold_width = min(FOLD_WIDTH, FOLDS_WIDTH / len(cuts)) if cuts else 0.0
    rate = (width - fold_width * len(cuts)) / max(shown, 1e-9)
    segments, at, x = [], start, 0.0
    for low, high, fold in cuts:
        if low > at:
            segments.append(Segment(at, low, x, x + (low - at) * rate))
            x = segments[-1].x1
        segments.append(Segment(low, high, x, x + fold_width, fold))
        at, x = high, x + fold_width
    if end > at:
        segments.append(Segment(at, end, x, width))
    return Scale(segments)
