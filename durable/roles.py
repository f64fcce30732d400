"""Who may run what: roles that a workflow or a step asks for, and the user on whose behalf it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from .context import scope
from .errors import InvalidOption, NotAuthorized
from .pending import authentication


def required_roles(roles: Iterable[str]) -> Callable[[Any], Any]:
    """Let a workflow, step or function run only for a user who has one of `roles`; it assumes the first that fits.

    Who runs it is said by `SetAuthentication(user, roles)` where it is started; children inherit that. A workflow that
    is denied ends in ERROR with `NotAuthorized`. Raises `InvalidOption` when `roles` is no list of names.
    """
    wanted = (roles,) if isinstance(roles, str) else tuple(roles)
    if not all(isinstance(role, str) and role for role in wanted):
        raise InvalidOption(option="roles", value=roles, hint="give a list of role names")

    def decorate(fn: Any) -> Any:
        if isinstance(fn, (classmethod, staticmethod)):
            return type(fn)(decorate(fn.__func__))
        if hasattr(fn, "max_recovery_attempts"):  # a definition: what it runs is guarded
            fn.fn = guarded(fn.fn, wanted)
            return fn
        if definition := getattr(fn, "definition", None):  # as which a step is started by itself
            decorate(definition)
        return guarded(fn, wanted) if callable(fn) else fn

    return decorate


def default_required_roles(roles: Iterable[str]) -> Callable[[type], type]:
    """`required_roles` for every workflow and step of a class that does not name its own."""

    def decorate(cls: type) -> type:
        for name, member in list(vars(cls).items()):
            inner = getattr(member, "__func__", member)
            definition = inner if hasattr(inner, "max_recovery_attempts") else getattr(inner, "definition", None)
            if definition is not None and not roles_of(definition.fn):
                setattr(cls, name, required_roles(roles)(member))
        return cls

    return decorate


def guarded(fn: Any, wanted: tuple[str, ...]) -> Any:
    """`fn`, which first looks who runs it."""
    if inspect.iscoroutinefunction(fn) and not hasattr(fn, "definition"):

        @wraps(fn)
        async def call(*args: Any, **kwargs: Any) -> Any:
            check(call)
            return await fn(*args, **kwargs)
    else:

        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:  # of a coroutine step too: its slot is taken at the call
            check(call)
            return fn(*args, **kwargs)

        if iscoroutinefunction(fn):
            markcoroutinefunction(call)

    call.required_roles = wanted  # type: ignore[attr-defined]
    return call


def roles_of(fn: Any) -> tuple[str, ...]:
    return getattr(fn, "required_roles", ())


def assumed_role(fn: Any, roles: Iterable[str] | None) -> str | None:
    """The first role that `fn` asks for and a user with `roles` has."""
    return next((role for role in roles_of(fn) if role in (roles or ())), None)


def check(fn: Any) -> None:
    """Raises `NotAuthorized` unless the calling workflow, or the enclosing block, has a role that `fn` asks for."""
    wanted, (_, roles) = roles_of(fn), who()
    if not wanted or assumed_role(fn, roles) is not None:
        return
    reason = (
        "it was started without a user and roles" if roles is None else f"its user has {', '.join(roles) or 'none'}"
    )
    raise NotAuthorized(
        function=fn.__name__, roles=", ".join(wanted), reason=reason, is_authenticated=roles is not None
    )  # fmt: skip


def who() -> tuple[str | None, list[str] | None]:
    """The user and the roles of the calling code, or None for each that nobody said."""
    place = scope.get()
    if place is None:
        user, said = authentication()
        return user, list(said) if said is not None else None
    run = place if place.place == "workflow" else place.run
    return run.claimed.authenticated_user, run.claimed.authenticated_roles
