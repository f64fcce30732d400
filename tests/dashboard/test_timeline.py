"""What is drawn, from rows alone: no database, no clock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.lanes import Hints, Lane, Piece, is_timer, lanes, next_slot, pending, root
from dashboard.stops import spent
from dashboard.timefold import Idle, gaps, merged, scale
from dashboard.timeline import Drawing, Interruption, Row, View, draw
from durable.models import Workflow

BASE = datetime(2026, 11, 19, 13, 13, 4, tzinfo=UTC)
START = BASE.timestamp()


def at(seconds: float) -> datetime:
    return BASE + timedelta(seconds=seconds)


def slot(seq: int, start: float, end: float, kind: str = "step", **more: Any) -> SimpleNamespace:
    columns = {"name": kind, "child": None, "epoch": 1, "attempts": 1, "has_error": False, "wake": None}
    times = {"started_at": at(start), "completed_at": at(end)}
    return SimpleNamespace(seq=seq, kind=kind, **{**columns, **times, **more})


def failed(n: int, start: float, end: float) -> SimpleNamespace:
    return SimpleNamespace(n=n, name="charge", started_at=at(start), ended_at=at(end))


def workflow(**columns: Any) -> Workflow:
    ran = {
        "name": "shop.checkout",
        "status": "SUCCESS",
        "created_at": BASE,
        "started_at": at(1),
        "completed_at": at(10),
    }
    return Workflow(**{**ran, **columns})


def lane_of(step: SimpleNamespace, tries: list[Any] = [], now: float = 1e6, **hints: Any) -> Lane:  # noqa: B006
    return lanes([step], {step.seq: tries}, Hints(**hints), START + now)[0]


def shapes(lane: Lane) -> list[tuple[str, float, float]]:
    return [(piece.shape, round(piece.start - START, 3), round(piece.end - START, 3)) for piece in lane.pieces]


def drawn(own: Any, made: list[Lane], stops: list[Interruption] = [], **view: Any) -> Drawing:  # noqa: B006
    end = (own.completed_at or at(view.pop("now", 10))).timestamp()
    live = own.completed_at is None
    return draw(root(own, end), made, made, stops, View(own.created_at.timestamp(), end, live, **view))


def css(row: Row) -> list[str]:
    return [mark.css or mark.shape for mark in row.marks]


def test_a_recorded_step_is_a_bar_that_ends_in_a_cap():
    lane = lane_of(slot(1, 1, 5))
    assert shapes(lane) == [("bar", 1, 5), ("cap", 5, 5)]
    row = drawn(workflow(), [lane]).rows[1]
    assert css(row) == ["d-g-bar", "d-g-cap"]
    assert (row.marks[0].x, row.marks[0].width) == ("9.9%", "39.6%")
    assert (row.marks[1].x, row.marks[1].width) == ("49.5%", "2")


def test_what_is_shorter_than_a_quarter_percent_is_its_cap_alone():
    assert css(drawn(workflow(), [lane_of(slot(1, 1, 1.001))]).rows[1]) == ["d-g-cap"]


def test_failed_attempts_follow_one_another_with_their_back_off():
    lane = lane_of(slot(7, 8, 9, attempts=3), [failed(1, 1, 3), failed(2, 4, 6)])
    assert shapes(lane) == [
        ("part", 1, 3), ("wait", 3, 4), ("part", 4, 6), ("wait", 6, 8), ("bar", 8, 9), ("cap", 9, 9),
    ]  # fmt: skip
    assert (lane.attempts, lane.seconds, lane.failed) == (3, 8, False)
    assert {piece.hue for piece in lane.waits} == {"backoff"}


def test_the_last_back_off_took_at_least_as_long_as_the_one_before():
    """The step's row was opened before its first attempt, so it does not tell when the last one began."""
    lane = lane_of(slot(7, 1, 9, attempts=3), [failed(1, 1, 3), failed(2, 4, 6)])
    assert shapes(lane)[-3:] == [("wait", 6, 7), ("bar", 7, 9), ("cap", 9, 9)]


def test_a_step_that_gave_up_ends_in_a_cross_and_has_no_cap():
    tries = [failed(1, 1, 2), failed(2, 3, 4)]
    lane = lane_of(slot(7, 3, 4.01, attempts=2, has_error=True), tries)
    assert [shape for shape, _, _ in shapes(lane)] == ["part", "wait", "part", "cross"]
    once = lane_of(slot(7, 3, 4, has_error=True))
    assert [shape for shape, _, _ in shapes(once)] == ["part", "cross"]
    assert "cross" in css(drawn(workflow(), [once]).rows[1])


def test_a_sleep_is_parked_time_up_to_its_recorded_end_or_to_now():
    sleep = slot(2, 2, 100, "sleep", wake=START + 100)
    assert shapes(lane_of(sleep)) == [("wait", 2, 100), ("cap", 100, 100)]
    assert shapes(lane_of(sleep, now=50)) == [("wait", 2, 50)]


