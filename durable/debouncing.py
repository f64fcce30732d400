"""Debouncing: of many calls in quick succession, one workflow with the last inputs."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from .backends.backend import backend
from .backends.writing import new_workflow
from .chance import chance
from .context import scope
from .definition import Start, start_options
from .errors import InvalidOption
from .executor.outside import tell
from .handles import WorkflowHandle
from .options import StartOptions
from .queue import Queue, start_of
from .verbs import check_seconds, check_text, managed

TRIES = 100


@dataclass(frozen=True)
class Debouncer:
    """Delays a workflow until it has not been asked for during a period; it then runs once, with the last inputs.

    Make it with `Debouncer.create(workflow, debounce_timeout_sec=..., queue=...)`: after `debounce_timeout_sec` since
    the first call of a series it starts in any case, default never; `queue`: a queue or its name, default none.
    """

    start: Start[Any, Any]
    timeout: float | None

    @classmethod
    def create(
        cls, workflow: Any, *, debounce_timeout_sec: float | None = None, queue: Queue | str | None = None
    ) -> Debouncer:
        """A debouncer for a workflow. Raises `InvalidOption`, `ImproperUse`."""
        timeout = None if debounce_timeout_sec is None else check_seconds("debounce_timeout_sec", debounce_timeout_sec)
        start = start_of(workflow)
        name = queue.name if isinstance(queue, Queue) else queue
        return cls(replace(start, options=start_options({"queue": name}, start.options)), timeout)

    @classmethod
    async def create_async(
        cls, workflow: Any, *, debounce_timeout_sec: float | None = None, queue: Queue | str | None = None
    ) -> Debouncer:
        """`create` for coroutines."""
        return cls.create(workflow, debounce_timeout_sec=debounce_timeout_sec, queue=queue)

    def debounce(self, debounce_key: str, debounce_period_sec: float, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
        """Ask for the workflow: it starts `debounce_period_sec` after the last call with this key; its handle.

        Calls with another key do not touch it. Once it has started, the next call begins a new series.
        """
        return debounce(self, debounce_key, debounce_period_sec, args, kwargs)

    def adebounce(
        self, debounce_key: str, debounce_period_sec: float, *args: Any, **kwargs: Any
    ) -> Awaitable[WorkflowHandle[Any]]:
        """`debounce` for coroutines."""
        return adebounce(self, debounce_key, debounce_period_sec, args, kwargs)

    debounce_async = adebounce


def _debounce(debouncer: Debouncer, key: str, period: float, args: Any, kwargs: Any) -> WorkflowHandle[Any]:
    options = debouncer.start.options
    StartOptions(delay=period)
    new = debouncer.start.new(args, kwargs)
    if new.dedup_id is not None or new.partition_key is not None:
        hint = "a debounced workflow is found by its key, and waits in no partition"
        raise InvalidOption(option="options", value=options, hint=hint)
    place = scope.get()
    parent = place.workflow_id if place is not None else None
    new = replace(new, id=new.id or chance.new_id(), delay=float(period), parent=parent)
    whole = f"{new.queue}/{new.class_name or ''}/{new.config_name or ''}/{new.name}/{check_text('debounce_key', key)}"
    row = new_workflow(new) | {"key": whole, "cap": debouncer.timeout}
    engine = backend()
    session = engine.borrowed()
    with transaction.atomic(using=engine.alias):
        for _ in range(TRIES):  # a row that is promoted at this moment gives back its key when that is committed
            if rows := engine.run(session, engine.sql.debounce, new=json.dumps([row])):
                transaction.on_commit(lambda: tell([], {"t:"}), using=engine.alias)
                return WorkflowHandle(rows[0][0])
    raise InvalidOption(
        option="workflow_id", value=new.id, hint="a workflow has this id already; debounce without an id of your own"
    )


debounce, adebounce = managed(_debounce, lambda handle: handle.workflow_id, WorkflowHandle)
