"""Names of DBOS that programs may import and that have nothing behind them here: using one says what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .error import DBOSException

SHARDING = "one PostgreSQL database holds all: leave it out"
KAFKA = (
    "there is no consumer of Kafka: read the topic in a process of your own and start a workflow for each message, "
    "with SetWorkflowID(f'{topic}-{partition}-{offset}'), so that each starts one"
)
IN_TRANSACTION = (
    "what a program does in Django's transaction.atomic() commits or rolls back with it: call {} there, of DBOS and "
    "not of a client"
)
AGGREGATES = "group Django's rows instead: durable.models.{}.objects.values(...).annotate(...)"

CLASSES = {
    "AsyncSQLAlchemyDatasource": "Django's transactions are not coroutines: use SQLAlchemyDatasource, whose plain "
    "functions coroutine workflows call as they are",
    "KafkaMessage": KAFKA,
    "SetShardKey": SHARDING,
}
METHODS = {
    "alert_handler": "no Conductor sends alerts: connect receivers to the signals of durable.signals",
    "kafka_consumer": KAFKA,
    "get_workflow_aggregates": AGGREGATES.format("Workflow"),
    "get_step_aggregates": AGGREGATES.format("Step"),
}
CLIENT_METHODS = {
    "enqueue_in_transaction": IN_TRANSACTION.format("enqueue_workflow_with_options"),
    "send_in_transaction": IN_TRANSACTION.format("send"),
    "send_bulk_in_transaction": IN_TRANSACTION.format("send_bulk"),
    "rename_application": "the name is only shown: change it in the program's configuration",
    "rename_application_async": "the name is only shown: change it in the program's configuration",
}
"""What each would do, or does instead."""


def refusing(name: str, why: str) -> Callable[..., NoReturn]:
    """A function that raises `DBOSException` whatever it is given."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise DBOSException(f"{name} is not available in durable.compat.dbos; {why}")

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    refuse.__doc__ = f"Not available; {why}."
    return refuse


def _class(name: str) -> type:
    """A class that may be named, in annotations too, but not made."""
    refuse = refusing(name, CLASSES[name])
    body = {"__new__": refuse, "__doc__": refuse.__doc__, "__module__": __name__}
    return type(name, (), {**body, **dict.fromkeys(("create", "migrate"), staticmethod(refuse))})


AsyncSQLAlchemyDatasource: Any = _class("AsyncSQLAlchemyDatasource")
KafkaMessage: Any = _class("KafkaMessage")
SetShardKey: Any = _class("SetShardKey")


class Absent:
    """The methods of `DBOS` that are refused."""


class AbsentOfClients:
    """The methods of `DBOSClient` that are refused."""


for _owner, _names, _whose in ((Absent, METHODS, "DBOS"), (AbsentOfClients, CLIENT_METHODS, "DBOSClient")):
    for _name, _why in _names.items():
        setattr(_owner, _name, staticmethod(refusing(f"{_whose}.{_name}", _why)))
