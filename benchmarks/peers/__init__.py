"""One program for each engine. Each runs in a process of its own, and a peer in a virtual environment of its own.

A program knows the same verbs as all others (`prepare`, `steps`, `enqueue`, `drain`, `work`, `probe`), so that every
scenario puts the same question to every engine. The programs import nothing but their engine and `measuring`.
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
