"""A hold on one workflow, from anywhere."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .conf import conf
from .errors import WorkflowNotFound
from .models import Workflow
from .verbs import aresult, result

R = TypeVar("R")


@dataclass(frozen=True)
class WorkflowHandle(Generic[R]):
    """Names a workflow and waits for it; holds nothing in memory."""

    workflow_id: str

    def get_workflow_id(self) -> str:
        return self.workflow_id

    def get_result(self, timeout: float | None = None) -> R:
        """Wait for the workflow's end and give its output, or raise its error.

        `timeout`: seconds, default none; raises `ResultTimeout` after it. Raises `WorkflowWasCancelled`,
        `WorkflowIsDead`, `WorkflowNotFound`. Inside a workflow this is a recorded step.
        """
        return result(self.workflow_id, timeout)

    def aget_result(self, timeout: float | None = None) -> Awaitable[R]:
        """`get_result` for coroutines."""
        return aresult(self.workflow_id, timeout)

    def get_status(self) -> Workflow:
        """The workflow's row as it is now, without its payloads. Raises `WorkflowNotFound`."""
        row = Workflow.objects.using(conf().DATABASE).listed().filter(pk=self.workflow_id).first()
        if row is None:
            raise WorkflowNotFound(workflow_id=self.workflow_id)
        return row

    async def aget_status(self) -> Workflow:
        """`get_status` for coroutines."""
        row = await Workflow.objects.using(conf().DATABASE).listed().filter(pk=self.workflow_id).afirst()
        if row is None:
            raise WorkflowNotFound(workflow_id=self.workflow_id)
        return row
