"""What the commands that look and steer have in common: verbs, output for people and programs, errors, the audit."""

from __future__ import annotations

import getpass
import inspect
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from ..audit import audited
from ..conf import conf
from ..errors import DurableError
from ..reaching import Place

F = TypeVar("F", bound=Callable[..., None])

SOURCE = "cli"


Argument = tuple[tuple[str, ...], dict[str, Any]]


def argument(*names: str, **terms: Any) -> Argument:
    """An argument of a verb, as argparse takes it."""
    return names, terms


def verb(*arguments: Argument) -> Callable[[F], F]:
    """Make a method of a `Face` a verb: its name is the method's, its help the docstring, its options the arguments."""

    def mark(method: F) -> F:
        method.arguments = arguments  # type: ignore[attr-defined]
        return method

    return mark


class Face(BaseCommand):
    """A command with verbs: `manage.py queues pause orders`. It prints text, or JSON with `--format json`.

    Exit codes: 0 done, 1 refused or not found, 2 not understood.
    """

    requires_system_checks: list[str] = []  # an operator's tool works while the project's pages do not
    is_json = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
        for name, method in vars(type(self)).items():
            if not hasattr(method, "arguments"):
                continue
            about = inspect.cleandoc(method.__doc__)
            own = verbs.add_parser(name.strip("_"), help=about.partition("\n")[0], description=about)
            own.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
            taken = [own.add_argument(*names, **terms).dest for names, terms in method.arguments]
            own.set_defaults(do=partial(self._do, method, taken))

    def _do(self, method: Callable[..., None], taken: list[str], options: dict[str, Any]) -> None:
        method(self, **{name: options[name] for name in taken})

    def handle(self, *args: Any, **options: Any) -> None:
        self.is_json = options["format"] == "json"
        try:
            with Place().reached():
                options["do"](options)
        except (DurableError, DatabaseError) as error:
            raise CommandError(printable(str(error).strip())) from error

    # --- saying

    def table(self, rows: Sequence[Mapping[str, Any]], *columns: str) -> None:
        """Rows for people by these columns; for programs as they are."""
        if self.is_json:
            self.json(rows)
            return
        lines = [list(columns), *([cell(row.get(column)) for column in columns] for row in rows)]
        widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
        for line in lines if rows else ():
            self.say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if not rows:
            self.say("none")

    def sheet(self, facts: Mapping[str, Any]) -> None:
        """One thing: for people a line for each fact that there is."""
        if self.is_json:
            self.json(facts)
            return
        width = max(map(len, facts))
        for name, value in facts.items():
            if value not in (None, {}, []):
                self.say(f"{name.ljust(width)}  {cell(value)}")

    def done(self, sentence: str, **facts: Any) -> None:
        """What an action did."""
        self.json(facts) if self.is_json else self.say(sentence)

    def each(self, changed: Mapping[str, bool], yes: str, no: str) -> None:
        """What an action did to each of several."""
        if self.is_json:
            self.json([{"id": pk, "changed": is_changed} for pk, is_changed in changed.items()])
            return
        for pk, is_changed in changed.items():
            self.say(f"{pk} {yes if is_changed else no}")

    def json(self, value: Any) -> None:
        self.stdout.write(as_json(value))

    def say(self, line: str) -> None:
        self.stdout.write(printable(line))

    # --- acting

    def confirm(self, question: str, is_sure: bool) -> None:
        """Ask before what cannot be undone; somebody must be there to answer."""
        if is_sure:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question}? Nobody is there to answer; give --yes.")
        if input(f"{question}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.")

    def audited(self, action: str, target: str, kind: str = "workflow", **detail: Any) -> AbstractContextManager[Any]:
        """An action and its row in the audit: both happen or neither."""
        return audited(action, target, actor=operator(), source=SOURCE, kind=kind, **detail)

    def together(self) -> AbstractContextManager[Any]:
        """Several actions: all happen or none."""
        return transaction.atomic(using=conf().DATABASE)


def operator() -> str:
    """Who asks: the user of the operating system."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def read_json(option: str, text: str, kind: type | None = None) -> Any:
    """JSON that somebody typed. Raises `CommandError` for what is none, or is not of the `kind` (list or dict)."""
    shown = printable(text[:80])
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{option} {shown} is no JSON: {error}. A text is written '\"so\"'.") from None
    if kind is not None and not isinstance(value, kind):
        wanted = "a list: '[1, \"a\"]'" if kind is list else "an object: '{\"a\": 1}'"
        raise CommandError(f"{option} {shown} is not {wanted}.")
    return value


def stored(text: str | None) -> Any:
    """A payload as it is stored: JSON where it is JSON, and never an object of the application."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, default=plain)


def plain(value: Any) -> Any:
    """What JSON does not know: times in RFC 3339, anything else as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def cell(value: Any) -> str:
    """A value on one line for people."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return timezone.localtime(value).isoformat(" ", "seconds")
        case str():
            return printable(value).replace("\n", "\\n")
        case float():
            return f"{value:g}"
        case _:
            return printable(json.dumps(value, default=plain, ensure_ascii=False))


def printable(text: str) -> str:
    """`text` without what would steer the terminal: ids and names may hold anything."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def columns_of(row: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