def test_the_deadline_of_a_wait_is_no_sleep():
    timer = slot(5, 2, 2.002, "sleep", wake=START + 3602)
    assert is_timer(timer) and not is_timer(slot(2, 2, 100, "sleep", wake=START + 100))
    lane = lane_of(timer)
    assert (lane.name, lane.detail, shapes(lane)) == ("timeout", "of 4, 1 h", [("cap", 2.002, 2.002)])


def test_a_wait_begins_when_its_deadline_was_recorded_though_it_was_replayed_later():
    steps = [slot(4, 60, 60.1, "recv", epoch=2), slot(5, 2, 2.002, "sleep", wake=START + 3602)]
    lane = lanes(steps, {}, Hints(topics={4: "payment"}), START + 99)[0]
    assert (lane.detail, shapes(lane)) == ("payment", [("wait", 2, 60.1), ("cap", 60.1, 60.1)])


def test_a_child_is_queued_then_a_span_with_the_end_of_the_child():
    for status, end in (("SUCCESS", "cap"), ("ERROR", "tick"), ("CANCELLED", "tick")):
        child = workflow(status=status)
        lane = lane_of(slot(8, 0, 0.1, "child", child="c"), children={"c": child})
        assert shapes(lane) == [("box", 0, 1), ("span", 1, 10), (end, 10, 10)]


def test_a_child_that_is_gone_is_only_its_start():
    assert shapes(lane_of(slot(8, 0, 1, "child", child="c"))) == [("bar", 0, 1), ("cap", 1, 1)]


def test_a_live_workflow_is_drawn_up_to_now_without_a_cap():
    own = workflow(status="PENDING", executor="e", completed_at=None)
    made = drawn(own, [lane_of(slot(1, 1, 2))], now=8)
    assert "d-g-cap" not in css(made.rows[0]) and "d-g-live" in css(made.rows[0])
    assert made.now == "92%"
    assert "now" in [label.text for label in made.labels]
    parked = drawn(workflow(status="PENDING", executor=None, completed_at=None), [lane_of(slot(1, 1, 2))], now=8)
    assert "d-g-live" not in css(parked.rows[0])


def test_what_runs_now_comes_from_the_executor_and_from_failed_attempts():
    own = workflow(status="PENDING", executor="e", completed_at=None)
    steps, now = [slot(1, 1, 2)], START + 8
    act = {"seq": 2, "step": "charge", "since": START + 5}
    [lane] = pending(own, steps, {2: [failed(1, 2, 4)]}, [act], now)
    assert (lane.key, lane.name, lane.attempts, lane.recorded) == ("2", "charge", 2, False)
    assert shapes(lane) == [("part", 2, 4), ("wait", 4, 5), ("live", 5, 8)]
    [lane] = pending(own, steps, {}, [], now)
    assert shapes(lane) == [("live", 2, 8)]


def test_a_short_wait_in_memory_is_drawn_as_a_wait():
    own = workflow(status="PENDING", executor="e", completed_at=None)
    [lane] = pending(own, [slot(2, 1, 1.001, "sleep", wake=START + 60)], {}, [], START + 8)
    assert (lane.key, shapes(lane)) == ("1", [("wait", 1, 8)])
    assert pending(own, [slot(1, 1, 60, "sleep", wake=START + 60)], {}, [], START + 8) == []


def test_what_it_waits_for_is_the_lowest_free_slot():
    own = workflow(status="PENDING", completed_at=None, waiting_for="message:payment")
    steps = [slot(1, 1, 2), slot(3, 2.5, 2.501, "sleep", wake=START + 60)]
    [lane] = pending(own, steps, {}, [], START + 8)
    assert (lane.key, lane.name, lane.detail, shapes(lane)) == ("2", "recv", "payment", [("wait", 2.5, 8)])
    assert next_slot([1, 2, 3]) == 4 and next_slot([]) == 1 and next_slot([2]) == 1


def test_attempts_of_a_workflow_that_ended_stay_visible():
    [lane] = pending(workflow(status="CANCELLED"), [], {1: [failed(1, 2, 4)]}, [], START + 8)
    assert shapes(lane) == [("part", 2, 4)]


def test_a_workflow_that_never_started_is_only_its_queue():
    own = workflow(status="ENQUEUED", started_at=None, completed_at=None)
    assert shapes(root(own, START + 8)) == [("box", 0, 8)]
    assert pending(own, [], {}, [], START + 8) == []


