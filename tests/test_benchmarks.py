"""The arithmetic of `benchmarks`: what it sums up, and what it compares with what. No engine is measured here."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from benchmarks import picture, redis, report, subjects
from benchmarks.__main__ import arguments, listing, one_round
from benchmarks.databases import Sqlite, wait_until_drained
from benchmarks.peers import PEERS, REDIS, Results, Table
from benchmarks.report import Metric, Spread, percentile, ratios, short, spread, table, values
from benchmarks.scenarios import SCENARIOS
from benchmarks.subjects import Failed, Subject

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


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """An engine whose program for `drain` can be written."""
    monkeypatch.setattr(subjects, "PROGRAMS", tmp_path)
    program = tmp_path / "some" / "drain.py"
    program.parent.mkdir()
    return SimpleNamespace(subject=Subject("some", "some 1", tmp_path), program=program)


def test_the_parts_of_a_program_are_read_without_its_engine(engine):
    engine.program.write_text('import an_engine_that_is_not_installed\n\nPARTS = ("open_0", "open_1")\n')
    assert engine.subject.parts_of("drain") == ("open_0", "open_1")


def test_a_program_that_names_no_parts_does_all(engine):
    engine.program.write_text("OTHERS = ()\n")
    assert engine.subject.parts_of("drain") is None
    assert engine.subject.does("drain", "anything")


def test_a_part_is_known_by_its_key_and_one_without_is_for_all(engine):
    engine.program.write_text('PARTS = ("open_0",)\n')
    able = engine.subject.does
    assert able("drain", "open_0") and able("drain", SimpleNamespace(key="open_0")) and able("drain", None)
    assert not able("drain", "fifty_0") and not able("drain", SimpleNamespace(key="fifty_0"))


def test_who_cannot_do_a_part_is_not_asked_for_it(engine, monkeypatch):
    engine.program.write_text('PARTS = ("one",)\n')
    scenario = SimpleNamespace(
        parts=lambda quick: ["one", "two"], measure=lambda who, place, part, quick, seed: {f"{part} in {place}": seed}
    )
    monkeypatch.setitem(SCENARIOS, "drain", scenario)
    elsewhere = Subject("none", "without a program", engine.program)
    figures = one_round("drain", [engine.subject, elsewhere], {None: "databases"}, True, 7)
    assert figures == {"some": {"one in databases": 7}, "none": {}}


def test_every_part_that_a_peer_names_is_one_of_its_scenario():
    for name, peer in PEERS.items():
        subject = Subject(name, name, subjects.VENVS, peer.table)
        for scenario, module in SCENARIOS.items():
            if subject.can(scenario):
                keys = {getattr(part, "key", part) for quick in (True, False) for part in module.parts(quick)}
                assert set(subject.parts_of(scenario) or ()) <= keys, (name, scenario)


def test_a_peer_is_measured_in_the_runs_databases_or_else_in_redis():
    assert [PEERS["dbos"].place(kind) for kind in ("postgresql", "sqlite")] == ["postgresql", "sqlite"]
    assert PEERS["huey"].place("sqlite") == REDIS
    assert PEERS["absurd"].place("sqlite") is None
    with pytest.raises(Failed, match="absurd works on postgresql only"):
        subjects.peer("absurd", "sqlite")


def test_without_a_choice_all_peers_that_the_databases_allow_are_asked():
    assert arguments([]).peers == ["dbos", "absurd", "procrastinate", "celery", "huey"]
    assert arguments(["--db", "sqlite"]).peers == ["dbos", "celery", "huey"]
    assert arguments(["--peers", "none"]).peers == []
    assert arguments(["--peers", "huey,dbos"]).peers == ["huey", "dbos"]


@pytest.mark.parametrize("given", [["nothing"], ["--peers", "nobody"], ["--rounds", "-1"], ["--rounds", "0"]])
def test_an_unknown_name_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        arguments(given)
    assert given[-1] in capsys.readouterr().err


def test_the_list_names_all_scenarios_and_peers():
    listed = [line.split()[0] for line in listing().splitlines()]
    assert listed == ["scenarios:", *SCENARIOS, "peers:", *PEERS]


@pytest.fixture
def drained(tmp_path):
    """A table of an engine of its own words, and where it is."""
    url = f"sqlite:///{tmp_path / 'some.sqlite3'}"
    connection = sqlite3.connect(tmp_path / "some.sqlite3", isolation_level=None)
    connection.execute("create table task (state text)")
    yield SimpleNamespace(url=url, execute=connection.execute, table=Table("far.task", ("todo",), "good", "state"))
    connection.close()


def test_a_drain_is_over_when_no_row_is_unfinished_in_its_engines_words(drained, tmp_path):
    drained.execute("insert into task values ('good'), ('good')")
    assert wait_until_drained(Sqlite(tmp_path), drained.url, drained.table, 2) > 0
    drained.execute("insert into task values ('todo')")
    with Sqlite(tmp_path).watching(drained.url, drained.table, 3) as look:
        assert look() is None
        drained.execute("update task set state = 'good'")
        assert look() == 3


def test_a_drain_that_lost_something_fails(drained, tmp_path):
    drained.execute("insert into task values ('good'), ('bad')")
    with pytest.raises(Failed, match="1 of 2 workflows succeeded"):
        wait_until_drained(Sqlite(tmp_path), drained.url, drained.table, 2)


@pytest.fixture
def answering(tmp_path):
    """A socket that answers commands as Redis does, from a list."""
    path, answers, heard = tmp_path / "redis.sock", [], []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve():
        connection, _ = server.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            for line in stream:
                heard.append(line)
                stream.write(answers.pop(0))

    threading.Thread(target=serve, daemon=True).start()
    yield SimpleNamespace(path=path, answers=answers, heard=heard)
    server.close()


def test_results_on_redis_are_counted_until_all_are_there(answering):
    answering.answers += [b"+OK\r\n", b":2\r\n", b"+OK\r\n", b":3\r\n"]
    with redis.Redis(answering.path).watching("", Results("select 1\ndbsize"), 3) as look:
        assert look() is None
        assert look() == 3
    assert answering.heard == [b"select 1\r\n", b"dbsize\r\n"] * 2


def test_an_error_of_redis_is_not_taken_for_a_number(answering):
    answering.answers += [b"$4\r\nabcd\r\n", b"-ERR what\r\n"]
    connection = redis.Connection(answering.path)
    assert connection.ask("info") == "abcd"
    with pytest.raises(Failed, match="-ERR what"):
        connection.ask("nonsense")
    connection.close()


def test_without_a_redis_server_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failed, match="apt-get install redis-server"), redis.open_redis():
        pass


RUN = {
    "machine": {"processor": "2 x <slow>", "memory": "1 GiB"},
    "database": {"kind": "sqlite", "sqlite": "3"},
    "quick": True,
    "rounds": 3,
    "subjects": NAMES,
}


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """The rounds as a recorded run whose only headlines are the two metrics."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(picture, "HEADLINES", {("s", "wait"): "Wait & see", ("s", "rate"): "Rate", ("s", "no"): "No"})
    return report.record(RUN, {"s": (ROUNDS, [RATE, WAIT])}, NAMES)


