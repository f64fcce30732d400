"""The two drivers. They differ only by `await`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

Operation = Generator[Any, Any, Any]


def drive(operation: Operation, perform: Callable[[Any], Any]) -> Any:
    """Carry an operation's commands to `perform` until it returns."""
    try:
        command = next(operation)
        while True:
            try:
                result = perform(command)
            except BaseException as error:
                command = operation.throw(error)
            else:
                command = operation.send(result)
    except StopIteration as done:
        return done.value


def begun(operation: Operation) -> tuple[Operation, Any, BaseException | None]:
    """Advance an operation to its first command, so that its slots are taken now and not when it is awaited."""
    try:
        return operation, next(operation), None
    except BaseException as error:
        return operation, None, error


async def adrive(start: tuple[Operation, Any, BaseException | None], perform: Callable[[Any], Awaitable[Any]]) -> Any:
    """`drive` for a begun operation whose commands are performed by a coroutine."""
    operation, command, error = start
    try:
        if error is not None:
            raise error
        while True:
            try:
                result = await perform(command)
            except BaseException as failure:
                command = operation.throw(failure)
            else:
                command = operation.send(result)
    except StopIteration as done:
        return done.value
