"""Values of a stream reach a reader as they are written, under ASGI."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient
from knox.models import AuthToken

import durable
from api.views import live
from durable.executor.hub import hub
from durable.models import Workflow

from ..support import run_async, wait_until
from ..support.processes import ROOT, environment
from .conftest import make_entries, make_workflow
from .test_streams import LIST, parsed

SECONDS = 15


@durable.workflow(name="api.narrate")
def narrate(words: int) -> str:
    """Writes to its stream what it is told, word by word."""
    for _ in range(words):
        durable.write_stream("tale/1", durable.recv("word", timeout_seconds=60))
    durable.close_stream("tale/1")
    return durable.recv("word", timeout_seconds=60)


@pytest.fixture
def reader(user_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> AsyncClient:
    """A browser that follows streams; rows that tests write themselves announce nothing, so that it polls often."""
    monkeypatch.setattr(live, "NOTIFIED_POLL_SECONDS", 0.05)
    client = AsyncClient()
    client.force_login(user_with("view_workflow", "view_payload"))
    return client


async def follow(client: AsyncClient, path: str = "w-1/streams/k/live", **headers: str) -> AsyncIterator[str]:
    answer = await client.get(f"{LIST}/{path}", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.is_async
    chunks = aiter(answer.streaming_content)
    assert await following(chunks) == "retry: 2000\n\n"
    return chunks


async def following(chunks: AsyncIterator[Any]) -> str:
    return (await asyncio.wait_for(anext(chunks), SECONDS)).decode()


async def until(predicate: Callable[[], bool]) -> None:
    """`wait_until` for a coroutine."""
    async with asyncio.timeout(SECONDS):
        while not predicate():
            await asyncio.sleep(0.01)


async def rest(chunks: AsyncIterator[Any]) -> str:
    """Everything until the answer ends."""
    return "".join([chunk.decode() async for chunk in chunks])


def test_values_come_as_they_are_written_and_the_end_follows_the_last(reader: AsyncClient):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_entries("w-1", "k", "1")

    async def scenario() -> None:
        chunks = await follow(reader)
        for value, later in (("1", ("2",)), ("2", ("3",)), ("3", (None,))):
            [event] = parsed(await following(chunks))
            assert event["data"]["value"] == int(value)
            await sync_to_async(make_entries)("w-1", "k", *later, start=int(value))
        [end] = parsed(await rest(chunks))
        assert (end["event"], end["data"]) == ("end", {"offset": 3, "reason": "closed", "status": "PENDING"})

    run_async(scenario())


def test_the_end_of_the_workflow_ends_the_answer_after_its_last_value(reader: AsyncClient):
    make_workflow("w-1", status="PENDING", completed_at=None)

    def end() -> None:
        make_entries("w-1", "k", '"last"')
        Workflow.objects.filter(pk="w-1").update(status="ERROR", failure="ERROR")

    async def scenario() -> None:
        chunks = await follow(reader)
        await sync_to_async(end)()
        last, ending = parsed(await asyncio.wait_for(rest(chunks), SECONDS))
        assert last["data"]["value"] == "last"
        assert ending["data"] == {"offset": 1, "reason": "ended", "status": "ERROR"}

    run_async(scenario())


def test_a_workflow_that_is_deleted_ends_the_answer(reader: AsyncClient):
    make_workflow("w-1", status="PENDING", completed_at=None)

    async def scenario() -> None:
        chunks = await follow(reader)
        await sync_to_async(Workflow.objects.all().delete)()
        [end] = parsed(await asyncio.wait_for(rest(chunks), SECONDS))
        assert end["data"] == {"offset": 0, "reason": "deleted", "status": None}

    run_async(scenario())


def test_a_reader_that_comes_back_gets_what_it_has_not_seen(reader: AsyncClient):
    make_workflow("w-1", status="PENDING", completed_at=None)
    make_entries("w-1", "k", "1", "2", "3")

    async def scenario() -> None:
        chunks = await follow(reader, **{"Last-Event-ID": "1"})
        [event] = parsed(await following(chunks))
        assert (event["id"], event["data"]["value"]) == ("2", 3)
        await chunks.aclose()

    run_async(scenario())


def test_silence_is_filled_with_comments(reader: AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.05)
    make_workflow("w-1", status="PENDING", completed_at=None)

    async def scenario() -> None:
        chunks = await follow(reader)
        assert [await following(chunks) for _ in range(2)] == [": heartbeat\n\n"] * 2
        await chunks.aclose()

    run_async(scenario())


def test_an_answer_ends_after_its_lifetime_so_that_permissions_are_asked_for_again(
    reader: AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "LIFETIME_SECONDS", 0.1)
    make_workflow("w-1", status="PENDING", completed_at=None)

    async def scenario() -> None:
        assert parsed(await asyncio.wait_for(rest(await follow(reader)), SECONDS)) == []

    run_async(scenario())


def test_values_stay_hidden_from_who_may_not_see_payloads(user_with: Callable[..., Any]):
    make_workflow("w-1")
    make_entries("w-1", "k", '"secret"')
    client = AsyncClient()
    client.force_login(user_with("view_workflow"))

    async def scenario() -> None:
        text = await rest(await follow(client))
        assert "secret" not in text
        assert parsed(text)[0]["data"]["payload"] == "hidden"

    run_async(scenario())


def test_a_reader_that_leaves_is_forgotten(reader: AsyncClient):
    make_workflow("w-1", status="PENDING", completed_at=None)

    async def scenario() -> None:
        chunks = await follow(reader)
        waiting = asyncio.ensure_future(anext(chunks))
        await until(lambda: "w:w-1" in hub()._waiters)
        waiting.cancel()
        await asyncio.wait([waiting])
        await chunks.aclose()
        assert "w:w-1" not in hub()._waiters

    run_async(scenario())


class Server:
    """A server of its own, which answers over the network."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "config.asgi:application", f"--port={self.port}", "--lifespan=off"],
                cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @contextmanager
    def get(self, path: str, **headers: str) -> Iterator[HTTPResponse]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as connection:
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as answer:
                yield answer

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with self.get("/api/v1/healthz") as answer:
                return answer.status == 200
        except ConnectionRefusedError:
            return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(database: str, tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    try:
        wait_until(started.is_up, 30, "the server answers")
        yield started
    finally:
        started.stop()


def connections_now() -> int:
    """How many the database serves; nobody counts those to a file."""
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where datname = current_database()")
        return cursor.fetchone()[0]


def test_readers_over_the_network_hold_no_connections_while_nothing_comes(
    server: Server, user_with: Callable[..., Any]
):
    """Each request has a thread of its own there, whose connection would last as long as its answer."""
    make_workflow("w-1", status="PENDING", completed_at=None)
    _, token = AuthToken.objects.create(user_with("view_workflow"))
    before = connections_now()
    with ExitStack() as stack:
        for _ in range(12):
            path = f"{LIST}/w-1/streams/k/live"
            answer = stack.enter_context(server.get(path, Authorization=f"Token {token}"))
            assert answer.readline() == b"retry: 2000\n"
        wait_until(lambda: connections_now() < before + 8)


def test_a_stream_is_followed_over_the_network_while_a_workflow_writes_it(
    server: Server, executor: Any, user_with: Callable[..., Any]
):
    _, token = AuthToken.objects.create(user_with("view_workflow", "view_payload"))
    handle = narrate.using(workflow_id="w/1").start(3)
    path = f"{LIST}/w~2F1/streams/tale~2F1/live"
    seen: list[Any] = []
    with server.get(path, Authorization=f"Token {token}") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert answer.readline() == b"retry: 2000\n"
        for word in ("once", "upon", "a time"):
            durable.send("w/1", word, "word")
            seen += parsed(event_of(answer))
            assert seen[-1]["data"]["value"] == word
        seen += parsed(event_of(answer))
        assert answer.read() == b""
    assert [event.get("event", event["id"]) for event in seen] == ["0", "1", "2", "end"]
    with server.get(path) as answer:
        assert answer.status == 401
    durable.send("w/1", "done", "word")
    assert handle.get_result(timeout=SECONDS) == "done"


def event_of(answer: HTTPResponse) -> str:
    """The next event as it comes over the network, without comments."""
    lines: list[str] = []
    while not lines or lines[-1]:
        line = answer.readline().decode().rstrip("\n")
        if (line or lines) and not line.startswith(":"):
            lines.append(line)
    return "\n".join([*lines, ""])


def test_many_readers_hold_neither_connections_nor_threads_while_nothing_comes(
    reader: AsyncClient, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    monkeypatch.setattr(live, "NOTIFIED_POLL_SECONDS", 5)
    settings.DURABLE = {**settings.DURABLE, "POLL_SECONDS": 5}
    make_workflow("w-1", status="PENDING", completed_at=None)
    readers = 30

    async def scenario() -> None:
        chunks = [await follow(reader) for _ in range(readers)]
        waiting = [asyncio.ensure_future(anext(one)) for one in chunks]
        await until(lambda: len(hub()._waiters.get("w:w-1", ())) == readers)
        assert await sync_to_async(connections_now)() < readers / 2
        assert len([t for t in threading.enumerate() if t.name.startswith("asyncio")]) < readers
        await sync_to_async(make_entries)("w-1", "k", '"now"')
        hub().announce({"w:w-1"})
        texts = [(await asyncio.wait_for(one, SECONDS)).decode() for one in waiting]
        assert [event["data"]["value"] for text in texts for event in parsed(text)] == ["now"] * readers
        for one in chunks:
            await one.aclose()

    run_async(scenario())
