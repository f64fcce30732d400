"""Handles: a hold on one workflow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from .declaring import engine
from .error import translated
from .pairs import Call, check_loop, of, verb
from .status import WorkflowStatus, statuses_of

R = TypeVar("R")


class _Hold:
    """`native`: Durable's handle. `home`: the package `durable`, or the client that holds it."""

    def __init__(self, native: Any, home: Any = None):
        self.native, self.home = native, home or engine()

    shard_key = None

    @property
    def workflow_id(self) -> str:
        return self.native.workflow_id

    def get_workflow_id(self) -> str:
        return self.native.workflow_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hold) and other.workflow_id == self.workflow_id

    def __hash__(self) -> int:
        return hash(self.workflow_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.workflow_id!r})"


class WorkflowHandle(_Hold, Generic[R]):
    """What `DBOS.start_workflow` gives back."""

    def get_result(self, *, polling_interval_sec: float = 1.0) -> R:
        """Wait for the workflow to end; its result, or its error raised. A notification ends the wait, not a poll."""
        check_loop_of_handle("get_result")
        with translated():
            return self.native.get_result()

    def get_status(self) -> WorkflowStatus:
        """The workflow as it is now."""
        check_loop_of_handle("get_status")
        return get_status.do(self.home, (self.workflow_id,), {})


class WorkflowHandleAsync(_Hold, Generic[R]):
    """What `DBOS.start_workflow_async` gives back."""

    async def get_result(self, *, polling_interval_sec: float = 1.0) -> R:
        """Wait for the workflow to end; its result, or its error raised."""
        with translated():
            return await self.native.aget_result()

    async def get_status(self) -> WorkflowStatus:
        """The workflow as it is now."""
        return await get_status.ado(self.home, (self.workflow_id,), {})


@verb(lambda row, _: statuses_of([row])[0], reads=True)
def get_status(workflow_id: str) -> Call:
    """The workflow as it is now."""
    return of("get_workflow", workflow_id)


def handles(natives: Iterable[Any], home: Any) -> list[WorkflowHandle[Any]]:
    return [WorkflowHandle(each, home) for each in natives]


def ahandles(natives: Iterable[Any], home: Any) -> list[WorkflowHandleAsync[Any]]:
    return [WorkflowHandleAsync(each, home) for each in natives]


def nothing(value: Any, home: Any) -> None:
    """What Durable tells, and DBOS does not."""


def check_loop_of_handle(name: str) -> None:
    try:
        check_loop(name)
    except RuntimeError:
        raise RuntimeError(
            f"handle.{name}() would block the running event loop; start the workflow with an _async method, whose "
            f"handle is awaited"
        ) from None
