"""The tables. One concept, one file."""

from .attempt import Attempt
from .audit import AuditEntry
from .event import Event
from .executor import Executor
from .fields import Now
from .message import Message
from .queue import Queue
from .schedule import CatchUp, Schedule
from .step import Checkpoint, Kind, Step, StepAttempt
from .stream import StreamEntry
from .version import Version
from .wait import Wait
from .workflow import INTERNAL_QUEUE, Workflow

__all__ = [
    "INTERNAL_QUEUE",
    "Attempt",
    "AuditEntry",
    "CatchUp",
    "Checkpoint",
    "Event",
    "Executor",
    "Kind",
    "Message",
    "Now",
    "Queue",
    "Schedule",
    "Step",
    "StepAttempt",
    "StreamEntry",
    "Version",
    "Wait",
    "Workflow",
]
