"""What a person can do with a workflow now: buttons that lead to actions, or say why they are off."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.urls import reverse

from .actions.workflow.base import WorkflowAction
from .actions.workflow.cancel import Cancel
from .actions.workflow.delay import Delay
from .actions.workflow.delete import Delete
from .actions.workflow.fork import Fork
from .actions.workflow.restart import Restart
from .actions.workflow.resume import Resume
from .actions.workflow.rewind import Rewind
from .actions.workflow.send import Send
from .asked import Asked
from .story import Story

FIRST = (Resume, Fork, Send, Cancel)
MORE = (Restart, Rewind, Delay, Delete)


@dataclass(frozen=True, slots=True)
class Deed:
    """A button: where it leads, how it looks, and either its effect or the reason why it is off."""

    name: str
    word: str
    icon: str
    css: str
    address: str
    is_open: bool
    says: str


def deeds_of(story: Story, asked: Asked) -> tuple[list[Deed], list[Deed]]:
    """The buttons of the head, and those behind its "more"."""
    first = [_deed(each, story, asked) for each in FIRST]
    if story.workflow.failure:  # the one that most likely helps stands out
        best = next(deed for deed in first if deed.is_open)
        first = [replace(deed, css="d-btn-main") if deed is best else deed for deed in first]
    return first, [_deed(each, story, asked) for each in MORE]


def _deed(action: type[WorkflowAction], story: Story, asked: Asked) -> Deed:
    own = story.workflow
    off = action.why_not(own)
    query = asked.link()
    address = reverse(f"durable_dashboard:{action.route}", args=[own.pk]) + (query if query != "?" else "")
    css = "d-btn-bad" if action.css == "d-btn-bad" and not off else ""
    return Deed(action.route, action.word_for(own), action.icon, css, address, not off, off or action.says(story))
