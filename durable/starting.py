"""Starting workflows, and waiting for several."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from asgiref.sync import sync_to_async

from .backends.backend import backend
from .definition import new_by_name, start_options
from .errors import InvalidOption, WorkflowNotFound
from .handles import WorkflowHandle
from .models import Workflow
from .queue import start_of
from .verbs import afirst, first, start


def start_workflow(fn: Any, /, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
    """Start a workflow, step or transaction in the background; its handle once it is stored."""
    return start_of(fn).start(*args, **kwargs)


def astart_workflow(fn: Any, /, *args: Any, **kwargs: Any) -> Awaitable[WorkflowHandle[Any]]:
    """`start_workflow` for coroutines."""
    return start_of(fn).astart(*args, **kwargs)


def enqueue_by_name(queue: str, name: str, /, *args: Any, **kwargs: Any) -> WorkflowHandle[Any]:
    """Enqueue a workflow of another application by its name; it waits until an executor knows the name."""
    return start_by_name(name, args, kwargs, queue=queue)


def start_by_name(
    name: str, args: Iterable[Any] = (), kwargs: Any = None, *, class_name: str | None = None,
    config_name: str | None = None, **options: Any,
) -> WorkflowHandle[Any]:  # fmt: skip
    """Start a workflow that this process need not know, by name. `options`: see `StartOptions`.

    `class_name`, `config_name`: of a method, on which class or configured instance it runs.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidOption(option="name", value=name, hint="give the workflow's name")
    new = new_by_name(name, start_options(options), tuple(args), dict(kwargs or {}))
    return WorkflowHandle(start(new._replace(class_name=class_name, config_name=config_name)))


def retrieve_workflow(workflow_id: str) -> WorkflowHandle[Any]:
    """A handle on an existing workflow. Raises `WorkflowNotFound`."""
    if not Workflow.objects.using(backend().alias).filter(pk=workflow_id).exists():
        raise WorkflowNotFound(workflow_id=workflow_id)
    return WorkflowHandle(workflow_id)


def aretrieve_workflow(workflow_id: str) -> Awaitable[WorkflowHandle[Any]]:
    """`retrieve_workflow` for coroutines."""
    return sync_to_async(retrieve_workflow)(workflow_id)


def wait_first(handles: Iterable[WorkflowHandle[Any]]) -> WorkflowHandle[Any]:
    """The handle of the first of several workflows that has ended; inside a workflow the winner is recorded."""
    return WorkflowHandle(first(_ids(handles)))


async def await_first(handles: Iterable[WorkflowHandle[Any]]) -> WorkflowHandle[Any]:
    """`wait_first` for coroutines."""
    return WorkflowHandle(await afirst(_ids(handles)))


def gather(handles: Iterable[WorkflowHandle[Any]]) -> list[Any]:
    """The results of several workflows, in the order of the handles. Raises the first error in that order."""
    return [handle.get_result() for handle in handles]


async def agather(handles: Iterable[WorkflowHandle[Any]]) -> list[Any]:
    """`gather` for coroutines."""
    return [await handle.aget_result() for handle in handles]


def _ids(handles: Iterable[WorkflowHandle[Any]]) -> list[str]:
    ids = [handle.workflow_id for handle in handles]
    if not ids:
        raise InvalidOption(option="handles", value=[], hint="give at least one handle")
    return ids
