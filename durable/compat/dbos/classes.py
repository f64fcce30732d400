"""Classes whose methods are workflows and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import durable

from ...registry import registry as native
from ...roles import guarded
from .declaring import Declared, registry
from .error import translated


class DBOSConfiguredInstance:
    """The base of classes whose instances have workflows: the name leads back to the instance after a restart."""

    def __init__(self, config_name: str):
        self.config_name = config_name
        cls = type(self)
        with translated():
            native.add_instance(vars(cls).get("workflow_class_name") or cls.__name__, config_name, self)


class _Class:
    """A decorated class, made known to Durable when Django is there."""

    def __init__(self, cls: type, name: str):
        self.cls, self.name = cls, name

    def make(self) -> None:
        durable.workflow_class(name=self.name)(self.cls)


def dbos_class(class_name: str | None = None, *, name: str | None = None) -> Callable[[type], type]:
    """Let a class have methods that are workflows. They are stored under its qualified name, or `class_name`, which
    is also called `name`."""

    def decorate(cls: Any) -> Any:
        cls.workflow_class_name = class_name or name or cls.__qualname__
        registry.later(_Class(cls, cls.workflow_class_name))
        return cls

    return decorate


def required_roles(roles: list[str]) -> Callable[[Any], Any]:
    """Let a workflow or step run only for users with one of these roles."""

    def decorate(fn: Any) -> Any:
        declared = getattr(fn, "declared", None)
        if isinstance(declared, Declared):
            declared.require(roles)
            return fn
        return guarded(fn, tuple(roles))

    return decorate


def default_required_roles(roles: list[str]) -> Callable[[type], type]:
    """`required_roles` for the methods of a class that do not name their own."""

    def decorate(cls: type) -> type:
        for member in vars(cls).values():
            declared = getattr(getattr(member, "__func__", member), "declared", None)
            if isinstance(declared, Declared) and not hasattr(declared.fn, "required_roles"):
                declared.require(roles)
        return cls

    return decorate
