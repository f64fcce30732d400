"""Messages, events, streams and sleep."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .declaring import engine
from .error import DBOSStreamTimeoutError, translated
from .pairs import Call, check_loop, check_unsharded, of, pair, verb


@dataclass
class SendMessage:
    """One message of `DBOS.send_bulk`, which takes mappings with these keys too."""

    destination_id: str
    message: Any
    topic: str | None = None
    idempotency_key: str | None = None
    shard_key: str | None = None


@verb()
def send(
    destination_id: str, message: Any, topic: str | None = None, idempotency_key: str | None = None, *,
    serialization_type: Any = None, send_to_forks: bool = False,
) -> Call:  # fmt: skip
    """Send a message to a workflow."""
    return of("send", destination_id, message, topic, idempotency_key=idempotency_key)


@verb()
def send_bulk(
    messages: Sequence[SendMessage | Mapping[str, Any]], *, serialization_type: Any = None, send_to_forks: bool = False
) -> Call:
    """Send several messages, all or none."""
    said = [dict(vars(each) if isinstance(each, SendMessage) else each) for each in messages]
    check_unsharded(*(each.pop("shard_key", None) for each in said))
    return of("send_bulk", said)


@verb()
def recv(topic: str | None = None, timeout_seconds: float = 60) -> Call:
    """The next message of a topic, or None when none comes in time."""
    return of("recv", topic, timeout_seconds)


@verb()
def set_event(key: str, value: Any, *, serialization_type: Any = None) -> Call:
    """Publish a value of this workflow under a key."""
    return of("set_event", key, value)


@verb()
def get_event(workflow_id: str, key: str, timeout_seconds: float = 60) -> Call:
    """The value that a workflow published, or None when it does not in time."""
    return of("get_event", workflow_id, key, timeout_seconds)


@verb()
def get_all_events(workflow_id: str) -> Call:
    """The newest values of all keys that a workflow published."""
    return of("get_all_events", workflow_id)


@verb()
def sleep(seconds: float) -> Call:
    """Sleep durably."""
    return of("sleep", seconds)


@verb()
def write_stream(key: str, value: Any, *, serialization_type: Any = None) -> Call:
    """Append a value to a stream of this workflow."""
    return of("write_stream", key, value)


@verb()
def close_stream(key: str) -> Call:
    """End a stream of this workflow."""
    return of("close_stream", key)


class Communication:
    """The methods of `DBOS` by which workflows and programs talk."""

    send, send_async = pair(send)
    send_bulk, send_bulk_async = pair(send_bulk)
    recv, recv_async = pair(recv)
    set_event, set_event_async = pair(set_event)
    get_event, get_event_async = pair(get_event)
    get_all_events, get_all_events_async = pair(get_all_events)
    sleep, sleep_async = pair(sleep)
    write_stream, write_stream_async = pair(write_stream)
    close_stream, close_stream_async = pair(close_stream)

    @staticmethod
    def read_stream(
        workflow_id: str, key: str, *, offset: int = 0, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> Iterator[Any]:  # fmt: skip
        """The values of a stream in order, until it is closed or its workflow has ended."""
        check_loop("read_stream")
        check_unsharded(shard_key)
        return values_of(engine(), workflow_id, key, offset, timeout_seconds)

    @staticmethod
    def read_stream_async(
        workflow_id: str, key: str, *, offset: int = 0, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> AsyncIterator[Any]:  # fmt: skip
        """`read_stream` for coroutines."""
        check_unsharded(shard_key)
        return avalues_of(engine(), workflow_id, key, offset, timeout_seconds)

    @staticmethod
    def read_stream_offset(
        workflow_id: str, key: str, offset: int, *, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> Any:  # fmt: skip
        """The one value of a stream at an offset, as soon as it is written. Raises `DBOSStreamTimeoutError` after
        `timeout_seconds`, and when the stream ends before it."""
        check_loop("read_stream_offset")
        check_unsharded(shard_key)
        return value_at(engine(), workflow_id, key, offset, timeout_seconds)

    @staticmethod
    async def read_stream_offset_async(
        workflow_id: str, key: str, offset: int, *, polling_interval_sec: float | None = None,
        timeout_seconds: float | None = None, shard_key: str | None = None,
    ) -> Any:  # fmt: skip
        """`read_stream_offset` for coroutines."""
        check_unsharded(shard_key)
        return await avalue_at(engine(), workflow_id, key, offset, timeout_seconds)


def values_of(home: Any, workflow_id: str, key: str, offset: int, timeout_seconds: float | None) -> Iterator[Any]:
    with translated():
        yield from home.read_stream(workflow_id, key, offset=offset, timeout_seconds=timeout_seconds)


async def avalues_of(
    home: Any, workflow_id: str, key: str, offset: int, timeout_seconds: float | None
) -> AsyncGenerator[Any]:
    with translated():
        async for value in home.aread_stream(workflow_id, key, offset=offset, timeout_seconds=timeout_seconds):
            yield value


def value_at(home: Any, workflow_id: str, key: str, offset: int, timeout_seconds: float | None) -> Any:
    for value in values_of(home, workflow_id, key, offset, timeout_seconds):
        return value
    raise _ended(workflow_id, key, offset)


async def avalue_at(home: Any, workflow_id: str, key: str, offset: int, timeout_seconds: float | None) -> Any:
    values = avalues_of(home, workflow_id, key, offset, timeout_seconds)
    try:
        async for value in values:
            return value
    finally:
        await values.aclose()
    raise _ended(workflow_id, key, offset)


def _ended(workflow_id: str, key: str, offset: int) -> DBOSStreamTimeoutError:
    return DBOSStreamTimeoutError(f"Stream {key!r} of workflow {workflow_id} has ended before offset {offset}")
