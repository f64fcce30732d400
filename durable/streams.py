"""Streams: values that a workflow writes in order, and readers that follow while it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

from .engine import streams
from .errors import InvalidOption
from .verbs import IN_WORKFLOW_OR_STEP, check_seconds, check_text, verb

_write, _awrite = verb(streams.write, "write_stream", IN_WORKFLOW_OR_STEP)
_close, _aclose = verb(streams.close, "close_stream", IN_WORKFLOW_OR_STEP)
_read, _aread = verb(streams.read, "read_stream")


def write_stream(key: str, value: Any) -> None:
    """Put `value` at the end of this workflow's stream `key`: exactly once from a workflow, at least once from a step,
    whose retries write again. Raises `StreamClosed`, `SerializationError`."""
    return _write(check_text("key", key), value)


def awrite_stream(key: str, value: Any) -> Awaitable[None]:
    """`write_stream` for coroutines."""
    return _awrite(check_text("key", key), value)


def close_stream(key: str) -> None:
    """Say that nothing more comes on stream `key`. The end of the workflow closes all of its streams."""
    return _close(check_text("key", key))


def aclose_stream(key: str) -> Awaitable[None]:
    """`close_stream` for coroutines."""
    return _aclose(check_text("key", key))


def read_stream(workflow_id: str, key: str, *, offset: int = 0, timeout_seconds: float | None = None) -> Iterator[Any]:
    """Every value of a workflow's stream, in order, as it comes, until the stream is closed or the workflow has ended.

    `offset`: the first value wanted, counted from 0. `timeout_seconds`: how long to wait for each value, default for
    ever; raises `StreamTimeout` after it. Raises `WorkflowNotFound`. Inside a workflow each value is recorded.
    """
    return (value for _, value in _entries(workflow_id, *_wanted(key, offset, timeout_seconds)))


def read_stream_entries(
    workflow_id: str, key: str, *, offset: int = 0, timeout_seconds: float | None = None
) -> Iterator[tuple[int, Any]]:
    """`read_stream` with the offset of each value, so that a reader can go on where it stopped."""
    return _entries(workflow_id, *_wanted(key, offset, timeout_seconds))


def aread_stream(
    workflow_id: str, key: str, *, offset: int = 0, timeout_seconds: float | None = None
) -> AsyncIterator[Any]:
    """`read_stream` for coroutines."""
    return (value async for _, value in _aentries(workflow_id, *_wanted(key, offset, timeout_seconds)))


def aread_stream_entries(
    workflow_id: str, key: str, *, offset: int = 0, timeout_seconds: float | None = None
) -> AsyncIterator[tuple[int, Any]]:
    """`read_stream_entries` for coroutines."""
    return _aentries(workflow_id, *_wanted(key, offset, timeout_seconds))


def _entries(workflow_id: str, key: str, offset: int, timeout: float | None) -> Iterator[tuple[int, Any]]:
    while entries := _read(workflow_id, key, offset, timeout):
        yield from entries
        offset = entries[-1][0] + 1


async def _aentries(workflow_id: str, key: str, offset: int, timeout: float | None) -> AsyncIterator[tuple[int, Any]]:
    while entries := await _aread(workflow_id, key, offset, timeout):
        for entry in entries:
            yield entry
        offset = entries[-1][0] + 1


def _wanted(key: str, offset: int, timeout_seconds: float | None) -> tuple[str, int, float | None]:
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset < 2**31:
        raise InvalidOption(option="offset", value=offset, hint="give a number from 0 on")
    timeout = None if timeout_seconds is None else check_seconds("timeout_seconds", timeout_seconds)
    return check_text("key", key), offset, timeout
