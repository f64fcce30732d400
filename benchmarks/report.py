"""From figures to what is printed: medians with their spread, and ratios within each round.

A ratio is taken between neighbours of the same round and only then summed up, so that a machine that slows down for a
while slows both sides. It says how many times better we are: 2 is twice the rate, or half the time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from .peers import LIMIT, OURS

RESULTS = Path(__file__).parent / "results"

Rounds = list[dict[str, dict[str, float]]]
"""For each round: subject -> figure -> value."""


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    unit: str
    more_is_better: bool = True
    limit: str | None = None
    """The figure of the limit that stands beside it."""

    def key_for(self, subject: str) -> str | None:
        return self.limit if subject == LIMIT else self.key


@dataclass(frozen=True)
class Spread:
    """The median of some rounds and their extremes."""

    median: float
    low: float
    high: float
    n: int

    def text(self, unit: str = "") -> str:
        extremes = f" [{short(self.low)}..{short(self.high)}]" if self.n > 1 else ""
        return f"{short(self.median)}{unit}{extremes}"


def spread(values: Iterable[float]) -> Spread | None:
    """None of nothing."""
    found = list(values)
    return Spread(median(found), min(found), max(found), len(found)) if found else None


def percentile(values: Sequence[float], p: float) -> float:
    """The smallest value that at least `p` percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * p / 100) - 1)]


def values(rounds: Rounds, metric: Metric, subject: str) -> list[float]:
    """A subject's figures for a metric, in the order of the rounds."""
    key = metric.key_for(subject)
    return [figures[subject][key] for figures in rounds if key in figures.get(subject, {})]


def ratios(rounds: Rounds, metric: Metric, other: str) -> list[float]:
    """How many times better we were than `other`, for each round that measured both."""
    mine, theirs = metric.key, metric.key_for(other)
    found = []
    for figures in rounds:
        a, b = figures.get(OURS, {}).get(mine), figures.get(other, {}).get(theirs)
        if a and b:
            found.append(a / b if metric.more_is_better else b / a)
    return found


def short(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rounds: Rounds, metrics: Sequence[Metric], subjects: dict[str, str]) -> str:
    """A text table: a row for each metric that anybody but the limit has, a column for each subject and each ratio."""
    others = [name for name in subjects if name != OURS]
    header = ["", *subjects.values(), *(f"durable : {name}" for name in others)]
    rows = [header]
    for metric in metrics:
        if not values(rounds, metric, OURS):
            continue
        measured = [spread(values(rounds, metric, name)) for name in subjects]
        against = [spread(ratios(rounds, metric, name)) for name in others]
        cells = [each.text() if each else "-" for each in measured] + [
            each.text(" x") if each else "-" for each in against
        ]
        rows.append([f"{metric.title} ({metric.unit})", *cells])
    return aligned(rows)


def aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def record(run: dict[str, Any], measured: dict[str, tuple[Rounds, Sequence[Metric]]], subjects: dict[str, str]) -> Path:
    """Write the run, its raw figures and its sums as JSON; the file's path."""
    scenarios = {}
    for scenario, (rounds, metrics) in measured.items():
        sums = {}
        for metric in metrics:
            found = {name: spread(values(rounds, metric, name)) for name in subjects}
            against = {name: spread(ratios(rounds, metric, name)) for name in subjects if name != OURS}
            sums[metric.key] = {
                "title": metric.title,
                "unit": metric.unit,
                "values": {name: asdict(each) for name, each in found.items() if each},
                "ratios": {name: asdict(each) for name, each in against.items() if each},
            }
        scenarios[scenario] = {"rounds": rounds, "metrics": sums}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{run['database']['kind']}.json"
    path.write_text(json.dumps({**run, "subjects": subjects, "scenarios": scenarios}, indent=2))
    return path
