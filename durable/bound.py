"""A hold on a workflow of another database."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .handles import WorkflowHandle
from .models import Workflow

R = TypeVar("R")


@dataclass(frozen=True)
class BoundHandle(WorkflowHandle[R]):
    """A handle that a `Client` gave: it looks and waits in that client's database, wherever it is used."""

    client: Any = field(repr=False)

    def get_result(self, timeout: float | None = None) -> R:
        return self.client._run("get_result", super().get_result, (timeout,), {})

    def aget_result(self, timeout: float | None = None) -> Awaitable[R]:
        return self.client._arun("aget_result", super().aget_result, (timeout,), {})

    def get_status(self) -> Workflow:
        return self.client._run("get_status", super().get_status, (), {})

    async def aget_status(self) -> Workflow:
        return await self.client._arun("aget_status", super().aget_status, (), {})
