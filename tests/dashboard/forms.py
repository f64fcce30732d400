"""Filling in the forms of the console as a person does, and reading its pages."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from durable.models import AuditEntry


def address(pk: str, action: str, query: str = "") -> str:
    """Where an action on a workflow is done; "workflow" is its page."""
    return reverse(f"durable_dashboard:{action}", args=[pk]) + query


def seen(answer: Any) -> str:
    """The words of a page."""
    parted = re.sub(r"</(td|th|li|p|dt|dd|h1|h2|div|label)>", r" \g<0>", answer.text)
    return " ".join(unescape(strip_tags(parted)).split())


def act(client: Client, pk: str, action: str, query: str = "", **given: Any) -> Any:
    """Fill in the form as it is shown, change what is `given`, and send it."""
    page = client.get(address(pk, action, query))
    return client.post(address(pk, action, query), {**filled(page.text), **given}, follow=True)


def filled(html: str) -> dict[str, str]:
    """What the form of a page holds."""
    form = html[html.index('method="post" aria-labelledby="h-ask"') :]
    found = {name: unescape(value) for name, value in re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', form)}
    for name, options in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options) or re.search(
            r'<option value="([^"]*)"', options
        )
        found[name] = unescape(chosen[1]) if chosen else ""
    texts = re.findall(r'<textarea name="(\w+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL)
    return found | {name: unescape(value) for name, value in texts}


def entry() -> AuditEntry:
    [only] = AuditEntry.objects.all()
    return only
