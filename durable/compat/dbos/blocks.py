"""`with` blocks that say how the starts in them are done."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Literal, Self

from ... import pending
from .error import DBOSException, translated

DuplicationPolicy = Literal["reject", "return-existing"]
WorkflowIDReusePolicy = Literal["reject", "return-existing"]


class Block:
    """A block of Durable under DBOS's name."""

    def __init__(self, *blocks: AbstractContextManager[Any]):
        self._blocks = blocks
        self._open: list[ExitStack] = []

    def __enter__(self) -> Self:
        stack = ExitStack()
        for block in self._blocks:
            stack.enter_context(block)
        self._open.append(stack)
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self._open.pop().close()
        return False


class SetWorkflowID(Block):
    """The first workflow started in the block has this ID; a workflow runs once for each ID."""

    def __init__(self, wfid: str, *, workflow_id_reuse_policy: WorkflowIDReusePolicy = "return-existing"):
        with translated():
            super().__init__(pending.SetWorkflowID(wfid, policy=workflow_id_reuse_policy))


class SetWorkflowTimeout(Block):
    """Workflows started in the block are cancelled after so many seconds; None frees them from their parent's."""

    def __init__(self, workflow_timeout_sec: float | None):
        if workflow_timeout_sec is not None and workflow_timeout_sec <= 0:
            raise DBOSException(f"A timeout of {workflow_timeout_sec} seconds is none: give more than 0, or None")
        with translated():
            super().__init__(pending.SetWorkflowTimeout(workflow_timeout_sec))


class SetEnqueueOptions(Block):
    """How the workflows enqueued in the block wait in their queue."""

    def __init__(
        self, *, deduplication_id: str | None = None, priority: int | None = None, app_version: str | None = None,
        queue_partition_key: str | None = None, delay_seconds: float | None = None,
        duplication_policy: DuplicationPolicy | None = None,
    ):  # fmt: skip
        with translated():
            block = pending.SetEnqueueOptions(
                dedup_id=deduplication_id, priority=priority, version=app_version, partition_key=queue_partition_key,
                delay=delay_seconds, dedup_policy=duplication_policy,
            )  # fmt: skip
        super().__init__(block)


class SetWorkflowAttributes(Block):
    """Workflows started in the block carry these attributes, by which they are found."""

    def __init__(self, attributes: Mapping[str, Any]):
        with translated():
            super().__init__(pending.SetWorkflowAttributes(attributes))


class DBOSContextSetAuth(Block):
    """Workflows started in the block run as this user, with these roles."""

    def __init__(self, user: str | None, roles: list[str] | None):
        with translated():
            super().__init__(pending.SetAuthentication(user, roles))


class PropagateOtelContext(Block):
    """Nothing: no trace context is stored with workflows, whose spans begin traces of their own."""

    def __init__(self, context: Any = None):
        super().__init__()


class DBOSContextEnsure(Block):
    """Nothing: in Durable there is always a context."""
