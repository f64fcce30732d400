"""`python -m benchmarks [scenario ...] [--peers dbos] [--db postgres|sqlite] [--rounds 3] [--quick]`"""

from __future__ import annotations

import argparse
import sys
import time
from types import ModuleType
from typing import Any

from . import machine, report, subjects
from .databases import Postgres, Sqlite, open_databases
from .peers import PEERS
from .scenarios import SCENARIOS


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Durable beside its peers and the database's limit."
    )
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"with commas, of {', '.join(PEERS)}; 'none' for none")
    parser.add_argument("--db", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--database-url", help="a PostgreSQL server of yours, instead of one started for the run")
    parser.add_argument("--rounds", type=int, help="default 3, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="few of everything: to see that it works, not to quote")
    options = parser.parse_args(given)
    options.scenarios = options.scenarios or list(SCENARIOS)
    options.peers = [] if options.peers == "none" else [name for name in options.peers.split(",") if name]
    options.rounds = options.rounds or (1 if options.quick else 3)
    for kind, names, known in (("scenario", options.scenarios, SCENARIOS), ("peer", options.peers, PEERS)):
        for name in names:
            if name not in known:
                parser.error(f"unknown {kind} {name!r}; known are {', '.join(known)}")
    if options.database_url and options.db == "sqlite":
        parser.error("--database-url is for PostgreSQL")
    return options


def main() -> int:
    options = arguments()
    began = time.monotonic()
    try:
        with open_databases(options.db, options.database_url) as databases:
            run(options, databases)
    except subjects.Failed as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{time.monotonic() - began:.0f} s in all")
    return 0


def run(options: argparse.Namespace, databases: Postgres | Sqlite) -> None:
    measuring = [*(subjects.peer(name) for name in options.peers), subjects.ours(), subjects.limit(databases.driver)]
    titles = {subject.name: subject.title for subject in measuring}
    facts = machine.facts()
    database = {"kind": databases.kind, **databases.facts}
    for title, known in (("machine", facts), ("database", database)):
        print(f"{title}: {'; '.join(f'{name} {value}' for name, value in known.items())}")
    print(f"rounds: {options.rounds}, in turn: {', '.join(titles.values())}; median [min..max]\n")
    measured: dict[str, Any] = {}
    for name in options.scenarios:
        scenario = SCENARIOS[name]
        able = [subject for subject in measuring if subject.can(name)]
        rounds = [one_round(scenario, able, databases, options.quick, seed) for seed in range(options.rounds)]
        measured[name] = rounds, scenario.METRICS
        print(f"{name}: {scenario.__doc__.partition(chr(10))[0]}\n")
        print(report.table(rounds, scenario.METRICS, titles) + "\n", flush=True)
    about = {"machine": facts, "database": database, "quick": options.quick, "rounds": options.rounds}
    print(f"all figures: {report.record(about, measured, titles)}")


def one_round(
    scenario: ModuleType, measuring: list[subjects.Subject], databases: Postgres | Sqlite, quick: bool, seed: int
) -> dict[str, dict[str, float]]:
    """The figures of every subject, which take turns at each part."""
    figures: dict[str, dict[str, float]] = {each.name: {} for each in measuring}
    for part in scenario.parts(quick):
        for each in measuring:
            figures[each.name] |= scenario.measure(each, databases, part, quick, seed)
    return figures


if __name__ == "__main__":
    sys.exit(main())
