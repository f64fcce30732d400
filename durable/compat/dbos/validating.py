"""Arguments of workflows, made into what the annotations of their functions say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

from .error import DBOSException

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Validator = Callable[[tuple[Any, ...], dict[str, Any]], Arguments]


def pydantic_args_validator(args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
    """Given as `@DBOS.workflow(validate_args=...)`: that workflow's annotations are checked by pydantic."""
    raise DBOSException("pydantic_args_validator is given as @DBOS.workflow(validate_args=...), and not called")


def validator_of(fn: Callable[..., Any], said: Any) -> Validator | None:
    """What `validate_args` says. Raises `DBOSException` for what is none, and without pydantic where it needs that."""
    if said is pydantic_args_validator:
        return make_pydantic_args_validator(fn)
    if said is not None and not callable(said):
        raise DBOSException(f"validate_args={said!r}: give a function of (args, kwargs) that returns both")
    return said


def make_pydantic_args_validator(func: Callable[..., Any]) -> Validator:
    """A validator that makes of each argument what its annotation says: `"2026-01-01"` a date, a dict a model.

    It raises pydantic's `ValidationError`, and `TypeError` when the arguments do not fit. Arguments without annotation
    pass as they are. Needs pydantic 2: raises `DBOSException` without it.
    """
    try:
        from pydantic import TypeAdapter
    except ImportError as error:
        raise DBOSException(
            "pydantic_args_validator needs pydantic 2, which is not installed: pip install pydantic"
        ) from error

    @cache
    def known() -> tuple[inspect.Signature, dict[str, Any]]:
        """Late: annotations may name what is defined further down."""
        signature, hints = inspect.signature(func), typing.get_type_hints(func, include_extras=True)
        parameters = list(signature.parameters.values())
        if parameters and parameters[0].name in ("self", "cls"):  # what a method is called on is no input
            parameters = parameters[1:]
        adapters = {each.name: TypeAdapter(hints[each.name]) for each in parameters if each.name in hints}
        return signature.replace(parameters=parameters), adapters

    def validate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        signature, adapters = known()
        bound = signature.bind(*args, **kwargs)
        for name in bound.arguments.keys() & adapters.keys():
            check, value = adapters[name].validate_python, bound.arguments[name]
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                value = tuple(check(each) for each in value)
            elif kind is inspect.Parameter.VAR_KEYWORD:
                value = {key: check(each) for key, each in value.items()}
            else:
                value = check(value)
            bound.arguments[name] = value
        return bound.args, bound.kwargs

    return validate
