"""The engines: a package of programs for each, which run in processes of their own, a peer in a virtual environment of
its own.

A package has `app` (the application, and `prepare`, which makes its tables) and a module for each scenario that the
engine can do, with the verbs that the scenario asks; whoever lacks the module is not asked. The programs import nothing
but their engine and `measuring`.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "durable"
LIMIT = "raw"


@dataclass(frozen=True)
class Peer:
    """An engine from the package index."""

    name: str
    version: str
    table: str
    """Where its workflows are, on PostgreSQL."""
    also: tuple[str, ...] = ()
    """What it needs beside itself."""

    @property
    def requirements(self) -> tuple[str, ...]:
        return (f"{self.name}=={self.version}", *self.also)


PEERS = {peer.name: peer for peer in (Peer("dbos", "3.4.0", "dbos.workflow_status", ("psycopg[binary]>=3.2",)),)}
