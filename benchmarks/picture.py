"""`python -m benchmarks.picture results/RUN.json [PICTURE.svg]`: the headlines of a run as bars.

A bar says how many times better Durable was: it begins at 1 and goes right, or left where the other one was better. Its
line shows the lowest and the highest ratio of all rounds. The scale is logarithmic. The limit, which is no peer, is
outlined.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from .peers import LIMIT, OURS, PEERS, REDIS
from .report import short

HEADLINES = {
    ("steps", "sync"): "Steps of one workflow",
    ("steps", "together"): "Steps of one workflow, async, 20 at a time",
    ("many", "sync"): "Steps of 64 workflows at once",
    ("many", "async"): "Steps of 64 workflows at once, async",
    ("drain", "open_0_rate"): "Through a queue, no steps",
    ("drain", "open_1_rate"): "Through a queue, one step",
    ("drain", "fifty_0_rate"): "Through a queue, 50 at a time, no steps",
    ("drain", "fifty_1_rate"): "Through a queue, 50 at a time, one step",
    ("drain", "open_0_enqueue"): "Enqueue, one by one",
    ("enqueue", "bulk"): "Enqueue, many together",
    ("latency", "start_p50"): "Enqueue to first line, median",
    ("latency", "start_p99"): "Enqueue to first line, 99 of 100",
    ("latency", "load_start_p99"): "The same at half load, 99 of 100",
    ("latency", "result_p50"): "End to result in another process, median",
    ("latency", "message_p50"): "Send to receipt, median",
    ("recovery", "restart_rate"): "Recovery after a crash",
    ("fanout", "bulk_rate"): "A parent and its children",
    ("replay", "sync_10000_step"): "A replayed step",
}
"""By scenario and metric; what a run lacks is left out."""

WIDTH, MARGIN = 960, 24
LEFT, RIGHT = 400, 800
"""Where the scale begins and ends."""
HEAD, LINE, GAP, FOOT = 84, 19, 12, 70
BAR = 9

STYLE = """
svg { font: 13px system-ui, sans-serif; background: var(--paper);
  --paper: #f7f6f3; --ink: #1b1e24; --soft: #575c66; --rule: #d9d6cf; --better: #2f6f5e; --worse: #b2542d }
@media (prefers-color-scheme: dark) {
  svg { --paper: #16181c; --ink: #eceae5; --soft: #a5a8ae; --rule: #34373d; --better: #63b89f; --worse: #e08a5f }
}
.paper { fill: var(--paper) }
text { fill: var(--ink) }
.title { font-size: 17px; font-weight: 620 }
.metric { font-weight: 560 }
.soft { fill: var(--soft); font-size: 12px }
.figure { font-size: 12px; font-variant-numeric: tabular-nums }
.end { text-anchor: end } .middle { text-anchor: middle }
.rule { stroke: var(--rule) } .one { stroke: var(--soft) }
.better { fill: var(--better) } .worse { fill: var(--worse) }
.limit { fill: none; stroke: var(--soft) }
.spread { stroke: var(--ink) }
"""


@dataclass(frozen=True)
class Bar:
    """Durable against another one."""

    name: str
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """A headline: what Durable did, and against whom."""

    title: str
    figure: str
    bars: tuple[Bar, ...]

    @property
    def height(self) -> int:
        return LINE * max(2, len(self.bars)) + GAP


@dataclass(frozen=True)
class Scale:
    """Powers of ten, from one to another, across the middle of the picture."""

    low: int
    high: int

    def x(self, ratio: float) -> float:
        return round(LEFT + (log10(ratio) - self.low) / (self.high - self.low) * (RIGHT - LEFT), 1)

    def ticks(self) -> list[tuple[float, str]]:
        return [(self.x(10.0**power), f"{10.0**power:g} ×") for power in range(self.low, self.high + 1)]


def rows(run: dict[str, Any]) -> list[Row]:
    """The headlines of a recorded run that were measured against anybody, in the order of `HEADLINES`."""
    found = []
    for (scenario, key), title in HEADLINES.items():
        metric = run["scenarios"].get(scenario, {}).get("metrics", {}).get(key)
        if metric and metric["ratios"]:
            ours = metric["values"][OURS]["median"]
            bars = [Bar(name, each["median"], each["low"], each["high"]) for name, each in metric["ratios"].items()]
            found.append(Row(title, f"{short(ours)} {metric['unit']}", tuple(bars)))
    return found


def scale(found: list[Row]) -> Scale:
    """Wide enough for every ratio, and never without 1 and 10."""
    every = [ratio for row in found for bar in row.bars for ratio in (bar.low, bar.high)]
    return Scale(
        min([floor(log10(ratio)) for ratio in every] + [0]), max([ceil(log10(ratio)) for ratio in every] + [1])
    )


def svg(run: dict[str, Any]) -> str:
    """The picture. It follows the reader's preference for light or dark."""
    found = rows(run)
    across = scale(found)
    bottom = HEAD + sum(row.height for row in found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + FOOT}" role="img"'
        f' aria-label="{escape(_spoken(found), {chr(34): "&quot;"})}">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{bottom + FOOT}"/>',
        _text(MARGIN, 34, "How many times better Durable is", "title"),
        _text(MARGIN, 54, "right of 1: more in a second, or less time; left of 1: the other one is better", "soft"),
    ]
    for x, label in across.ticks():
        parts.append(f'<path class="{"one" if label == "1 ×" else "rule"}" d="M{x} {HEAD - 6}V{bottom}"/>')
        parts.append(_text(x, HEAD - 12, label, "soft middle"))
    y = HEAD
    for row in found:
        parts += _row(row, y, across)
        y += row.height
    parts += [_text(MARGIN, bottom + 22 + 16 * i, line, "soft") for i, line in enumerate(_about(run))]
    return "\n".join([*parts, "</svg>\n"])


def draw(source: Path, target: Path | None = None) -> Path:
    """Draw a recorded run, beside its figures if no target is given; the picture's path."""
    target = target or source.with_suffix(".svg")
    picture = svg(json.loads(source.read_text()))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture)
    return target


