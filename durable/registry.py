"""Every definition that this process can run, by name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

from .errors import ImproperUse, UnknownDefinition


class Registry:
    """Names to definitions. A name belongs to one function; importing its module again replaces it."""

    def __init__(self) -> None:
        self._definitions: dict[str, Any] = {}
        self._queues: dict[str, Any] = {}
        self._lock = threading.Lock()

    def add(self, definition: Any) -> None:
        """Register a definition. Raises `ImproperUse` when another module's function has its name."""
        with self._lock:
            known = self._definitions.get(definition.name)
            if known is not None and known.fn.__module__ != definition.fn.__module__:
                raise ImproperUse(
                    f"Two workflows are named {definition.name!r}: one in {known.fn.__module__}, one in "
                    f"{definition.fn.__module__}. Give one another name: @durable.workflow(name=...)."
                )
            self._definitions[definition.name] = definition

    def get(self, name: str) -> Any:
        """The definition called `name`. Raises `UnknownDefinition`, which lists the known ones."""
        if name not in self._definitions:
            known = ", ".join(sorted(n for n in self._definitions if not n.startswith("<"))) or "none"
            raise UnknownDefinition(name=name, known=known)
        return self._definitions[name]

    def find(self, name: str) -> Any | None:
        return self._definitions.get(name)

    def names(self) -> list[str]:
        return list(self._definitions)

    def version(self) -> str:
        """The version of all definitions together: a hash of theirs."""
        text = "\n".join(sorted(f"{each.name} {each.version}" for each in self))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._definitions.values()))

    def declare(self, queue: Any) -> None:
        """Remember a queue that the code declares, so that executors put it in the database when they start."""
        self._queues[queue.name] = queue

    def queues(self) -> list[Any]:
        return list(self._queues.values())


registry = Registry()
