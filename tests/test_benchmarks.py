"""The arithmetic of `benchmarks`: what it sums up, and what it compares with what. No engine is measured here."""

from __future__ import annotations

import json

import pytest

from benchmarks import report
from benchmarks.report import Metric, Spread, percentile, ratios, short, spread, table, values
from benchmarks.scenarios import SCENARIOS

RATE = Metric("rate", "steps", "steps/s", limit="insert")
WAIT = Metric("wait", "start", "ms", more_is_better=False, limit="notify")
ROUNDS = [
    {"durable": {"rate": 1000.0, "wait": 2.0}, "dbos": {"rate": 200.0, "wait": 500.0}, "raw": {"insert": 4000.0}},
    {"durable": {"rate": 600.0, "wait": 4.0}, "dbos": {"rate": 200.0, "wait": 600.0}, "raw": {"insert": 2000.0}},
    {"durable": {"rate": 1200.0, "wait": 3.0}, "dbos": {"rate": 300.0, "wait": 300.0}, "raw": {"insert": 4000.0}},
]
NAMES = {"dbos": "dbos 3.4.0", "durable": "durable 0.1.0", "raw": "raw psycopg"}


def test_a_spread_is_the_median_and_the_extremes():
    assert spread([3, 1, 2]) == Spread(2, 1, 3, 3)
    assert spread([4, 1]) == Spread(2.5, 1, 4, 2)
    assert spread([]) is None


def test_of_a_single_round_no_spread_is_shown():
    assert Spread(2, 2, 2, 1).text(" x") == "2.00 x"
    assert Spread(1234.4, 900, 1300, 3).text() == "1,234 [900..1,300]"


def test_a_ratio_says_how_many_times_better_we_are_whichever_way_is_better():
    assert ratios(ROUNDS, RATE, "dbos") == [5, 3, 4]
    assert ratios(ROUNDS, WAIT, "dbos") == [250, 150, 100]


def test_ratios_are_taken_within_a_round_and_summed_up_afterwards():
    """The ratio of the medians would be 5: it would compare one round with another."""
    assert spread(ratios(ROUNDS, RATE, "dbos")) == Spread(4, 3, 5, 3)


def test_the_limit_is_compared_by_its_own_figure():
    assert values(ROUNDS, RATE, "raw") == [4000, 2000, 4000]
    assert ratios(ROUNDS, RATE, "raw") == [0.25, 0.3, 0.3]
    assert ratios(ROUNDS, WAIT, "raw") == []


def test_a_round_that_measured_one_side_only_gives_no_ratio():
    assert ratios([{"durable": {"rate": 5.0}}, *ROUNDS[:1]], RATE, "dbos") == [5]
    assert ratios([{"durable": {"rate": 5.0}, "dbos": {"rate": 0.0}}], RATE, "dbos") == []


@pytest.mark.parametrize(("p", "expected"), [(50, 5), (95, 10), (99, 10), (10, 1), (100, 10)])
def test_a_percentile_is_one_of_the_samples(p, expected):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], p) == expected


def test_numbers_are_short():
    assert [short(value) for value in (12345.6, 99.96, 10, 1.234, 0.05)] == ["12,346", "100.0", "10.0", "1.23", "0.05"]


def test_the_table_has_a_row_for_each_metric_that_was_measured():
    lines = table(ROUNDS, [RATE, WAIT, Metric("other", "not measured", "ms")], NAMES).splitlines()
    assert len(lines) == 4
    columns = [column.strip() for column in lines[0].split("  ") if column.strip()]
    assert columns == [*NAMES.values(), "durable : dbos", "durable : raw"]
    assert "1,000 [600..1,200]" in lines[2] and "4.00 x [3.00..5.00]" in lines[2] and "0.30 x [0.25..0.30]" in lines[2]
    assert lines[3].endswith("-")


def test_the_record_keeps_every_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    path = report.record({"database": {"kind": "sqlite"}}, {"steps": (ROUNDS, [RATE, WAIT])}, NAMES)
    written = json.loads(path.read_text())
    assert written["scenarios"]["steps"]["rounds"] == ROUNDS
    assert written["scenarios"]["steps"]["metrics"]["rate"]["ratios"]["dbos"] == {
        "median": 4,
        "low": 3,
        "high": 5,
        "n": 3,
    }


def test_no_two_metrics_of_a_scenario_share_a_key():
    for scenario in SCENARIOS.values():
        keys = [metric.key for metric in scenario.METRICS]
        assert len(keys) == len(set(keys))