def _row(row: Row, top: int, across: Scale) -> list[str]:
    parts = [
        f'<path class="rule" d="M{MARGIN} {top}H{WIDTH - MARGIN}"/>',
        _text(MARGIN, top + 20, row.title, "metric"),
        _text(MARGIN, top + 20 + 17, row.figure, "soft"),
    ]
    for i, bar in enumerate(row.bars):
        parts += _bar(bar, top + GAP / 2 + LINE * (i + 0.5), across)
    return parts


def _bar(bar: Bar, middle: float, across: Scale) -> list[str]:
    start, end = sorted((across.x(1), across.x(bar.median)))
    width = max(1.0, round(end - start, 1))
    kind = "limit" if bar.name == LIMIT else "better" if bar.median >= 1 else "worse"
    parts = [
        _text(LEFT - 12, middle + 4, bar.name, "soft end"),
        f'<rect class="{kind}" x="{start}" y="{middle - BAR / 2}" width="{width}" height="{BAR}"/>',
    ]
    extremes = ""
    if bar.low != bar.high:
        parts.append(f'<path class="spread" d="M{across.x(bar.low)} {middle}H{across.x(bar.high)}"/>')
        extremes = f" [{short(bar.low)}..{short(bar.high)}]"
    parts.append(_text(WIDTH - MARGIN, middle + 4, f"{short(bar.median)} ×{extremes}", "figure end"))
    return parts


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _spoken(found: list[Row]) -> str:
    """For those who do not see it."""
    said = [f"{row.title}: " + ", ".join(f"{short(bar.median)} times {bar.name}" for bar in row.bars) for row in found]
    return "Durable against its peers. " + "; ".join(said)


def _about(run: dict[str, Any]) -> list[str]:
    machine, database = run["machine"], run["database"]
    version = database.get("server_version") or database.get("sqlite", "")
    quick = " A quick run: not to quote." if run["quick"] else ""
    redis = f"Redis without persistence for {' and '.join(volatile)}" if (volatile := _volatile(run)) else ""
    return [
        f"{machine['processor']}, {machine['memory']}; {database['kind']} {version}; rounds: {run['rounds']}.{quick}",
        ", ".join(run["subjects"].values()),
        redis,
    ]


def _volatile(run: dict[str, Any]) -> list[str]:
    """The peers that keep what they accept in memory only."""
    return [name for name in run["subjects"] if name in PEERS and PEERS[name].places == (REDIS,)]


if __name__ == "__main__":
    print(draw(*(Path(given) for given in sys.argv[1:3])))
