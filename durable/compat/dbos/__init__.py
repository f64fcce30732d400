"""DBOS's names: a program written for that library runs after `from dbos import ...` became
`from durable.compat.dbos import ...`, as one file or in a Django project.

Only names and their translation live here; what they do is Durable's.
"""

from . import error
from .absent import AsyncSQLAlchemyDatasource, KafkaMessage, SetShardKey
from .app import DBOS, run_dbos_database_migrations
from .blocks import (
    DBOSContextEnsure,
    DBOSContextSetAuth,
    DuplicationPolicy,
    PropagateOtelContext,
    SetEnqueueOptions,
    SetWorkflowAttributes,
    SetWorkflowID,
    SetWorkflowTimeout,
    WorkflowIDReusePolicy,
)
from .classes import DBOSConfiguredInstance
from .client import DBOSClient, DebouncerClient
from .communication import SendMessage
from .config import DBOSConfig
from .context import StepStatus
from .datasources import DatasourceOptions, SQLAlchemyDatasource
from .debouncer import Debouncer
from .decorating import StepOptions, StepReservation
from .error import PortableWorkflowError
from .handles import WorkflowHandle, WorkflowHandleAsync
from .managing import VersionInfo
from .queue import Queue, QueueRateLimit
from .scheduling import ClientScheduleInput, ScheduleInput, WorkflowSchedule
from .serializer import DBOSPortableJSONSerializer, Serializer, WorkflowSerializationFormat
from .starting import EnqueueOptions
from .status import StepInfo, WorkflowStatus, WorkflowStatusString
from .validating import make_pydantic_args_validator, pydantic_args_validator

__all__ = [
    "DBOS",
    "AsyncSQLAlchemyDatasource",
    "ClientScheduleInput",
    "DBOSClient",
    "DBOSConfig",
    "DBOSConfiguredInstance",
    "DBOSContextEnsure",
    "DBOSContextSetAuth",
    "DBOSPortableJSONSerializer",
    "DatasourceOptions",
    "Debouncer",
    "DebouncerClient",
    "DuplicationPolicy",
    "EnqueueOptions",
    "KafkaMessage",
    "PortableWorkflowError",
    "PropagateOtelContext",
    "Queue",
    "QueueRateLimit",
    "SQLAlchemyDatasource",
    "ScheduleInput",
    "SendMessage",
    "Serializer",
    "SetEnqueueOptions",
    "SetShardKey",
    "SetWorkflowAttributes",
    "SetWorkflowID",
    "SetWorkflowTimeout",
    "StepInfo",
    "StepOptions",
    "StepReservation",
    "StepStatus",
    "VersionInfo",
    "WorkflowHandle",
    "WorkflowHandleAsync",
    "WorkflowIDReusePolicy",
    "WorkflowSchedule",
    "WorkflowSerializationFormat",
    "WorkflowStatus",
    "WorkflowStatusString",
    "error",
    "make_pydantic_args_validator",
    "pydantic_args_validator",
    "run_dbos_database_migrations",
]
