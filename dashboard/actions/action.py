"""What all actions have in common: a page that says what will happen (GET), and the doing of it (POST)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from durable.audit import audited
from durable.errors import DurableError, InvalidOption

from ..access import may
from ..console import console_of


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that the action will do, or will leave alone: an icon, a hue if it has one, and words."""

    icon: str
    words: Any
    hue: str = ""


class Reasoned(forms.Form):
    """The form that every action has at least: why it was done, for those who read the audit."""

    reason = forms.CharField(
        required=False, max_length=300, label="Reason, for the audit", widget=forms.TextInput({"autocomplete": "off"})
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["reason"] = self.fields.pop("reason")  # last, behind what a subclass asks for


class Action(ABC):
    """One thing that a person can do with one thing. A subclass says what it is; `view_of` makes it a view.

    The page is a GET, changes nothing and needs the same right as the POST. What is done commits with its audit row.
    """

    right: ClassVar[str] = "operate"
    kind: ClassVar[str] = "workflow"
    verb: ClassVar[str]
    """What the audit calls it."""
    word: ClassVar[str]
    icon: ClassVar[str]
    css: ClassVar[str] = "d-btn-main"
    form_class: ClassVar[type[Reasoned]] = Reasoned
    template: ClassVar[str] = "durable/action.html"
    stay: ClassVar[str] = "Leave it as it is"

    def __init__(self, request: HttpRequest, target: str):
        self.request, self.target = request, target
        self.console = console_of(request)
        self.alias = self.console.alias

    # --- what a subclass says

    @property
    def label(self) -> str:
        """What its button says."""
        return self.word

    @property
    @abstractmethod
    def question(self) -> str:
        """The heading of the page: what is about to be done."""

    @property
    @abstractmethod
    def back(self) -> str:
        """Where the page comes from, and where a person goes who has acted."""

    @property
    def crumb(self) -> str:
        """What `back` is called."""
        return self.target

    @property
    def off(self) -> str:
        """Why it cannot be done now, "" when it can."""
        return ""

    @property
    def effects(self) -> list[Effect]:
        """What it will do, the weightiest first."""
        return []

    @property
    def initial(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    def act(self, given: dict[str, Any], detail: dict[str, Any]) -> str:
        """Do it, with what the form gave; add to the audit's `detail`. What has happened, in words.

        Any `DurableError` undoes it and is shown beside the form.
        """

    def after(self) -> str:
        """Where to go once it is done."""
        return self.back

    # --- the two requests

    def make_form(self, data: Any = None) -> Reasoned:
        return self.form_class(data, initial=self.initial)

    def ask(self, form: Reasoned | None = None, status: int = 200) -> HttpResponse:
        context = {"action": self, "form": form or self.make_form()}
        return render(self.request, self.template, context, status=status)

    def do(self) -> HttpResponse:
        form = self.make_form(self.request.POST)
        if self.off:
            return self.ask(form, 409)
        if not form.is_valid():
            return self.ask(form, 400)
        given = dict(form.cleaned_data)
        reason = given.pop("reason")
        try:
            actor = self.request.user.get_username()
            with audited(self.verb, self.target, actor=actor, source="dashboard", kind=self.kind) as detail:
                said = self.act(given, detail)
                if reason:
                    detail["reason"] = reason
        except DurableError as error:
            form.add_error(*self.place(form, error))
            return self.ask(form, 400 if isinstance(error, InvalidOption) else 409)
        # "changed" is only said where it may be otherwise.
        say = messages.success if detail.get("changed", True) else messages.warning
        say(self.request, said)
        return redirect(self.after())

    def place(self, form: Reasoned, error: DurableError) -> tuple[str | None, ValidationError]:
        """Beside which field an error is shown: that of the option it names, else none."""
        option = getattr(error, "option", None)
        return option if option in form.fields else None, ValidationError(str(error))


def view_of(action: type[Action]) -> Callable[..., HttpResponse]:
    """The view of an action; its one address part is the id or name that it acts on."""

    @may(action.right)
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest, target: str) -> HttpResponse:
        asked = action(request, target)
        return asked.do() if request.method == "POST" else asked.ask()

    view.__doc__ = action.__doc__
    return view
