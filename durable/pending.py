"""What a `with` block says about the starts in it.

A block counts for the code that stands in it, not for the workflows that this code runs: their children inherit none
of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from .context import scope
from .options import StartOptions

log = logging.getLogger("durable")


class Block:
    """A `with` block whose options hold for every start in it, unless the start says otherwise."""

    def __init__(self, **options: Any):
        StartOptions(**options)  # refuses what is not valid here, and not at some start later
        self.options = options

    def __enter__(self) -> Self:
        _entered.set((*_entered.get(), Entered(self, scope.get())))
        return self

    def __exit__(self, *_: Any) -> None:
        _entered.set(_entered.get()[:-1])


@dataclass(eq=False)
class Entered:
    """A block that some code stands in. The block itself may be entered by several threads at once, and again."""

    block: Block
    place: Any
    is_used: bool = False
    """Whether its id was given to a workflow."""


_entered: ContextVar[tuple[Entered, ...]] = ContextVar("durable_blocks", default=())


class SetWorkflowID(Block):
    """The first workflow started in this block gets `workflow_id`; inside it, a second one gets a fresh id.

    An id is an idempotency key: the workflow runs once, and later starts with the id attach to it; with
    `policy="reject"` they raise `WorkflowIdInUse`. Raises `InvalidOption` when the id is blank.
    """

    def __init__(self, workflow_id: str, *, policy: str = "return-existing"):
        super().__init__(workflow_id=workflow_id, id_policy=policy)
        self.workflow_id = workflow_id


class SetWorkflowTimeout(Block):
    """Workflows started in this block are cancelled `seconds` after their start, with the children that inherit it.

    None frees a child from the deadline that it would inherit. Raises `InvalidOption`.
    """

    def __init__(self, seconds: float | None):
        super().__init__(timeout=seconds)


class SetEnqueueOptions(Block):
    """How workflows enqueued in this block wait: see `StartOptions` for each. Raises `InvalidOption`."""

    def __init__(
        self, *, dedup_id: str | None = None, dedup_policy: str | None = None, priority: int | None = None,
        partition_key: str | None = None, delay: float | None = None, version: str | None = None,
    ):  # fmt: skip
        super().__init__(
            dedup_id=dedup_id, dedup_policy=dedup_policy, priority=priority, partition_key=partition_key,
            delay=delay, version=version,
        )  # fmt: skip


class SetWorkflowAttributes(Block):
    """Workflows started in this block carry `attributes`, a JSON object by which they are found. Not inherited."""

    def __init__(self, attributes: Mapping[str, Any]):
        super().__init__(attributes=attributes)


class SetAuthentication(Block):
    """Workflows started in this block run as `user`, who may take on `roles`; their children inherit both."""

    def __init__(self, user: str | None, roles: list[str] | tuple[str, ...] | None = None):
        super().__init__(authenticated_user=user, authenticated_roles=tuple(roles) if roles is not None else None)


def filled(options: StartOptions) -> StartOptions:
    """`options` with what the enclosing blocks add to them; the id of a block is taken once."""
    said: dict[str, Any] = {}
    for block in (each.block for each in _around() if not isinstance(each.block, SetWorkflowID)):
        says_none = isinstance(block, SetWorkflowTimeout)
        said.update({name: value for name, value in block.options.items() if says_none or value is not None})
    if options.workflow_id is None and (block_of_id := _take()):
        said.update(block_of_id.options)
    return options.filled_with(said) if said else options


def said(options: StartOptions, option: str) -> Any:
    """What `options`, or else the enclosing blocks, say of one option; no id is taken by asking."""
    value = getattr(options, option)
    for each in reversed(_around()):
        if value is None and not each.is_used:
            value = each.block.options.get(option)
    return value


def authentication() -> tuple[str | None, tuple[str, ...] | None]:
    """The user and roles of the enclosing blocks, or None and None."""
    for block in (each.block for each in reversed(_around())):
        if isinstance(block, SetAuthentication):
            return block.options["authenticated_user"], block.options["authenticated_roles"]
    return None, None


def take_id() -> str | None:
    """The id that the enclosing block has for the next start, once."""
    block = _take()
    return block.workflow_id if block else None


def _around() -> list[Entered]:
    """The blocks that the calling code stands in, the outermost first."""
    place = scope.get()
    return [each for each in _entered.get() if each.place is place]


def _take() -> SetWorkflowID | None:
    for each in reversed(_around()):
        if isinstance(each.block, SetWorkflowID):
            if each.is_used:
                log.warning(
                    "The id %r of this block has been given to its first workflow; the next one gets a fresh id.",
                    each.block.workflow_id,
                )
                return None
            each.is_used = True
            return each.block
    return None
