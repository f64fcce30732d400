"""Exceptions as JSON text, and back.

Storing never fails, whatever an exception does when asked about itself: an error that hides another error is the worst
of all. Reading imports nothing and runs no constructor of the application.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from ..errors import RecordedError
from .careful import LONGEST_TEXT, clean, sure, text_from
from .json import Encoder, JSONSerializer, dump
from .loaded import loaded, make, native, shell
from .registry import registered

LONGEST_TRACEBACK = 40_000
MOST_PARTS = 50
MOST_ERRORS = 100
MOST_CAUSES = 10
RAISED_AGAIN = "\n\nRaised again from its record:\n\n"
IN_C = frozenset({"filename", "filename2", "name", "path"})
"""What OSError, ImportError and NameError keep in C, outside their args and their `__dict__`."""
APART = frozenset({"recorded_traceback", "recorded_message", "__notes__"})
"""Attributes that a record keeps in a place of their own."""
MISSING: Any = object()


def encode_error(error: BaseException) -> str:
    """`error` as JSON text: type, module, message, args, traceback; when it has them attributes, notes, errors, cause.

    Args that cannot be stored become their repr, such attributes are left out, long texts are cut and say so.
    `errors` holds the failed attempts of `MaxStepRetriesExceeded` or the members of an ExceptionGroup. An error whose
    class is registered has a `value` besides, from its own encoder. Never raises.
    """
    bare = {"type": "Exception", "module": "builtins", "message": "", "args": [], "traceback": ""}
    return json.dumps(sure(_Writer().write, error, otherwise=bare), separators=(",", ":"), ensure_ascii=False)


def decode_error(text: str) -> BaseException:
    """The exception that `text` tells of, to be raised again; its attribute `recorded_traceback` is the old traceback.

    Rebuilt as itself when its class is a subclass of Exception that this process has loaded already: a builtin, one
    of `durable.errors` or of the application. Otherwise, as for damaged text, a `RecordedError` with `type`, `text`
    and `traceback`. Never raises.
    """
    try:
        return _read(json.loads(text))
    except Exception:
        return RecordedError(type="Error", text=f"its record cannot be read: {clean(str(text), 500)}", traceback="")


class _Writer:
    """Writes one exception and those it holds, each once, and not endlessly many."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def write(self, error: BaseException, depth: int = 0) -> dict[str, Any]:
        """`depth`: how far down a chain of causes. Only the first traceback tells the others, or n take n² lines."""
        self.seen.add(id(error))
        told: dict[str, Any] = {
            "type": text_from(getattr, type(error), "__qualname__"),
            "module": text_from(getattr, type(error), "__module__"),
            "message": text_from(str, error),
            "args": sure(_args_of, error, otherwise=[]),
            "traceback": text_from(_traceback_of, error, not depth, longest=LONGEST_TRACEBACK),
        }
        extra: dict[str, Any] = {
            "value": sure(_value_of, error, otherwise=None),
            "attributes": sure(_attributes_of, error, otherwise={}),
            "notes": sure(_notes_of, error, otherwise=[]),
            "errors": sure(self._members_of, error, otherwise=[]),
            "cause": sure(self._cause_of, error, depth, otherwise=None),
        }
        return told | {key: part for key, part in extra.items() if part}

    def _members_of(self, error: BaseException) -> list[dict[str, Any]]:
        members = error.exceptions if isinstance(error, BaseExceptionGroup) else getattr(error, "errors", ())
        return (
            [self.write(each) for each in members if self._is_new(each)] if isinstance(members, (list, tuple)) else []
        )

    def _cause_of(self, error: BaseException, depth: int) -> dict[str, Any] | None:
        cause = error.__cause__ if depth < MOST_CAUSES else None
        return self.write(cause, depth + 1) if cause is not None and self._is_new(cause) else None

    def _is_new(self, error: Any) -> bool:
        return isinstance(error, BaseException) and id(error) not in self.seen and len(self.seen) < MOST_ERRORS


def _value_of(error: BaseException) -> Any:
    return Encoder().encode(error) if type(error) in registered else None


def _args_of(error: BaseException) -> list[Any]:
    args = error.args[:1] if isinstance(error, BaseExceptionGroup) else error.args[:MOST_PARTS]
    return [_arg(arg) for arg in args]


def _arg(arg: Any) -> Any:
    if type(arg) is str and len(arg) > LONGEST_TEXT:
        return clean(arg)
    encoded = sure(_short, arg, otherwise=MISSING)
    return text_from(repr, arg) if encoded is MISSING else encoded


def _short(value: Any) -> Any:
    encoded = Encoder().encode(value)
    return encoded if len(dump(encoded)) <= LONGEST_TEXT else MISSING


def _attributes_of(error: BaseException) -> dict[str, Any]:
    own = {name: part for name, part in vars(error).items() if name not in APART}
    in_c = {name: getattr(error, name) for name in IN_C & set(dir(native(type(error))))}
    own |= {name: part for name, part in in_c.items() if part is not None}  # OSError tells None from nothing
    kept = {clean(name): sure(_short, part, otherwise=MISSING) for name, part in list(own.items())[:MOST_PARTS]}
    return {name: part for name, part in kept.items() if part is not MISSING}


def _notes_of(error: BaseException) -> list[str]:
    return [clean(note) for note in getattr(error, "__notes__", [])[:MOST_PARTS]]


def _traceback_of(error: BaseException, chain: bool) -> str:
    now = "".join(traceback.format_exception(error, chain=chain))
    before = vars(error).get("recorded_traceback")
    return before.rstrip() + RAISED_AGAIN + now if before else now


def _read(told: dict[str, Any]) -> BaseException:
    members = [_read(member) for member in told.get("errors", ())]
    args = [sure(_decoded, part, otherwise=part) for part in told["args"]]
    cls = loaded(told["module"], told["type"])
    error = sure(_made, cls, args, members, told, otherwise=None) if cls else None
    if error is None:
        error = RecordedError(type=told["type"], text=told["message"], traceback=told["traceback"])
        _restore(error, members, told)
    return error


def _made(cls: type[Exception], args: list[Any], members: list[BaseException], told: dict[str, Any]) -> Exception:
    value = sure(_decoded, told["value"], otherwise=None) if "value" in told else None
    error = value if isinstance(value, cls) else make(cls, args, members)
    _restore(error, members, told)
    if sure(str, error, otherwise=MISSING) is MISSING:
        error = make(shell(cls), args, members)
        _restore(error, members, told)
        vars(error)["recorded_message"] = told["message"]
    return error


def _restore(error: Exception, members: list[BaseException], told: dict[str, Any]) -> None:
    for name, part in told.get("attributes", {}).items():
        sure(_set, error, name, part, otherwise=None)
    own = vars(error)  # not setattr: the class may be frozen, or have a property of that name
    if members and not isinstance(error, BaseExceptionGroup):
        own["errors"] = members
    if notes := told.get("notes"):
        own["__notes__"] = notes
    if cause := told.get("cause"):
        object.__setattr__(error, "__cause__", _read(cause))
    own["recorded_traceback"] = told["traceback"]


def _set(error: Exception, name: str, part: Any) -> None:
    value = _decoded(part)
    if name in IN_C and hasattr(native(type(error)), name):
        object.__setattr__(error, name, value)
    elif not (isinstance(error, RecordedError) and name in vars(error)):
        vars(error)[name] = value


def _decoded(part: Any) -> Any:
    return JSONSerializer().deserialize(json.dumps(part))
