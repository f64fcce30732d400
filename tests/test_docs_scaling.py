"""The projections of the page on scaling are what the model says."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scaling import ENQUEUED, RUN, STEP, need, table

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"


def test_the_table_of_the_page_is_what_the_model_prints():
    shown = PAGE.read_text().partition("<!-- scaling -->\n")[2].partition("\n\n")[0]
    assert shown.splitlines() == table([10, 1_000, 100_000], steps=3, days=30)


def test_twice_the_rate_asks_for_twice_of_everything():
    one, two = need(100, 3, 30), need(200, 3, 30)
    assert [two.server_cores, two.executors, two.log_mb, two.kept_gb] == [
        2 * each for each in (one.server_cores, one.executors, one.log_mb, one.kept_gb)
    ]


def test_each_step_costs_what_a_step_costs():
    without, with_ten = need(1_000, 0, 1), need(1_000, 10, 1)
    assert round((with_ten.log_mb - without.log_mb) * 1e6) == 10 * STEP.log * 1_000
    assert without.log_mb * 1e6 == (ENQUEUED.log + RUN.log) * 1_000
