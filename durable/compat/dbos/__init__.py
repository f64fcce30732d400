"""DBOS's names: a program written for that library runs after `from dbos import ...` became
`from durable.compat.dbos import ...`, as one file or in a Django project.

Only names and their translation live here; what they do is Durable's.
"""

from . import error
from .app import DBOS
from .blocks import (
    DBOSContextEnsure,
    DBOSContextSetAuth,
    DuplicationPolicy,
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
from .debouncer import Debouncer
from .decorating import StepOptions, StepReservation
from .error import PortableWorkflowError
from .handles import WorkflowHandle, WorkflowHandleAsync
from .managing import VersionInfo
from .queue import Queue, QueueRateLimit
from .scheduling import ClientScheduleInput, ScheduleInput, WorkflowSchedule
from .serializer import Serializer, WorkflowSerializationFormat
from .starting import EnqueueOptions
from .status import StepInfo, WorkflowStatus, WorkflowStatusString

__all__ = [
    "DBOS",
    "ClientScheduleInput",
    "DBOSClient",
    "DBOSConfig",
    "DBOSConfiguredInstance",
    "DBOSContextEnsure",
    "DBOSContextSetAuth",
    "Debouncer",
    "DebouncerClient",
    "DuplicationPolicy",
    "EnqueueOptions",
    "PortableWorkflowError",
    "Queue",
    "QueueRateLimit",
    "ScheduleInput",
    "SendMessage",
    "Serializer",
    "SetEnqueueOptions",
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
]
