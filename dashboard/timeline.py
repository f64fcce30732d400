"""Draws lanes: every x and width in percent, every y in pixels, so that the server alone decides what is seen.

Pure: lanes and interruptions in, text for SVG attributes out. The grammar: recorded time is a bar that ends in a cap,
queued time is hatched, parked time dotted, a failed attempt red, and nothing that is undecided has a cap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .lanes import Lane, Piece
from .phrases import fold, long, took
from .ruler import Label, labels, percent, rules, strip_labels
from .timefold import Idle, Scale, Segment, Span, gaps, length, merged, scale
from .wording import span as spanned

LEAST = 0.25
"""Percent; a shorter bar is only its cap."""
ENDED_WIDTH, LIVE_WIDTH = 99.0, 92.0
CHILD_SHOWN = 120.0
"""Seconds; a closed child that ran longer leaves its parent's wait free to fold."""
WHY = {"message": "for a message", "event": "for an event", "child": "for another workflow", "sleeping": "asleep"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One SVG element: a rect, a line or the cross of a failure. All numbers are ready for their attributes."""

    shape: str
    css: str
    x: str
    width: str = ""
    x2: str = ""
    y: str = ""
    height: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A lane with its drawing."""

    lane: Lane
    marks: tuple[Mark, ...]
    took: str

    @property
    def anchor(self) -> str:
        return "s" + self.lane.key.replace(".", "-")


@dataclass(frozen=True, slots=True)
class Fold:
    """A folded stretch: its edges, and the icon and length that the ruler shows for it."""

    x: str
    x2: str
    width: str
    middle: str
    icon: str
    hue: str
    text: str
    sentence: str
    crowded: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """Real time, unfolded, with fans to the places of the busy moments below."""

    marks: tuple[Mark, ...]
    labels: tuple[Label, ...]
    fans: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that the template of a timeline needs."""

    rows: list[Row]
    folds: list[Fold]
    rules: list[str]
    labels: list[Label]
    epochs: list[str]
    now: str
    shown: str
    real: str
    strip: Strip | None


@dataclass(frozen=True, slots=True)
class Interruption:
    """A time without an owner: its executor was lost, let go, or the workflow was stopped and resumed."""

    idle: Idle
    lost: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What to draw: all of the time [start, end] or the part [low, high] of it, live or ended, folded or not."""

    start: float
    end: float
    live: bool = False
    folded: bool = True
    low: float | None = None
    high: float | None = None
    opened: frozenset[str] = field(default_factory=frozenset)

    @property
    def first(self) -> float:
        return self.start if self.low is None else self.low

    @property
    def last(self) -> float:
        return self.end if self.high is None else self.high


def draw(
    root: Lane, lanes: Sequence[Lane], shown: Sequence[Lane], stops: Sequence[Interruption], view: View
) -> Drawing:
    """Draw `root` and the lanes `shown`; all `lanes` decide what is idle and what the strip says."""
    busy = merged(busy_of(root, lanes, view.opened), view.start, view.end)
    idle = idle_of(lanes, [stop.idle for stop in stops], busy, view)
    width = LIVE_WIDTH if view.live and view.high is None else ENDED_WIDTH
    within = [gap for gap in idle if gap.start >= view.first and gap.end <= view.last]
    ruler = scale(view.first, view.last, within if view.folded else (), width)
    folds = [_fold(segment, segment.idle) for segment in ruler.folds if segment.idle]
    whole = view.low is None and view.high is None
    at_now = view.live and view.last >= view.end
    return Drawing(
        rows=[Row(lane, tuple(_marks(lane.pieces, ruler)), took(lane.seconds)) for lane in (root, *shown)],
        folds=folds,
        rules=[percent(x) for x in rules(ruler)],
        labels=labels(ruler, ruler.x(view.end) if at_now else None),
        epochs=[percent(ruler.x(stop.idle.start)) for stop in stops if stop.lost and _within(stop, view)],
        now=percent(ruler.x(view.end)) if at_now else "",
        shown=spanned(ruler.shown),
        real=spanned(view.end - view.start),
        strip=None if whole and not folds else _strip(root, lanes, (busy, idle), ruler, view),
    )


def busy_of(root: Lane, lanes: Iterable[Lane], opened: frozenset[str]) -> list[Span]:
    """When something ran or stood in a queue; a closed child counts as long as it is short."""
    spans = root.busy
    for lane in lanes:
        spans += lane.busy
        if lane.key not in opened:
            spans += [
                (piece.start, piece.end) for piece in lane.pieces
                if piece.shape in ("span", "live-span") and piece.end - piece.start <= CHILD_SHOWN
            ]  # fmt: skip
    return spans


def idle_of(lanes: Iterable[Lane], stops: Sequence[Idle], busy: list[Span], view: View) -> list[Idle]:
    """The gaps that have a reason: a wait or an interruption. Without one, the workflow's own code ran: no fold."""
    reasons = list(stops)
    for lane in lanes:
        if lane.level == 1:
            reasons += [_reason(lane, piece) for piece in lane.waits]
    reasons.sort(key=lambda one: one.start)
    found = []
    for low, high in gaps(busy, view.start, view.end):
        here = [one for one in reasons if one.start < high and one.end > low]
        overlaps = [(min(one.end, high) - max(one.start, low), one) for one in here]
        best = max(overlaps, key=lambda each: each[0], default=None)
        if best and length(merged([(one.start, one.end) for one in here], low, high)) > 0.5 * (high - low):
            found.append(Idle(low, high, best[1].icon, best[1].hue, best[1].sentence))
    return found


def _reason(lane: Lane, piece: Piece) -> Idle:
    seconds = long(piece.end - piece.start)
    if piece.hue == "backoff":
        said = f"Back-off of {seconds} before {lane.name} was tried again"
        return Idle(piece.start, piece.end, "backoff", "backoff", said)
    why = WHY.get(lane.icon, "")
    about = f" on {lane.detail}" if lane.icon == "message" and lane.detail else ""
    return Idle(piece.start, piece.end, lane.icon, "parked", f"Parked {seconds} {why}{about}".rstrip())


def _within(stop: Interruption, view: View) -> bool:
    return view.first <= stop.idle.start <= view.last


def _marks(pieces: Iterable[Piece], ruler: Scale) -> Iterable[Mark]:
    for piece in pieces:
        if piece.end < ruler.start or piece.start > ruler.end:
            continue
        yield from SHAPES[piece.shape](piece, ruler.x(piece.start), ruler.x(piece.end))


def _rect(css: str, x: float, width: str, y: str, height: str) -> Mark:
    return Mark("rect", css, percent(x), width, y=y, height=height)


def _bar(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    if x2 - x >= LEAST:
        yield _rect("d-g-bar", x, percent(x2 - x), "7", "10")


def _live(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    yield _rect("d-g-live", x, percent(max(x2 - x, LEAST)), "7", "10")


def _part(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    if x2 - x >= LEAST:
        yield _rect("d-g-part d-s-failed", x, percent(x2 - x), "7.5", "9")
    yield _rect("d-g-tick d-s-failed", x2, "2", "4", "16")


def _box(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    if x2 - x >= 0.05:
        yield _rect("d-g-box", x, percent(x2 - x), "7.5", "9")


def _dots(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    if x2 - x >= LEAST:
        inset = min(0.3, (x2 - x) / 4)
        yield Mark("line", f"d-g-wait d-s-{piece.hue}", percent(x + inset), x2=percent(x2 - inset), y="12")


def _span(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    css = "d-g-live" if piece.shape == "live-span" else "d-g-span"
    yield _rect(css, x, percent(max(x2 - x, LEAST)), "10", "4")
    yield _rect(css, x, "2", "7", "10")


def _cap(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    yield _rect("d-g-cap", x, "2", "4", "16")


def _tick(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    yield _rect(f"d-g-tick d-s-{piece.hue}", x, "2", "4", "16")


def _cross(piece: Piece, x: float, x2: float) -> Iterable[Mark]:
    yield Mark("cross", "", percent(x))


SHAPES = {
    "bar": _bar, "live": _live, "part": _part, "box": _box, "wait": _dots, "span": _span, "live-span": _span,
    "cap": _cap, "tick": _tick, "cross": _cross,
}  # fmt: skip


def _fold(segment: Segment, idle: Idle) -> Fold:
    x, x2 = segment.x0, segment.x1
    return Fold(
        percent(x), percent(x2), percent(x2 - x), percent((x + x2) / 2), idle.icon, idle.hue,
        fold(idle.end - idle.start), idle.sentence, crowded=x2 - x < 3.5,
    )  # fmt: skip


def _strip(root: Lane, lanes: Iterable[Lane], times: tuple[list[Span], list[Idle]], ruler: Scale, view: View) -> Strip:
    busy, idle = times
    whole = Scale(scale(view.start, view.end, (), 100.0).segments)
    close = (view.end - view.start) * 0.003
    joined = merged(((low, high + close) for low, high in busy), view.start, view.end)
    marks: list[Mark] = [Mark("line", "d-g-rule", "0%", x2="100%", y="22")]
    for gap in idle:
        css = f"d-g-wait d-s-{gap.hue}"
        marks.append(Mark("line", css, percent(whole.x(gap.start)), x2=percent(whole.x(gap.end)), y="22"))
    for low, high in joined:
        x, width = whole.x(low), whole.x(max(high - close, low)) - whole.x(low)
        marks.append(_rect("d-g-bar", x, percent(width) if width > 0.6 else "3", "17", "10"))
    running = [piece.start for lane in lanes for piece in lane.pieces if piece.shape == "live"]
    if running:  # what runs is not recorded yet
        x = whole.x(min(running))
        marks.append(_rect("d-g-live", x, percent(100 - x) if 100 - x > 0.6 else "3", "17", "10"))
    ends = [piece for piece in root.pieces if piece.shape == "tick"]
    marks += [_rect(f"d-g-tick d-s-{piece.hue}", whole.x(piece.end), "3", "15", "14") for piece in ends]
    fans = "".join(
        _fan(whole.x(segment.start), whole.x(segment.end), segment.x0, segment.x1)
        for segment in ruler.segments if not segment.idle
    )  # fmt: skip
    ran = length(busy)
    sentence = f"Real time: {long(view.end - view.start)}, of which {long(ran)} busy or queued"
    return Strip(tuple(marks), tuple(strip_labels(whole)), fans, sentence)


def _fan(a: float, b: float, c: float, d: float) -> str:
    b = max(b, a + 0.4)
    return f"M{a:.2f} 0L{c:.2f} 18L{d:.2f} 18L{b:.2f} 0z"
