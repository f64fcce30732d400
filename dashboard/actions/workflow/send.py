"""Send one workflow a message."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms

import durable
from durable.models import Message
from durable.states import Status

from ...story import Story
from ...typed import JsonField
from ...wording import plural
from ..action import Effect, Reasoned, view_of
from .base import WorkflowAction


class SendForm(Reasoned):
    topic = forms.CharField(
        required=False,
        max_length=1024,
        label="Topic",
        help_text="Empty for a message without a topic.",
        strip=False,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    body = JsonField(label="Message, as JSON", help_text='Such as "paid", 42 or {"approved": true}.')
    key = forms.UUIDField(widget=forms.HiddenInput)


class Send(WorkflowAction):
    """Put a message in its mailbox, once, however often the form is sent."""

    route = verb = "send"
    word, icon = "Send message", "send"
    stay = "Send nothing"
    form_class = SendForm

    @classmethod
    def says(cls, story: Story) -> str:
        kind, _, topic = (story.workflow.waiting_for or "").partition(":")
        if kind == "message" and not story.workflow.is_finished:
            return f"Send message wakes it, if the topic is {topic}." if topic else "Send message wakes it."
        return "Send message puts a message in its mailbox."

    @property
    def question(self) -> str:
        return f"Send {self.own.name} a message"

    @property
    def waits_for(self) -> str | None:
        """The topic that it waits for now, None when it waits for no message."""
        kind, _, topic = (self.own.waiting_for or "").partition(":")
        return topic if kind == "message" and self.own.status == Status.PENDING else None

    @property
    def initial(self) -> dict[str, Any]:
        return {"topic": self.waits_for or "", "key": uuid4()}

    @property
    def effects(self) -> list[Effect]:
        unread = Message.objects.using(self.alias).filter(workflow=self.target, consumed_seq__isnull=True).count()
        made = []
        if self.own.is_finished:
            made.append(Effect("warn", "It has ended: nobody reads the message, unless a fork or a rewind of it does.",
                               "backoff"))  # fmt: skip
        elif self.waits_for is None:
            made.append(Effect("info", "It waits for no message now. This one is kept until it asks for its topic."))
        else:
            topic = f"topic {self.waits_for}" if self.waits_for else "no topic"
            made.append(Effect("message", f"It waits for a message with {topic}, and goes on when this one has it."))
        if unread:
            words = f"{plural(unread, 'message')} in its mailbox {'is' if unread == 1 else 'are'} unread"
            made.append(Effect("info", f"{words}; those of the same topic are read first."))
        return made

    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        detail["topic"] = given["topic"]
        durable.send(self.target, given["body"], given["topic"] or None, idempotency_key=f"console:{given['key']}")
        return "The message is in its mailbox."


send = view_of(Send)