def test_long_parked_time_folds_and_the_clock_restarts():
    day = 86400.0
    steps = [slot(1, 1, 2), slot(2, 2, 2 + day, "sleep", wake=START + 2 + day), slot(3, 2 + day, 4 + day)]
    made = drawn(workflow(completed_at=at(4 + day)), lanes(steps, {}, Hints(), START + 2 * day))
    [fold] = made.folds
    assert (fold.icon, fold.hue, fold.text, fold.width) == ("sleeping", "parked", "1 day", "6%")
    strong = [label.text for label in made.labels if "strong" in label.css]
    assert strong == ["13:13:04", "Fri 13:13:05"]
    assert made.strip is not None and made.real.startswith("1 d 0 h")
    assert (
        drawn(workflow(completed_at=at(4 + day)), lanes(steps, {}, Hints(), START + 2 * day), folded=False).folds == []
    )


def test_time_without_a_reason_never_folds_because_the_workflow_s_own_code_ran():
    own = workflow(completed_at=at(1000))
    made = drawn(own, [lane_of(slot(1, 1, 2)), lane_of(slot(2, 999, 1000))])
    assert made.folds == [] and made.strip is None


def test_queue_time_never_folds():
    own = workflow(started_at=at(9000), completed_at=at(9001))
    assert drawn(own, [lane_of(slot(1, 9000, 9001))]).folds == []


def test_a_lost_executor_is_a_line_down_all_rows_and_its_time_folds():
    lost = Interruption(Idle(START + 2, START + 60, "lost", "failed", "worker-1 lost"), lost=True)
    made = drawn(workflow(completed_at=at(61)), [lane_of(slot(1, 1, 2)), lane_of(slot(2, 60, 61))], [lost])
    assert len(made.epochs) == 1 and [fold.icon for fold in made.folds] == ["lost"]


def test_the_parts_of_a_life_add_up():
    steps = [slot(1, 1, 2), slot(2, 2, 52, "sleep", wake=START + 52), slot(3, 60, 61)]
    lost = [Interruption(Idle(START + 52, START + 60, "lost", "failed", ""), lost=True)]
    parts = spent(lanes(steps, {}, Hints(), START + 99), lost, START, START + 1, START + 62)
    assert {name: round(seconds, 3) for name, seconds in parts.items()} == {
        "queued": 1, "lost": 8, "parked": 50, "ran": 3,
    }  # fmt: skip


@pytest.mark.parametrize("folds", [0, 1, 5, 40])
def test_the_scale_never_goes_back_and_fills_its_width(folds: int):
    idle = [Idle(100.0 * n + 1, 100.0 * n + 99, "sleeping", "parked", "") for n in range(folds)]
    made = scale(0, 100.0 * folds + 1, idle)
    places = [made.x(n / 7) for n in range(int(700 * folds + 7))]
    assert places == sorted(places) and places[0] == 0 and round(made.x(made.end), 6) == 99
    assert len(made.folds) <= 12
    assert made.x(-5) == 0 and round(made.x(1e9), 6) == 99


def test_a_life_of_no_length_can_be_drawn():
    own = workflow(started_at=BASE, completed_at=BASE)
    assert drawn(own, [lane_of(slot(1, 0, 0))]).rows


def test_clocks_that_disagree_draw_nothing_outside():
    """Rows come from several machines: a step may end before it began, or begin before its workflow."""
    own = workflow()
    made = drawn(own, [lane_of(slot(1, -5, -3)), lane_of(slot(2, 5, 4)), lane_of(slot(3, 5, 500))])
    for row in made.rows:
        for mark in row.marks:
            assert 0 <= float(mark.x.rstrip("%")) <= 100
            assert not mark.width.startswith("-")


def test_numbers_are_written_for_attributes_and_not_for_people(settings):
    settings.USE_THOUSAND_SEPARATOR, settings.LANGUAGE_CODE = True, "de"
    [row] = drawn(workflow(), [lane_of(slot(1, 1.2345, 5))]).rows[1:]
    assert row.marks[0].x == "12.22%"


def test_a_window_draws_its_own_time_under_a_whole_strip():
    made = [lane_of(slot(n, n, n + 0.9)) for n in range(1, 1001)]
    own = workflow(completed_at=at(1001))
    shown = made[200:400]
    view = View(START, START + 1001, low=START + 201, high=START + 400.9)
    drawing = draw(root(own, START + 1001), made, shown, [], view)
    assert len(drawing.rows) == 201 and drawing.strip is not None
    assert drawing.rows[1].marks[0].x == "0%"
    assert Counter(mark.css for mark in drawing.strip.marks)["d-g-bar"] <= 340


def test_spans_are_merged_and_gaps_are_the_rest():
    assert merged([(3, 4), (0, 2), (1, 3)], 0, 10) == [(0, 4)]
    assert gaps([(1, 2), (4, 20)], 0, 10) == [(0, 1), (2, 4)]
    assert Piece("cap", 1, 1).hue == ""
