"""DBOS: the program's one instance, its beginning and its end."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import connections

from ...addresses import shown
from ...conf import conf
from ...errors import DurableError
from . import standalone
from .absent import SHARDING, Absent, refusing
from .apart import apart
from .communication import Communication
from .config import WITHOUT_EFFECT, Config, DBOSConfig, read
from .context import Context, logger
from .declaring import prepared, registry
from .decorating import Decorating
from .error import DBOSException, DBOSInitializationError, translated
from .managing import Managing
from .queue import Queue, Queueing
from .scheduling import Scheduling
from .starting import Starting
from .web import serve_asgi, serve_wsgi

GRACE_SECONDS = 2.0
"""How long `destroy()` lets running steps finish before it lets go of their workflows."""


class DBOS(Decorating, Starting, Communication, Managing, Queueing, Scheduling, Context, Absent):
    """A DBOS program: everything is a method of this class; `DBOS(config=...)` makes its one instance.

    In one file it configures Django for the database of the configuration. In a Django project it uses the project's
    settings and database. Functions may be decorated before.
    """

    _instance: ClassVar[DBOS | None] = None
    _lock = threading.RLock()
    config: Config
    executor: Any
    queues: list[str] | None

    def __new__(
        cls, *, config: DBOSConfig | None = None, fastapi: Any = None, flask: Any = None,
        conductor_url: str | None = None, conductor_key: str | None = None,
    ) -> DBOS:  # fmt: skip
        with DBOS._lock:
            if DBOS._instance is None:
                conductor = {"conductor_url": conductor_url, "conductor_key": conductor_key}
                DBOS._instance = _make(cls, {**conductor, **(config or {})}, fastapi, flask)
            return DBOS._instance

    @classmethod
    def launch(cls) -> None:
        """Make the tables when they are missing, recover what was interrupted, and begin to run workflows."""
        with DBOS._lock:
            if DBOS._instance is None:
                DBOS()
            assert DBOS._instance is not None
            _launch(DBOS._instance)

    @classmethod
    def destroy(cls, *, destroy_registry: bool = False, workflow_completion_timeout_sec: float = 0) -> None:
        """End this process's part: workflows that still run go on when the program is launched again.

        `workflow_completion_timeout_sec`: how long to wait for them to end. `destroy_registry`: forget what was
        decorated, too.
        """
        with DBOS._lock:
            instance, DBOS._instance = DBOS._instance, None
            if instance is not None and instance.executor is not None:
                _stop(instance, workflow_completion_timeout_sec)
            if destroy_registry:
                registry.forget()

    @classmethod
    def migrate(
        cls, system_database_url: str, *, schema: str | None = None, application_role: str | None = None,
        sharding: bool = False,
    ) -> None:  # fmt: skip
        """Make a database and its tables when they are missing, without launching anything.

        `schema`: as the configuration's `dbos_system_schema`. `application_role`: a role of PostgreSQL that may then
        use the tables, and not change them; a program that connects as it says `run_migrations=False`. In a Django
        project the database is the project's. Raises `DBOSInitializationError`.
        """
        if sharding:
            refusing("sharding=True", SHARDING)()
        with translated():
            apart(lambda: standalone.migrate(system_database_url, schema, application_role))
        if DBOS._instance is None and standalone.is_ours():
            registry.closed = "DBOS is not configured yet: call DBOS(config=...) and DBOS.launch() first"

    @classmethod
    def reset_system_database(
        cls, system_database_url: str | None = None, schema: str | None = None, *, truncate: bool = False
    ) -> None:
        """Delete all that is stored. For tests, before `launch()`.

        The tables stay, with or without `truncate`. An address that is not that of the configuration is refused.
        """
        if cls.is_launched():
            raise DBOSException("DBOS.reset_system_database() deletes everything: call it before DBOS.launch()")
        with translated():
            apart(lambda: _reset(DBOS._instance, system_database_url))

    @classmethod
    def listen_queues(cls, queues: Sequence[Queue | str]) -> None:
        """Let this process take workflows of these queues only. Before `launch()`."""
        if cls.is_launched():
            raise DBOSException("DBOS.listen_queues() has no effect any more: call it before DBOS.launch()")
        if DBOS._instance is None:
            raise DBOSException("Call DBOS(config=...) before DBOS.listen_queues()")
        DBOS._instance.queues = [each if isinstance(each, str) else each.name for each in queues]

    @classmethod
    def is_launched(cls) -> bool:
        """Whether this process runs workflows."""
        return DBOS._instance is not None and DBOS._instance.executor is not None


def _make(cls: type[DBOS], said: dict[str, Any], fastapi: Any, flask: Any) -> DBOS:
    config = read(said)
    instance = object.__new__(cls)
    instance.config, instance.executor, instance.queues = config, None, None
    _log(config)
    for key in config.without_effect:
        logger.warning("The configuration's %s has no effect: %s", key, WITHOUT_EFFECT[key])
    if standalone.is_project():
        standalone.check(config)
    else:
        with translated():
            standalone.configure(config)
        registry.again()
        registry.closed = "DBOS is not launched yet: call DBOS.launch() first"
    if fastapi is not None:
        serve_asgi(fastapi, DBOS)
    if flask is not None:
        serve_wsgi(flask)
    return instance


def _log(config: Config) -> None:
    logger.setLevel(config.log_level)
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s [%(levelname)7s] %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
        logger.propagate = False


def _launch(instance: DBOS) -> None:
    if instance.executor is not None:
        logger.warning("DBOS was launched already")
        return
    with translated():
        instance.executor = apart(lambda: _start(instance))
    registry.closed = ""
    logger.info("DBOS launched: executor %s, application version %s", instance.executor.label, DBOS.application_version)


def _start(instance: DBOS) -> Any:
    config = instance.config
    try:
        prepared()
        if standalone.is_ours():
            standalone.prepare(config)
            standalone.settle_version(config)
        from ...executor import Executor

        return Executor(queues=instance.queues, label=config.executor_id).start()
    except DBOSException:
        raise
    except DurableError as error:
        raise DBOSInitializationError(str(error)) from error


def _stop(instance: DBOS, patience: float) -> None:
    executor, instance.executor = instance.executor, None
    deadline = time.monotonic() + patience
    executor.claims = False  # from here on it takes nothing more, and what it runs may end
    while patience > 0 and executor.running and time.monotonic() < deadline:
        time.sleep(0.01)
    apart(lambda: executor.drain(GRACE_SECONDS))
    if standalone.is_ours():
        registry.closed = "DBOS was destroyed: call DBOS(config=...) and DBOS.launch() to use it again"
        connections.close_all()


def _reset(instance: DBOS | None, url: str | None) -> None:
    prepared()
    if url is not None and standalone.alias_of(url) != conf().DATABASE:
        raise DBOSException(f"{shown(url)} is not the database of this program, which alone is emptied here")
    if standalone.is_ours() and instance is not None:
        standalone.prepare(instance.config)
    standalone.empty()


run_dbos_database_migrations = DBOS.migrate


@atexit.register
def _at_exit() -> None:
    """A program that comes to its end lets go of what it runs, so that the next start goes on with it at once."""
    if DBOS.is_launched():
        DBOS.destroy()
