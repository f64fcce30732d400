"""`python -m benchmarks [scenario ...] [--peers dbos,...] [--db postgres|sqlite] [--rounds 3] [--quick] [--list]`"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import ExitStack
from types import ModuleType
from typing import Any

from . import machine, picture, report, subjects
from .databases import Databases, Postgres, Sqlite, open_databases
from .peers import PEERS, POSTGRESQL, REDIS, SQLITE
from .redis import open_redis
from .scenarios import SCENARIOS
from .subjects import Failed, Subject

INSERT_SECONDS = 4

Measured = dict[str, dict[str, float]]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Durable beside its peers and the database's limit."
    )
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help="default: all; --list shows them")
    parser.add_argument("--peers", help="with commas; 'none' for none (default: all that can be had)")
    parser.add_argument("--db", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--database-url", help="a PostgreSQL server of yours, instead of one started for the run")
    parser.add_argument("--rounds", type=int, help="default 3, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="few of everything: to see that it works, not to quote")
    parser.add_argument("--list", action="store_true", help="show the scenarios and the peers, and end")
    options = parser.parse_args(given)
    options.scenarios = options.scenarios or list(SCENARIOS)
    options.peers = _peers(options.peers, SQLITE if options.db == "sqlite" else POSTGRESQL)
    options.rounds = (1 if options.quick else 3) if options.rounds is None else options.rounds
    for kind, names, known in (("scenario", options.scenarios, SCENARIOS), ("peer", options.peers, PEERS)):
        for name in names:
            if name not in known:
                parser.error(f"unknown {kind} {name!r}; known are {', '.join(known)}")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: it takes at least one")
    if options.database_url and options.db == "sqlite":
        parser.error("--database-url is for PostgreSQL")
    return options


def _peers(given: str | None, kind: str) -> list[str]:
    if not given:
        return [name for name, peer in PEERS.items() if peer.place(kind)]
    return [] if given == "none" else [name for name in given.split(",") if name]


def main() -> int:
    options = arguments()
    if options.list:
        print(listing())
        return 0
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that its servers end with it
    try:
        with ExitStack() as stack:
            databases = stack.enter_context(open_databases(options.db, options.database_url))
            run(options, databases, stack)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{time.monotonic() - began:.0f} s in all")
    return 0


def listing() -> str:
    scenarios = [[name, title(scenario)] for name, scenario in SCENARIOS.items()]
    peers = [[name, f"{peer.version}, on {' or '.join(peer.places)}"] for name, peer in PEERS.items()]
    rows = [["scenarios:", ""], *scenarios, ["peers:", ""], *peers]
    return "\n".join(f"{name:<14} {text}".rstrip() for name, text in rows)


def title(scenario: ModuleType) -> str:
    return (scenario.__doc__ or "").partition("\n")[0]


def run(options: argparse.Namespace, databases: Postgres | Sqlite, stack: ExitStack) -> None:
    places: dict[str | None, Databases] = {None: databases}
    peers = had(options.peers, places, stack)
    measuring = [*peers, subjects.ours(), subjects.limit(databases.driver)]
    titles = {subject.name: subject.title for subject in measuring}
    facts = {"machine": machine.facts(), "database": {"kind": databases.kind, **databases.facts}}
    if isinstance(databases, Postgres):
        facts["inserts"] = machine.inserts(databases.url, 1 if options.quick else INSERT_SECONDS)
    if REDIS in places:
        facts["redis"] = places[REDIS].facts
    for name, known in facts.items():
        print(f"{name}: {'; '.join(f'{key} {value}' for key, value in known.items()) or 'pgbench is not there'}")
    print(f"rounds: {options.rounds}, in turn: {', '.join(titles.values())}; median [min..max]\n", flush=True)
    measured: dict[str, Any] = {}
    for name in options.scenarios:
        scenario = SCENARIOS[name]
        rounds = [one_round(name, measuring, places, options.quick, seed) for seed in range(options.rounds)]
        measured[name] = rounds, scenario.METRICS
        present = {each.name: each.title for each in measuring if any(figures[each.name] for figures in rounds)}
        print(f"{name}: {title(scenario)}\n")
        print(report.table(rounds, scenario.METRICS, present) + "\n", flush=True)
    about = {**facts, "quick": options.quick, "rounds": options.rounds}
    path = report.record(about, measured, titles)
    print(f"all figures: {path}\na picture: {picture.draw(path)}")


def had(names: list[str], places: dict[str | None, Databases], stack: ExitStack) -> list[Subject]:
    """The peers that can be had, with what they need started; of the others it is said why not."""
    found = []
    for name in names:
        try:
            peer = subjects.peer(name, places[None].kind)
            if peer.place == REDIS and REDIS not in places:
                places[REDIS] = stack.enter_context(open_redis())
        except Failed as error:
            print(f"without {name}: {error}", file=sys.stderr)
        else:
            found.append(peer)
    return found


def one_round(
    name: str, measuring: list[Subject], places: dict[str | None, Databases], quick: bool, seed: int
) -> Measured:
    """The figures of every subject that can do the scenario. They take turns at each part."""
    scenario = SCENARIOS[name]
    able = [each for each in measuring if each.can(name)]
    figures: Measured = {each.name: {} for each in measuring}
    for part in scenario.parts(quick):
        for each in able:
            if each.does(name, part):
                progress(f"{name} {getattr(part, 'key', part) or ''} {each.title}")
                figures[each.name] |= scenario.measure(each, places[each.place], part, quick, seed)
    progress("")
    return figures


def progress(text: str) -> None:
    """What is measured now, in one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
