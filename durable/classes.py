"""Workflows that are methods: how the instance or class is found again when a workflow goes on after a crash."""

from __future__ import annotations

from typing import Any, overload

from .definition import Definition, Start
from .errors import InvalidOption
from .options import NO_OPTIONS
from .registry import registry


class ConfiguredInstance:
    """The base of classes whose instances have workflows.

    `config_name` names the instance among those of its class, in every process and after every restart: make the
    instances where the module is imported. Raises `ImproperUse` for a name that the class has in use.
    """

    def __init__(self, config_name: str):
        if not isinstance(config_name, str) or not config_name.strip():
            raise InvalidOption(option="config_name", value=config_name, hint="give text that is not blank")
        self.config_name = config_name
        cls = type(self)
        registry.add_instance(vars(cls).get("workflow_class_name") or cls.__name__, config_name, self)


class OnClass:
    """A class method that is a workflow: it runs on the class through which it was reached."""

    def __init__(self, definition: Definition[Any, Any]):
        self.definition = definition

    def __get__(self, instance: Any, owner: type) -> Start[Any, Any]:
        return Start(self.definition, NO_OPTIONS, owner)


@overload
def workflow_class(cls: type, /) -> type: ...
@overload
def workflow_class(*, name: str | None = None) -> Any: ...
def workflow_class(cls: Any = None, /, *, name: str | None = None) -> Any:
    """Let a class have class methods that are workflows; a class with instances inherits from `ConfiguredInstance` too.

    `name`: under which its workflows are stored, default the class's own.
    """

    def decorate(cls: type) -> type:
        if name is not None:
            cls.workflow_class_name = name  # type: ignore[attr-defined]
        registry.add_class(name or cls.__name__, cls)
        for attribute, member in list(vars(cls).items()):
            if isinstance(member, classmethod) and isinstance(member.__func__, Definition):
                setattr(cls, attribute, OnClass(member.__func__))
        return cls

    return decorate(cls) if cls is not None else decorate
