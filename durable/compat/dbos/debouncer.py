"""Debouncing: of many calls in quick succession, one workflow with the last inputs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from .declaring import engine, start_of
from .error import translated
from .handles import WorkflowHandle, WorkflowHandleAsync
from .pairs import check_loop
from .queue import Queue


class Debouncer:
    """Delays a workflow until it has not been asked for during a period; it then runs once, with the last inputs."""

    def __init__(
        self, workflow: Callable[..., Any], debounce_timeout_sec: float | None = None,
        queue: Queue | str | None = None, application_name: str | None = None,
    ):  # fmt: skip
        self.workflow, self.debounce_timeout_sec, self.queue = workflow, debounce_timeout_sec, queue

    @staticmethod
    def create(
        workflow: Callable[..., Any], *, debounce_timeout_sec: float | None = None, queue: Queue | str | None = None,
        application_name: str | None = None,
    ) -> Debouncer:  # fmt: skip
        """A debouncer for a workflow. May be made before DBOS is launched."""
        return Debouncer(workflow, debounce_timeout_sec, queue)

    @staticmethod
    def create_async(
        workflow: Callable[..., Any], *, debounce_timeout_sec: float | None = None, queue: Queue | str | None = None,
        application_name: str | None = None,
    ) -> Debouncer:  # fmt: skip
        """`create` for a coroutine workflow."""
        return Debouncer(workflow, debounce_timeout_sec, queue)

    def __await__(self) -> Generator[Any, Any, Debouncer]:
        """Nothing to wait for: `await Debouncer.create_async(...)` and without `await` are the same."""
        return self
        yield

    def debounce(self, debounce_key: str, debounce_period_sec: float, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Ask for the workflow: it starts when the period has passed since the last call with this key."""
        check_loop("debounce")
        with translated():
            return WorkflowHandle(self._native().debounce(debounce_key, debounce_period_sec, *args, **kwargs))

    async def debounce_async(
        self, debounce_key: str, debounce_period_sec: float, *args: Any, **kwargs: Any
    ) -> WorkflowHandleAsync[Any]:
        """`debounce` for coroutines."""
        with translated():
            return WorkflowHandleAsync(
                await self._native().adebounce(debounce_key, debounce_period_sec, *args, **kwargs)
            )

    def _native(self) -> Any:
        durable = engine()
        name = self.queue.name if isinstance(self.queue, Queue) else self.queue
        return durable.Debouncer.create(
            start_of(self.workflow), debounce_timeout_sec=self.debounce_timeout_sec, queue=name
        )
