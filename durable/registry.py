"""Every definition that this process can run, by name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

from .conf import conf
from .errors import ImproperUse, UnknownDefinition

TEMPORARY = "<temp>."
"""How the workflow of one step is named, as which a step is started by itself."""


class Registry:
    """Names to definitions. A name belongs to one function; importing its module again replaces it."""

    def __init__(self) -> None:
        self._definitions: dict[str, Any] = {}
        self._ambiguous: dict[str, str] = {}
        self._queues: dict[str, Any] = {}
        self._schedules: dict[str, Any] = {}
        self._classes: dict[str, type] = {}
        self._instances: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._version = (-1, "")
        self.changes = 0
        """How often something was added, so that a running executor notices what came after its start."""

    def add(self, definition: Any) -> None:
        """Register a definition. Raises `ImproperUse` when another module's function has its name.

        Steps of one name may live in several modules, as long as none of them is started by itself.
        """
        with self._lock:
            known = self._definitions.get(definition.name)
            if known is not None and known.fn.__module__ != definition.fn.__module__:
                if definition.name.startswith(TEMPORARY):
                    self._ambiguous[definition.name] = f"{known.fn.__module__} and {definition.fn.__module__}"
                    return
                raise ImproperUse(
                    f"Two workflows are named {definition.name!r}: one in {known.fn.__module__}, one in "
                    f"{definition.fn.__module__}. Give one another name: @durable.workflow(name=...)."
                )
            self._definitions[definition.name] = definition
            self.changes += 1

    def check_startable(self, definition: Any) -> None:
        """Raises `ImproperUse` for a step whose name does not say which function is to be started."""
        if modules := self._ambiguous.get(definition.name):
            name = definition.name.removeprefix(TEMPORARY)
            raise ImproperUse(
                f"Steps in {modules} are named {name!r}, so neither can be started by itself. "
                "Give one another name: @durable.step(name=...)."
            )

    def get(self, name: str) -> Any:
        """The definition called `name`. Raises `UnknownDefinition`, which lists the known ones."""
        if name not in self._definitions:
            known = ", ".join(sorted(n for n in self._definitions if "<" not in n)) or "none"
            raise UnknownDefinition(name=name, known=known)
        return self._definitions[name]

    def find(self, name: str) -> Any | None:
        return self._definitions.get(name)

    def names(self) -> list[str]:
        return list(self._definitions)

    def version(self) -> str:
        """The version of all definitions together: a hash of theirs."""
        if self._version[0] != self.changes:
            text = "\n".join(sorted(f"{each.name} {each.version}" for each in self))
            self._version = (self.changes, hashlib.sha256(text.encode()).hexdigest()[:10])
        return self._version[1]

    def version_of(self, definition: Any) -> str:
        """The version that a start of `definition` is tagged with."""
        settings = conf()
        if settings.APPLICATION_VERSION:
            return settings.APPLICATION_VERSION
        return self.version() if settings.VERSIONS == "strict" else definition.version

    def versions(self) -> dict[str, str]:
        """What this process can run: workflow name to version."""
        return {each.name: self.version_of(each) for each in self}

    def add_class(self, name: str, cls: type) -> None:
        """Remember a class whose class methods are workflows. Raises `ImproperUse` when another class has its name."""
        _check_same(name, self._classes.get(name, cls), cls)
        self._classes[name] = cls
        self.changes += 1

    def add_instance(self, class_name: str, config_name: str, instance: Any) -> None:
        """Remember an instance. Raises `ImproperUse` when its class has another one of that name."""
        known = self._instances.get((class_name, config_name))
        if known is not None and known is not instance and type(known) is type(instance):
            raise ImproperUse(
                f"There is a {class_name} with config_name {config_name!r} already. The name says which instance a "
                "workflow goes on with after a crash: give each its own."
            )
        if known is not None:
            _check_same(class_name, type(known), type(instance))
        self._instances[class_name, config_name] = instance
        self.changes += 1

    def receiver(self, class_name: str | None, config_name: str | None) -> Any | None:
        """The class, or the instance, that a workflow's method runs on; None when this process has it not."""
        if class_name is None:
            return None
        if config_name is None:
            return self._classes.get(class_name)
        return self._instances.get((class_name, config_name))

    def has_receiver(self, class_name: str | None, config_name: str | None) -> bool:
        return class_name is None or self.receiver(class_name, config_name) is not None

    def name_of(self, receiver: Any, workflow: str) -> tuple[str | None, str | None]:
        """The class name and config name by which `receiver` is found again. Raises `ImproperUse` for what is not."""
        if receiver is None:
            return None, None
        cls = receiver if isinstance(receiver, type) else type(receiver)
        name = vars(cls).get("workflow_class_name") or cls.__name__
        if receiver is cls and self._classes.get(name) is cls:
            return name, None
        config_name = getattr(receiver, "config_name", None)
        if receiver is not cls and config_name is not None and self._instances.get((name, config_name)) is receiver:
            return name, config_name
        way = "decorate it @durable.workflow_class"
        if receiver is not cls:
            way = "let it inherit from ConfiguredInstance, and call super().__init__(config_name)"
        raise ImproperUse(
            f"{workflow} is a method of {cls.__name__}, and what it runs on could not be found again after a crash: "
            f"{way}."
        )

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._definitions.values()))

    def forget(self) -> None:
        """Forget everything that was registered. For tests that begin anew in the same process."""
        vars(self).update(vars(type(self)()) | {"changes": self.changes + 1})

    def declare(self, queue: Any) -> None:
        """Remember a queue that the code declares, so that executors put it in the database when they start."""
        self._queues[queue.name] = queue
        self.changes += 1

    def queues(self) -> list[Any]:
        return list(self._queues.values())

    def declare_schedule(self, schedule: Any) -> None:
        """Remember a schedule that the code declares. Raises `ImproperUse` when another workflow's has its name."""
        known = self._schedules.get(schedule.name)
        if known is not None and known.workflow != schedule.workflow:
            raise ImproperUse(
                f"Two schedules are named {schedule.name!r}: one of {known.workflow}, one of {schedule.workflow}. "
                "Give one another name: @durable.scheduled(..., name=...)."
            )
        self._schedules[schedule.name] = schedule
        self.changes += 1

    def schedules(self) -> list[Any]:
        return list(self._schedules.values())


def _check_same(name: str, known: type, cls: type) -> None:
    """Raises `ImproperUse` for two classes; one whose module was imported again takes its own place."""
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ImproperUse(
            f"Two classes are named {name!r}: {known.__module__}.{known.__qualname__} and "
            f"{cls.__module__}.{cls.__qualname__}. Give one another name: @durable.workflow_class(name=...)."
        )


registry = Registry()