def test_the_picture_has_a_row_for_each_headline_that_was_measured(recorded):
    rows = picture.rows(json.loads(recorded.read_text()))
    assert [(row.title, row.figure) for row in rows] == [("Wait & see", "3.00 ms"), ("Rate", "1,000 steps/s")]
    assert [bar.name for bar in rows[1].bars] == ["dbos", "raw"]
    assert rows[1].bars[0] == picture.Bar("dbos", 4, 3, 5)


def test_the_pictures_scale_is_logarithmic_and_holds_every_ratio(recorded):
    across = picture.scale(picture.rows(json.loads(recorded.read_text())))
    assert across == picture.Scale(-1, 3)  # from 0.25 of the limit to 250 times dbos
    assert across.x(0.1) == picture.LEFT and across.x(1000) == picture.RIGHT
    assert across.x(10) - across.x(1) == across.x(100) - across.x(10)
    assert picture.scale([]) == picture.Scale(0, 1)


def test_the_picture_is_drawn_beside_the_figures_and_says_what_it_shows(recorded):
    drawn = picture.draw(recorded)
    assert drawn == recorded.with_suffix(".svg")
    root = ElementTree.parse(drawn).getroot()
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Wait & see" in texts and "4.00 \u00d7 [3.00..5.00]" in texts
    assert any("2 x <slow>" in text and "not to quote" in text for text in texts)
    assert "Rate: 4.00 times dbos, 0.30 times raw" in root.get("aria-label")


def test_a_bar_goes_left_where_the_other_one_is_better():
    def bar(ratio, name="dbos"):
        return " ".join(picture._bar(picture.Bar(name, ratio, ratio, ratio), 0, picture.Scale(-1, 1)))

    middle = (picture.LEFT + picture.RIGHT) / 2
    assert f'class="better" x="{middle}"' in bar(5)
    assert f'class="worse" x="{float(picture.LEFT)}"' in bar(0.1)
    assert 'class="limit"' in bar(5, "raw")
    assert "spread" not in bar(5)


def test_every_headline_of_the_picture_is_a_figure_of_its_scenario():
    for scenario, key in picture.HEADLINES:
        assert key in {metric.key for metric in SCENARIOS[scenario].METRICS}, (scenario, key)
