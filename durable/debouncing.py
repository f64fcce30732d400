"""Debouncing: of many calls in quick succession, one workflow with the last inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, transaction

from .backends.backend import backend
from .backends.writing import new_workflow
from .chance import chance
from .context import scope
from .definition import Start, new_by_name, start_options
from .engine.children import verify_id
from .engine.commands import NewWorkflow
from .engine.drive import drive
from .errors import InvalidOption
from .executor.outside import Managing, Outside, tell
from .handles import WorkflowHandle
from .queue import Queue, start_of
from .verbs import check_seconds, check_text, managed

LONGEST_KEY = 500


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
        timeout = None if debounce_timeout_sec is None else _period("debounce_timeout_sec", debounce_timeout_sec)
        start = start_of(workflow)
        name = queue.name if isinstance(queue, Queue) else queue
        given = {} if name is None else {"queue": name}
        return cls(replace(start, options=start_options(given, start.options)), timeout)

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
    return _put(debouncer.start.new(args, kwargs), key, period, debouncer.timeout)


def _debounce_by_name(
    name: str, debounce_key: str, debounce_period_sec: float, args: Iterable[Any] = (), kwargs: Any = None, *,
    debounce_timeout_sec: float | None = None, class_name: str | None = None, config_name: str | None = None,
    **options: Any,
) -> WorkflowHandle[Any]:  # fmt: skip
    """`Debouncer.debounce` of a workflow that this process need not know. `options`: see `StartOptions`.

    The same series as that of a `Debouncer` for that workflow and queue.
    """
    timeout = None if debounce_timeout_sec is None else _period("debounce_timeout_sec", debounce_timeout_sec)
    new = new_by_name(name, start_options(options), tuple(args), dict(kwargs or {}))
    return _put(
        new._replace(class_name=class_name, config_name=config_name), debounce_key, debounce_period_sec, timeout
    )


def _put(new: NewWorkflow, key: str, period: float, timeout: float | None) -> WorkflowHandle[Any]:
    """Put off the pending workflow of a series and give it these inputs, or begin a series with a new one."""
    delay = _period("debounce_period_sec", period)
    for option in ("dedup_id", "partition_key", "delay"):
        if (value := getattr(new, option)) is not None:
            hint = "a debounced workflow is found by its key, waits its period, and is in no partition"
            raise InvalidOption(option=option, value=value, hint=hint)
    place = scope.get() or Outside()
    own_id = f"{place.workflow_id}-{place.seq}" if isinstance(place, Managing) else chance.new_id()
    series = _series(new, check_text("debounce_key", key))
    new = new._replace(id=new.id or own_id, delay=delay, parent=place.workflow_id)
    engine = backend()
    row = json.dumps([new_workflow(new) | {"key": series, "cap": timeout}])
    try:
        with transaction.atomic(using=engine.alias):
            [[workflow]] = engine.run(engine.borrowed(), engine.sql.debounce, new=row)
            transaction.on_commit(lambda: tell([], {"t:"}), using=engine.alias)
    except IntegrityError:  # a workflow that this series no longer holds has the id: an id runs once
        drive(verify_id(new), Outside().perform)
        return WorkflowHandle(new.id)
    return WorkflowHandle(workflow)


def _series(new: NewWorkflow, key: str) -> str:
    """What calls have in common that put off each other. A long key is stored as its hash: an index has no room."""
    text = json.dumps([new.queue, new.class_name, new.config_name, new.name, key])
    return text if len(text) <= LONGEST_KEY else hashlib.sha256(text.encode()).hexdigest()


def _period(option: str, value: Any) -> float:
    seconds = check_seconds(option, value)
    if seconds < 0:
        raise InvalidOption(option=option, value=value, hint="give a number of seconds, not negative")
    return seconds


debounce, adebounce = managed(_debounce, lambda handle: handle.workflow_id, WorkflowHandle)
debounce_by_name, adebounce_by_name = managed(_debounce_by_name, lambda handle: handle.workflow_id, WorkflowHandle)
