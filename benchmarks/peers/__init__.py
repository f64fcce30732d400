"""The engines: a package of programs for each, which run in processes of their own, a peer in a virtual environment of
its own.

A package has `app` (the application, and `prepare`, which makes its tables) and a module for each scenario that the
engine can do, with the verbs that the scenario asks; whoever lacks the module is not asked. A module that can do some
parts of its scenario only names their keys: `PARTS = ("open_0", ...)`. The programs import nothing but their engine and
the modules beside the packages.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "durable"
LIMIT = "raw"
POSTGRESQL, SQLITE, REDIS = "postgresql", "sqlite", "redis"


@dataclass(frozen=True)
class Table:
    """Where an engine's workflows are, and what it calls those that still have to run and those that went well."""

    name: str
    unfinished: tuple[str, ...] = ("ENQUEUED", "PENDING", "DELAYED")
    succeeded: str = "SUCCESS"
    column: str = "status"

    def __str__(self) -> str:
        return self.name

    def unfinished_where(self) -> str:
        """Its SQL condition."""
        statuses = "', '".join(self.unfinished)
        return f"{self.column} in ('{statuses}')"

    def succeeded_where(self) -> str:
        """Its SQL condition."""
        return f"{self.column} = '{self.succeeded}'"


@dataclass(frozen=True)
class Results:
    """How results are counted on Redis: a command for each line, of which the last answers with their number."""

    commands: str


@dataclass(frozen=True)
class Peer:
    """An engine from the package index."""

    name: str
    version: str
    table: Table | Results
    places: tuple[str, ...]
    """What it can keep its workflows in."""
    package: str = ""
    """What the index calls it, if not by its name."""
    also: tuple[str, ...] = ()
    """What it needs beside itself."""

    @property
    def requirements(self) -> tuple[str, ...]:
        return (f"{self.package or self.name}=={self.version}", *self.also)

    def place(self, kind: str) -> str | None:
        """Where it is measured beside databases of a kind: in them, else in Redis; None if in neither."""
        return next((place for place in (kind, REDIS) if place in self.places), None)


PSYCOPG = "psycopg[binary]>=3.2"
OUR_TABLE = Table("durable_workflow")
PEERS = {
    peer.name: peer
    for peer in (
        Peer("dbos", "3.4.0", Table("dbos.workflow_status"), (POSTGRESQL, SQLITE), also=(PSYCOPG,)),
        Peer(
            "absurd",
            "0.5.1",
            Table("absurd.t_default", ("pending", "running", "sleeping"), "completed", "state"),
            (POSTGRESQL,),
            package="absurd-sdk",
            also=("absurdctl==0.5.1", PSYCOPG),
        ),
        Peer(
            "procrastinate",
            "3.10.0",
            Table("procrastinate_jobs", ("todo", "doing"), "succeeded"),
            (POSTGRESQL,),
            also=(PSYCOPG,),
        ),
        Peer("celery", "5.7.0", Results("select 1\ndbsize"), (REDIS,), package="celery[redis]"),
        Peer("huey", "3.5.4", Results("hlen huey.results.benchmarks"), (REDIS,), also=("redis==8.1.0",)),
    )
}
