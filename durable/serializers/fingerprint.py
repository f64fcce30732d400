"""Which errors are the same error, so that a hundred failures read as three."""

from __future__ import annotations

import hashlib
import os
import re
import sysconfig
import traceback
from pathlib import Path

from ..errors import RecordedError
from .careful import sure
from .errors import RAISED_AGAIN

FRAME = re.compile(r'^[\s|]*File "(.+)", line \d+, in (\S+)$', re.MULTILINE)
CHAINED = re.compile(r"^(?:The above exception was the direct cause|During handling of the above)", re.MULTILINE)
MEMBERS = "\n  +-+---"
WORD_WITH_DIGIT = re.compile(r"[\w-]*\d[\w-]*")
LONGEST_MESSAGE = 500
LIBRARIES = {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
FOREIGN = ("<frozen", str(Path(__file__).parents[1]) + os.sep, *LIBRARIES)


def fingerprint(error: BaseException) -> str:
    """Twelve hex digits, the same for errors of one type, one message but for numbers and ids, and one own function.

    Line numbers do not count, so that a fingerprint outlives a deploy; a decoded error has that of the original.
    Never raises.
    """
    name, message = sure(_named, error, otherwise=(type(error).__name__, ""))
    function = sure(_own_function, error, otherwise="")
    told = "\n".join((name, WORD_WITH_DIGIT.sub("#", message[:LONGEST_MESSAGE]), function))
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _named(error: BaseException) -> tuple[str, str]:
    if isinstance(error, RecordedError):
        return error.type, error.text  # type: ignore[attr-defined]
    return type(error).__qualname__, str(error)


def _own_function(error: BaseException) -> str:
    """The last function that is neither a library's nor Durable's; without one, the last of all."""
    if recorded := vars(error).get("recorded_traceback"):
        first = recorded.split(RAISED_AGAIN)[0].split(MEMBERS)[0]
        frames = FRAME.findall(CHAINED.split(first)[-1])
    else:
        frames = [(frame.filename, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    own = [name for filename, name in frames if not filename.startswith(FOREIGN)]
    return (own or [name for _, name in frames] or [""])[-1]
