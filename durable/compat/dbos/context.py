"""Where the calling code stands: `DBOS.workflow_id` and its like, on the class and on its instance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ...context import scope
from . import sql
from .blocks import DBOSContextSetAuth
from .declaring import engine, prepared
from .error import DBOSException

T = TypeVar("T")

logger = logging.getLogger("dbos")


@dataclass(frozen=True)
class StepStatus:
    """The attempt of a step that runs now. Attempts count from 0; both are None for a step without retries."""

    step_id: int
    current_attempt: int | None
    max_attempts: int | None


class shown(Generic[T]):
    """A property of a class and of its instances."""

    def __init__(self, read: Callable[[], T]):
        self.read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: Any, owner: type) -> T:
        return self.read()


class Context:
    """What `DBOS` tells of the calling code. Outside a workflow most of it is None."""

    logger = logger

    @shown
    def workflow_id() -> str | None:
        """The ID of the calling workflow."""
        place = scope.get()
        return None if place is None else place.workflow_id

    @shown
    def step_id() -> int | None:
        """The number of the calling step in its workflow."""
        status = _status()
        return None if status is None else status.step_id

    @shown
    def step_status() -> StepStatus | None:
        """The number and the attempt of the calling step."""
        status = _status()
        if status is None:
            return None
        if status.max_attempts == 1:
            return StepStatus(status.step_id, None, None)
        return StepStatus(status.step_id, status.current_attempt - 1, status.max_attempts)

    @shown
    def application_version() -> str:
        """The version of the program in this process."""
        return prepared().application_version()

    @shown
    def executor_id() -> str | None:
        """The name of this process among those that run the program."""
        from ...conf import conf
        from ...executor import living

        own = living.any_of_this_process()
        return conf().EXECUTOR_ID if own is None else own.label

    @shown
    def authenticated_user() -> str | None:
        """As whom the calling workflow runs."""
        return engine().authenticated_user()

    @shown
    def authenticated_roles() -> list[str] | None:
        """The roles of that user."""
        return engine().authenticated_roles()

    @shown
    def assumed_role() -> str | None:
        """The role that the calling workflow took on."""
        return engine().assumed_role()

    @shown
    def shard_key() -> str | None:
        """None: there are no shards."""
        return None

    @staticmethod
    def set_authentication(authenticated_user: str | None, authenticated_roles: list[str] | None) -> None:
        """From here on, in this thread or task, workflows are started as this user, with these roles."""
        DBOSContextSetAuth(authenticated_user, authenticated_roles).__enter__()

    @shown
    def sql_session() -> Any:
        """SQLAlchemy's session of the calling transaction."""
        return sql.current()

    @shown
    def span() -> Any:
        """OpenTelemetry's current span."""
        return _telemetry().get_current_span()

    @shown
    def tracer() -> Any:
        """OpenTelemetry's tracer for the program's own spans."""
        return _telemetry().get_tracer("dbos")


def _status() -> Any:
    return None if scope.get() is None else engine().step_status()


def _telemetry() -> Any:
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise DBOSException(
            "DBOS.span and DBOS.tracer are OpenTelemetry's: pip install opentelemetry-api to use them"
        ) from error
    return trace
