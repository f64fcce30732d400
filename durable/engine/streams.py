"""Streams: values that a workflow writes in order, for readers that follow."""

from __future__ import annotations

from typing import Any

from ..errors import StreamClosed, StreamTimeout, WorkflowNotFound
from ..states import FINAL
from .commands import Append, Ask, Closer, Condition, Entries, Outcome, Park
from .drive import Operation

PAGE = 100
"""How many entries a reader that records nothing takes at once."""

WORKFLOW = "workflow"
"""The place in which each value that is read is recorded."""


def write(scope: Any, key: str, value: Any) -> Operation:
    """Put a value at the end of a stream; exactly once from a workflow, at least once from a step."""
    slot = scope.open("write_stream", "stream")
    if slot.recorded:
        return slot.replay()
    closer = yield from _closer(scope, key)
    if closer is not None:
        if _was_closed_by_an_earlier_attempt(scope, key, closer):
            return None
        error = StreamClosed(key=key, workflow_id=scope.workflow_id)
        yield slot.failure(error)
        raise error
    yield slot.success(None, Append(scope.workflow_id, key, slot.seq, scope.journal.encode(value)))
    return None


def close(scope: Any, key: str) -> Operation:
    """End a stream; closing it twice changes nothing."""
    slot = scope.open("close_stream", "stream")
    journal = scope.journal
    is_closed = key in journal.closed_streams
    journal.closed_streams.add(key)
    if slot.recorded:
        return slot.replay()
    if scope.place != WORKFLOW:
        journal.closed_in_steps.add(key)
    effects = () if is_closed else (Append(scope.workflow_id, key, slot.seq, None),)
    yield slot.success(None, *effects)
    return None


def _closer(scope: Any, key: str) -> Operation:
    """The slot that closed a stream, 0 when it is not known which, or None.

    The first run of a workflow knows without asking, but for what its steps did.
    """
    journal = scope.journal
    if scope.place == WORKFLOW:
        if key in journal.closed_streams:
            return 0
        if journal.is_first and key not in journal.closed_in_steps:
            return None
    closer = yield Ask(Closer(scope.workflow_id, key))
    if closer is not None and scope.place == WORKFLOW:
        journal.closed_streams.add(key)
    return closer


def _was_closed_by_an_earlier_attempt(scope: Any, key: str, closer: int) -> bool:
    """An attempt of this step wrote all of the stream and closed it; this one has nothing to add, and no error."""
    return scope.place != WORKFLOW and closer == scope.seq and key not in scope.journal.closed_streams


def read(scope: Any, workflow: str, key: str, offset: int, timeout: float | None) -> Operation:
    """The next values of a stream from `offset` on: `[(offset, value)]`, empty when it has ended.

    Inside a workflow one value at a time, each recorded. Raises `StreamTimeout` when nothing comes for `timeout`
    seconds.
    """
    slot = scope.open("read_stream", "read_stream")
    timer = scope.open("sleep", "sleep") if timeout is not None else None
    if slot.recorded:
        found = slot.replay()
        return [] if found is None else [tuple(found)]
    deadline = timer.replay() if timer is not None and timer.recorded else None
    wanted = Entries(workflow, key, offset, 1 if scope.place == WORKFLOW else PAGE)
    while True:
        since = scope.mark()
        entries = yield Ask(wanted)
        if not entries:
            entries = yield from _last_entries(slot, wanted)
        if entries is not None:
            values = [(number, scope.journal.serializer.deserialize(text)) for number, text in _open(entries)]
            yield slot.success(list(values[0]) if values else None, child=workflow)
            return values
        if timer is not None and deadline is None and timeout is not None:
            deadline = scope.now() + max(0.0, timeout)
            yield timer.success(deadline)
        if deadline is not None and scope.now() >= deadline:
            error = StreamTimeout(key=key, workflow_id=workflow, timeout=timeout)
            yield slot.failure(error, child=workflow)
            raise error
        conditions = (Condition("stream", workflow, key, offset), Condition("child", workflow))
        yield Park(f"stream:{workflow}/{key}", conditions, deadline, since)


def _open(entries: list[tuple[int, str | None]]) -> list[tuple[int, str]]:
    """The entries before the one that closes the stream."""
    found = []
    for offset, text in entries:
        if text is None:
            break
        found.append((offset, text))
    return found


def _last_entries(slot: Any, wanted: Entries) -> Operation:
    """None while more may come; else what was written just before the end, perhaps nothing."""
    standing = (yield Ask(Outcome((wanted.workflow,)))).get(wanted.workflow)
    if standing is None:
        error = WorkflowNotFound(workflow_id=wanted.workflow)
        yield slot.failure(error)
        raise error
    if standing.status not in FINAL and (yield Ask(Closer(wanted.workflow, wanted.key))) is None:
        return None
    return (yield Ask(wanted))
