"""What people and programs write, as values: states, times, flags, attributes, and the words of the search box."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from ..errors import InvalidOption
from ..states import PHASES, Status
from .words import ALIASES, CRITERIA, FLAGS, TIMES

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
RELATIVE = re.compile(r"(\d{1,9})\s*([smhdw])", re.IGNORECASE)
LOST_PLUS = re.compile(r"(.*\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)")
WORDS = re.compile(r'(?:([A-Za-z_]+):)?("[^"]*"|[^\s"]+)')
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
LARGEST = 10**300
"""A whole number beyond it is no JSON number that SQLite can compare."""


def read_words(text: str) -> Iterator[tuple[str, str]]:
    """The words of the search box as parameters. A word without a known key is an id, or the start of one."""
    known = {**ALIASES, **{name: name for name in CRITERIA}}
    loose: list[str] = []
    for match in WORDS.finditer(text):
        key, value = match[1], match[2].strip('"')
        if key is None:
            loose.append(value)
        elif key.lower() in known:
            yield known[key.lower()], value
        elif near := difflib.get_close_matches(key.lower(), known, 1, 0.75):
            raise InvalidOption(option="q", value=match[0], hint=f"did you mean {near[0]}: ?")
        else:
            loose.append(f"{key}:{value}")
    if len(loose) == 1:
        yield "id_prefix", loose[0]
    for word in loose if len(loose) > 1 else ():
        yield "ids", word


def read(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """One value of one part as what it means, with the part to which it belongs. Raises `InvalidOption`."""
    if name in TIMES:
        yield name, read_time(name, value)
    elif name in FLAGS:
        yield name, read_flag(name, value)
    elif name == "attributes":
        yield name, read_attribute(value)
    elif name in ("status", "phase"):
        for word in check_text(name, value).split(","):
            yield read_state(name, word.strip())
    else:
        yield name, check_text(name, value)


def check_text(option: str, text: Any) -> str:
    """Raises `InvalidOption` for what no text column can hold."""
    if not isinstance(text, str):
        raise InvalidOption(option=option, value=text, hint="give text, or a list of texts.")
    if "\0" in text:
        raise InvalidOption(option=option, value=text, hint="it holds a zero character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidOption(option=option, value=ascii(text), hint="it is not valid Unicode text.") from None
    return text


def read_state(option: str, word: str) -> tuple[str, str]:
    """A status or phase by any of its names: ("status", "ERROR") for "error", ("phase", "failed") for "failed"."""
    upper, lower = word.upper(), word.lower()
    if option == "status" and upper in set(Status):
        return "status", upper
    if lower in PHASES:
        return "phase", lower
    for phase in PHASES.values():
        if phase.word.lower() == lower:
            return "phase", phase.key
    known = [*PHASES] if option == "phase" else [*Status, *PHASES]
    near = difflib.get_close_matches(word, known, 1) or difflib.get_close_matches(upper, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
    raise InvalidOption(option=option, value=word, hint=hint)


def read_time(option: str, given: Any) -> datetime:
    """An aware time from a datetime, or from "24h" (that long ago), "2026-11-20" or "2026-11-20T14:32:05+01:00"."""
    hint = 'write a length such as "15m", "24h" or "7d", or a time such as "2026-11-20 14:32".'
    try:
        if isinstance(given, datetime):
            moment = given
        elif isinstance(given, date):
            moment = datetime.combine(given, time())
        elif relative := RELATIVE.fullmatch(given):
            return timezone.now() - timedelta(**{UNITS[relative[2].lower()]: int(relative[1])})
        else:  # "+" in an address that nobody quoted arrives as a space
            moment = datetime.fromisoformat(LOST_PLUS.sub(r"\1+\2", given))
        if not 1970 <= moment.year < 9999:
            raise ValueError(given)
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    except (ValueError, OverflowError, TypeError) as wrong:
        raise InvalidOption(option=option, value=given, hint=hint) from wrong


def read_flag(option: str, given: Any) -> bool:
    """Yes or no from a bool, or from a word such as "1", "no" or "true"."""
    word = str(given).lower() if isinstance(given, (bool, str)) else ""
    if word not in (*YES, *NO):
        raise InvalidOption(option=option, value=given, hint="give 1 or 0, true or false.")
    return word in YES


def read_attribute(given: Any) -> tuple[str, Any]:
    """A key and its value from a pair, or from `key=value`, whose value is JSON where it is, and text elsewhere."""
    pair = _split(given) if isinstance(given, str) else given
    key, value = pair if isinstance(pair, tuple) and len(pair) == 2 else (None, None)
    if not isinstance(key, str) or not key:
        raise InvalidOption(option="attributes", value=given, hint="write key=value, or give a mapping.")
    _check_attribute(key, value)
    return key, value


def write_attribute(key: str, value: Any) -> str:
    """`key=value`, as `read_attribute` reads it."""
    named = json.dumps(key) if "=" in key or key != key.strip() else key
    plain = f"{named}={value}"
    if isinstance(value, str) and value == value.strip() and _split(plain) == (key, value):
        return plain
    return f"{named}={json.dumps(value)}"


def _split(text: str) -> tuple[str, Any] | None:
    """`key=value`, or `"a key"=value` for one with an equals sign in it."""
    key, sign, value = text.partition("=")
    if text.startswith('"'):
        try:
            key, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return None
        sign, value = text[end : end + 1], text[end + 1 :]
    if sign != "=":
        return None
    try:
        return key, json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return key, value


def _check_attribute(key: Any, value: Any) -> None:
    """Raises `InvalidOption` for what the two databases cannot look up, or would look up differently."""
    if '"' in check_text("attributes", key):
        raise InvalidOption(option="attributes", value=key, hint="a key with a quotation mark cannot be looked up.")
    if isinstance(value, str):
        check_text("attributes", value)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            _check_attribute(name, part)
    elif value is not None and not (isinstance(value, (bool, int, float)) and -LARGEST < value < LARGEST):
        hint = "give text, a finite number, true, false, null, or an object of these."
        raise InvalidOption(option="attributes", value=value, hint=hint)
