"""Counts what a program asks of PostgreSQL: a relay on a local port that passes everything on and reads along.

Counted on the wire, no driver can hide anything, and nothing is counted that the server does for itself.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

SSL_OR_GSS = (80877103, 80877104)
"""What a client asks for before anything else, and is refused here: between here and there is one machine."""
FRAMES = {b"begin", b"commit", b"rollback"}
CHUNK = 65536


@dataclass
class Counts:
    """Since the relay began."""

    queries: int = 0
    """Statements, without BEGIN, COMMIT and ROLLBACK."""
    waits: int = 0
    """How often the program waited for an answer."""
    connections: int = 0
    """That are open."""

    def since(self, before: Counts) -> Counts:
        """The difference; of connections, how many are open."""
        return Counts(self.queries - before.queries, self.waits - before.waits, self.connections)


class Tally:
    """Raises `OSError` when no port can be had."""

    def __init__(self, url: str):
        self.target = conninfo_to_dict(url)
        self.counts = Counts()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """The same database, through this relay."""
        port, options = self.listener.getsockname()[1], {"sslmode": "disable"}
        user, password = (quote(str(self.target.get(name) or ""), safe="") for name in ("user", "password"))
        return f"postgresql://{user}:{password}@127.0.0.1:{port}/{self.target['dbname']}?{urlencode(options)}"

    def now(self) -> Counts:
        with self.lock:
            return Counts(self.counts.queries, self.counts.waits, self.counts.connections)

    def serve(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _relay(self, client: socket.socket) -> None:
        server = self._server()
        self._add(connections=1)
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        try:
            self._listen_along(client, server)
        except (OSError, EOFError):
            pass
        finally:
            self._add(connections=-1)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _server(self) -> socket.socket:
        host, port = str(self.target.get("host") or "127.0.0.1"), int(self.target.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _listen_along(self, client: socket.socket, server: socket.socket) -> None:
        stream = client.makefile("rb")
        while True:
            head = _read(stream, 8)
            length, code = struct.unpack("!ii", head)
            if code not in SSL_OR_GSS:
                server.sendall(head + _read(stream, length - 8))
                break
            client.sendall(b"N")
        session = Session()
        while True:
            head = _read(stream, 5)
            body = _read(stream, struct.unpack("!i", head[1:])[0] - 4)
            session.hear(head[:1], body)
            self._add(queries=session.queries, waits=session.waits)
            session.queries = session.waits = 0
            server.sendall(head + body)

    def _add(self, **more: int) -> None:
        with self.lock:
            for name, n in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + n)


class Session:
    """What one connection says: statements by their name, and which of them it runs."""

    def __init__(self) -> None:
        self.queries = self.waits = 0
        self.statements: dict[bytes, bytes] = {}
        self.portals: dict[bytes, bytes] = {}

    def hear(self, kind: bytes, body: bytes) -> None:
        """One message of the client's."""
        match kind:
            case b"Q":
                self._run(body.rstrip(b"\0"))
                self.waits += 1
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self.statements[name] = text
            case b"B":
                portal, name, _ = body.split(b"\0", 2)
                self.portals[portal] = self.statements.get(name, b"")
            case b"E":
                self._run(self.portals.get(body.partition(b"\0")[0], b""))
            case b"S":
                self.waits += 1

    def _run(self, text: bytes) -> None:
        first = text.strip().rstrip(b";").split(b" ")[0].lower()
        self.queries += first not in FRAMES


def _read(stream: Any, n: int) -> bytes:
    data = stream.read(n)
    if len(data) < n:
        raise EOFError
    return data


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def tallied(url: str) -> Iterator[Tally]:
    """A relay to the database at `url`."""
    tally = Tally(url)
    threading.Thread(target=tally.serve, daemon=True).start()
    try:
        yield tally
    finally:
        tally.close()
