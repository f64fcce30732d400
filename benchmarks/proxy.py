"""A network between an engine and its database: `python -m benchmarks.proxy HOST PORT MILLISECONDS`.

What arrives from either side is handed on after half of the milliseconds, in order and however much it is, so that each
round trip takes as many longer and nothing else is slower. A host that begins with a slash is the folder of a Unix
socket. It says its port on standard output, and ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit

from psycopg.conninfo import conninfo_to_dict

from .subjects import LAST_WORDS, ROOT, Failed

LOCAL = "127.0.0.1"
PORT = "5432"


@contextmanager
def proxied(url: str, milliseconds: float) -> Iterator[str]:
    """The address of the database at `url` behind a network that adds so many milliseconds to each round trip."""
    said = conninfo_to_dict(url)
    target = [str(said.get("host") or said.get("hostaddr") or "localhost"), str(said.get("port") or PORT)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.proxy", *target, str(milliseconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise Failed(f"the proxy does not run: {process.communicate()[1][-LAST_WORDS:]}")
        yield moved(url, LOCAL, port)
    finally:
        process.communicate()  # closes its standard input


def moved(url: str, host: str, port: str) -> str:
    """The address `url` with another host and port, wherever it says them."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    rest = [(name, text) for name, text in parse_qsl(parts.query) if name not in ("host", "hostaddr", "port")]
    return parts._replace(netloc=f"{login}{at}{host}:{port}", query=urlencode(rest)).geturl()


class Way(asyncio.Protocol):
    """One side of a connection: what it says reaches the other later."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.other: Way | None = None
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[bytes | None] = deque()
        """On its way to the other side; None is the end."""

    def itself(self) -> Way:
        """What asyncio calls a factory."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._later(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._later(None)

    def _later(self, data: bytes | None) -> None:
        self.waiting.append(data)
        asyncio.get_running_loop().call_later(self.seconds, self._arrive)

    def _arrive(self) -> None:
        """The next that waits arrives; each call is due for one, so that the order holds."""
        data = self.waiting.popleft()
        to = self.other.transport if self.other else None
        if to is None or to.is_closing():
            return
        if data is None:
            to.close()
        else:
            to.write(data)


async def serve(host: str, port: str, seconds: float) -> None:
    loop = asyncio.get_running_loop()

    async def accept(listening: socket.socket) -> None:
        while True:
            near, _ = await loop.sock_accept(listening)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            there, here = Way(seconds), Way(seconds)
            there.other, here.other = here, there
            if host.startswith("/"):
                await loop.create_unix_connection(there.itself, f"{host}/.s.PGSQL.{port}")
            else:
                await loop.create_connection(there.itself, host, int(port))
            await loop.connect_accepted_socket(here.itself, near)

    with socket.create_server((LOCAL, 0), backlog=128) as listening:
        listening.setblocking(False)
        accepting = asyncio.create_task(accept(listening))
        print(listening.getsockname()[1], flush=True)
        ended = loop.run_in_executor(None, sys.stdin.read)
        await asyncio.wait([accepting, asyncio.ensure_future(ended)], return_when=asyncio.FIRST_COMPLETED)
        if accepting.done():
            accepting.result()
        accepting.cancel()


def main(host: str, port: str, milliseconds: str) -> None:
    # epoll rests for whole milliseconds, select for as long as it is told
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(host, port, float(milliseconds) / 2000))


if __name__ == "__main__":
    main(*sys.argv[1:])
