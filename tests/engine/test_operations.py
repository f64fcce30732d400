"""What the verbs mean, without a database, a clock or a thread: operations against a scripted performer."""

from __future__ import annotations

from itertools import count, pairwise

import pytest

from durable import serializers
from durable.engine import commands as c
from durable.engine import events, messages, sleeping, steps
from durable.engine.drive import drive
from durable.engine.journal import Journal, Recorded
from durable.errors import MaxStepRetriesExceeded, NonDeterminism, Stopped
from durable.options import StepOptions
from durable.retry import Retry

JSON = serializers.get("json")


class Script:
    """A scope whose clock moves one second at a look, and which remembers every command."""

    workflow_id = "w"

    def __init__(self, *recorded: tuple[str, str | None], answers: list = ()):
        self.ticks = count(100)
        rows = {n: Recorded(name, output, None, None) for n, (name, output) in enumerate(recorded, 1)}
        self.journal = Journal("w", JSON, JSON.serialize, lambda: 0.0, rows=rows)
        self.answers = list(answers)
        self.wakes_early = False
        self.done: list[c.Command] = []

    def open(self, name, kind):
        return self.journal.open(name, kind)

    def now(self):
        return float(next(self.ticks))

    def mark(self):
        return 0

    def message_key(self, seq, n):
        return self.journal.key(seq)

    def perform(self, command):
        self.done.append(command)
        match command:
            case c.Call(fn, args, kwargs):
                return fn(*args, **kwargs)
            case c.Ask():
                return self.answers.pop(0)
            case c.Park(reason, until=float(until)) if reason.startswith("retry:") and not self.wakes_early:
                self.ticks = count(int(until) + 1)

    @property
    def rows(self):
        return [
            (row.seq, row.name, row.output) for each in self.done if isinstance(each, c.Record) for row in each.rows
        ]


def never():
    raise AssertionError("it was called")


def run(script, fn, name="charge", **retry):
    return drive(steps.run(script, StepOptions(name=name, retry=Retry(**retry)), fn, (), {}), script.perform)


def test_a_recorded_step_is_not_called_again():
    script = Script(("charge", '"receipt-1"'))
    assert run(script, never) == "receipt-1"
    assert script.done == []


def test_a_fresh_step_is_called_and_recorded_once():
    script = Script()
    assert run(script, lambda: 5) == 5
    assert script.rows == [(1, "charge", "5")]


def test_another_name_at_a_recorded_slot_stops_the_run_with_both_names():
    with pytest.raises(Stopped) as stopped:
        run(Script(("reserve", "1")), never)
    assert isinstance(stopped.value.__cause__, NonDeterminism)
    assert "'reserve', now 'charge'" in str(stopped.value.__cause__)


def test_back_off_is_a_park_and_grows():
    script = Script()

    def fails():
        raise ValueError("no")

    with pytest.raises(MaxStepRetriesExceeded):
        run(script, fails, max_attempts=4, interval_seconds=10, backoff_rate=3)
    parks = [each for each in script.done if isinstance(each, c.Park)]
    assert [park.reason for park in parks] == ["retry:charge"] * 3
    waits = [b.until - a.until for a, b in pairwise(parks)]
    assert waits[0] > 20 and waits[1] > 60


def test_a_back_off_that_ends_early_goes_on_until_its_time():
    script = Script()
    script.wakes_early = True

    def fails():
        raise ValueError("no")

    with pytest.raises(MaxStepRetriesExceeded):
        run(script, fails, max_attempts=2, interval_seconds=5)
    parks = [each for each in script.done if isinstance(each, c.Park)]
    assert len(parks) > 1 and len({park.until for park in parks}) == 1


def test_attempts_before_a_crash_count():
    script = Script()
    script.journal.tries[1] = [serializers.encode_error(ValueError("one")), serializers.encode_error(ValueError("two"))]

    def fails():
        raise ValueError("three")

    with pytest.raises(MaxStepRetriesExceeded) as raised:
        run(script, fails, max_attempts=3)
    assert [str(error) for error in raised.value.errors] == ["one", "two", "three"]


def test_a_sleep_records_its_end_first_and_replays_to_the_same_end():
    script = Script()
    drive(sleeping.sleep(script, 5), script.perform)
    assert isinstance(script.done[0], c.Record) and isinstance(script.done[1], c.Park)
    [(_, _, end)] = script.rows
    again = Script(("sleep", end))
    drive(sleeping.sleep(again, 5), again.perform)
    assert {park.until for park in again.done} == {float(end)}


def test_a_message_that_is_there_is_consumed_with_both_slots_in_one_record():
    script = Script(answers=[(7, '"hi"')])
    assert drive(messages.receive(script, "t", 60), script.perform) == "hi"
    [ask, record] = script.done
    assert isinstance(ask, c.Ask)
    assert [row.name for row in record.rows] == ["recv", "sleep"]
    assert record.effects == (c.Consume(7, 1),)


def test_waiting_records_the_deadline_before_it_parks():
    script = Script(answers=[None, (7, '"hi"')])
    assert drive(messages.receive(script, "t", 60), script.perform) == "hi"
    kinds = [type(each).__name__ for each in script.done]
    assert kinds == ["Ask", "Record", "Park", "Ask", "Record"]
    assert [row[0] for row in script.rows] == [2, 1]


def test_two_open_receives_do_not_take_the_same_message():
    script = Script()
    one, two = messages.receive(script, "t", 60), messages.receive(script, "t", 60)
    next(one)
    one.send((7, '"first"'))
    assert next(two).question.taken == frozenset({7})


def test_a_replayed_event_is_not_read_again():
    script = Script(("get_event", '{"v":1}'), ("sleep", "160.0"))
    assert drive(events.get_event(script, "other", "k", 60), script.perform) == {"v": 1}
    assert script.done == []
