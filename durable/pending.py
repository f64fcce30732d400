"""What a `with` block says about the next start in it."""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any

from .options import StartOptions

_block: ContextVar[SetWorkflowID | None] = ContextVar("durable_block", default=None)


@dataclass
class SetWorkflowID:
    """The first workflow started in this block gets `workflow_id`; inside it, a second one gets a fresh id.

    An id is an idempotency key: the workflow runs once, and later starts with the id attach to it.
    Raises `InvalidOption` when the id is blank.
    """

    workflow_id: str
    is_used: bool = False
    token: Token[Any] | None = None

    def __post_init__(self) -> None:
        StartOptions(workflow_id=self.workflow_id)

    def __enter__(self) -> SetWorkflowID:
        self.token = _block.set(self)
        return self

    def __exit__(self, *_: Any) -> None:
        if self.token is not None:
            _block.reset(self.token)


def take_id() -> str | None:
    """The id that the enclosing block has for the next start, once."""
    block = _block.get()
    if block is None or block.is_used:
        return None
    block.is_used = True
    return block.workflow_id
