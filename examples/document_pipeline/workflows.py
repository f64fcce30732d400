"""Index text files: one workflow fans out to a queue, one child for each file, and gathers a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import durable

from . import reading

documents = durable.Queue("documents", worker_concurrency=8)

NEWS = 20
"""How often the progress is published while the files are read."""

Entry = dict[str, Any]


@durable.workflow()
def index_documents(folder: str | None = None, limit: int = 1000) -> dict[str, Any]:
    """Count, hash and summarise up to `limit` text files below `folder`; by default those of the installed packages.

    Publishes the event "progress" and the stream "news" on the way and returns the report.
    """
    paths = find_documents(folder, limit)
    handles = [documents.enqueue(index_document, path) for path in paths]
    entries: list[Entry] = []
    unreadable = 0
    for number, handle in enumerate(handles, start=1):
        try:
            entries.append(handle.get_result())
        except Exception:
            unreadable += 1  # the child's own row keeps the reason
        if number % max(1, len(handles) // NEWS) == 0 or number == len(handles):
            durable.set_event("progress", {"files": len(handles), "done": number, "unreadable": unreadable})
            durable.write_stream("news", f"{number:,} of {len(handles):,} files, {unreadable} of them unreadable")
    return {"unreadable": unreadable} | compile_report(entries)


@durable.workflow()
def index_document(path: str) -> Entry:
    """One file, in three steps."""
    return {"path": path, "sha256": hash_document(path)} | count_words(path) | summarise(path)


@durable.step()
def find_documents(folder: str | None, limit: int) -> list[str]:
    return reading.text_files(Path(folder) if folder else reading.installed_packages(), limit)


@durable.step()
def count_words(path: str) -> dict[str, int]:
    return reading.counts(reading.text_of(path))


@durable.step()
def hash_document(path: str) -> str:
    return reading.digest(path)


@durable.step()
def summarise(path: str) -> dict[str, Any]:
    text = reading.text_of(path)
    return {"headline": reading.headline(text), "frequent": reading.frequent_words(text)}


@durable.step()
def compile_report(entries: Iterable[Entry]) -> dict[str, Any]:
    """What all files say together."""
    entries = list(entries)
    kinds = Counter(Path(entry["path"]).suffix for entry in entries)
    frequent = Counter(word for entry in entries for word in entry["frequent"])
    distinct = len({entry["sha256"] for entry in entries})
    longest = sorted(entries, key=lambda entry: entry["words"], reverse=True)[:10]
    return {
        "files": len(entries),
        "words": sum(entry["words"] for entry in entries),
        "lines": sum(entry["lines"] for entry in entries),
        "copies": len(entries) - distinct,
        "kinds": dict(kinds.most_common()),
        "frequent": [word for word, _ in frequent.most_common(12)],
        "longest": [{key: entry[key] for key in ("path", "words", "headline")} for entry in longest],
    }
