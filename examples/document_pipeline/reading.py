"""What there is to know about one text file. Plain functions, no workflow."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections import Counter
from itertools import islice
from pathlib import Path

SUFFIXES = frozenset({".py", ".txt", ".md", ".rst"})
WORD = re.compile(r"[^\W\d_]{2,}")
BOILERPLATE = re.compile(r"#!|from |import |.*(SPDX-|coding[:=]|mypy: |Copyright)")
LONG_WORD = re.compile(r"[^\W\d_]{5,}")


def installed_packages() -> Path:
    """Where this Python keeps its packages: there are always a few thousand text files."""
    return Path(sysconfig.get_path("purelib"))


def text_files(folder: Path, limit: int) -> list[str]:
    """The first `limit` text files below `folder`, in a stable order. Raises NotADirectoryError when it is none."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder.")
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file())
    return [str(path) for path in islice(files, limit)]


def text_of(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")


def counts(text: str) -> dict[str, int]:
    return {"lines": text.count("\n") + 1, "words": len(WORD.findall(text)), "characters": len(text)}


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def headline(text: str) -> str:
    """The first line that says something, without the marks of comments and headings."""
    for line in text.splitlines():
        if not BOILERPLATE.match(line) and (said := line.strip(" \t#\"'=-*/.:_")):
            return said[:120]
    return ""


def frequent_words(text: str, many: int = 5) -> list[str]:
    return [word for word, _ in Counter(LONG_WORD.findall(text.lower())).most_common(many)]
