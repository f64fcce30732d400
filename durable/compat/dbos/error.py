"""DBOS's errors, by their names and codes, and which of Durable's each stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from ... import errors


class DBOSErrorCode(Enum):
    ConflictingIDError = 1
    RecoveryError = 2
    InitializationError = 3
    WorkflowFunctionNotFound = 4
    NonExistentWorkflowError = 5
    MaxRecoveryAttemptsExceeded = 6
    MaxStepRetriesExceeded = 7
    NotAuthorized = 8
    ConflictingWorkflowError = 9
    WorkflowCancelled = 10
    UnexpectedStep = 11
    QueueDeduplicated = 12
    AwaitedWorkflowCancelled = 13
    AwaitedWorkflowMaxRecoveryAttemptsExceeded = 14
    PatchNondeterminism = 15
    StreamTimeout = 16
    StreamNondeterminism = 17
    StepTimeout = 18
    ConflictingRegistrationError = 25
    QueryTimeout = 26
    WorkflowIDInUse = 27
    StepNondeterminism = 28


class _Coded:
    """An error with a code: `str()` is "DBOS Error 5: ..."."""

    code: DBOSErrorCode | None = None

    def __init__(self, message: str, dbos_error_code: int | None = None):
        self.message = message
        self.dbos_error_code = dbos_error_code or (self.code.value if self.code else None)
        self.status_code: int | None = None
        super().__init__(message)  # type: ignore[call-arg]  # of the exception that comes after this class

    def __str__(self) -> str:
        number = f" {self.dbos_error_code}" if self.dbos_error_code else ""
        return f"DBOS Error{number}: {self.message}"

    def __reduce__(self) -> Any:
        return _again, (type(self), self.message, dict(vars(self)))


def _again(cls: Any, message: str, facts: dict[str, Any]) -> Any:
    error = cls.__new__(cls, message)
    vars(error).update(facts)
    return error


class DBOSException(_Coded, Exception):
    """The base of all errors that a program may handle."""


class DBOSBaseException(_Coded, BaseException):
    """The base of those that unwind a workflow and that `except Exception` must not catch."""


class DBOSRecoveryError(DBOSException):
    code = DBOSErrorCode.RecoveryError

    def __init__(self, workflow_id: str, message: str | None = None):
        super().__init__(f"Workflow {workflow_id} cannot be recovered: {message}")


class DBOSInitializationError(DBOSException):
    code = DBOSErrorCode.InitializationError


class DBOSWorkflowFunctionNotFoundError(DBOSException):
    code = DBOSErrorCode.WorkflowFunctionNotFound

    def __init__(self, workflow_id: str, message: str | None = None):
        super().__init__(f"The function of workflow {workflow_id} is not known here: {message}")


class DBOSNonExistentWorkflowError(DBOSException):
    code = DBOSErrorCode.NonExistentWorkflowError

    def __init__(self, workflow_id: str):
        self.workflow_id = workflow_id
        super().__init__(f"There is no workflow with the ID {workflow_id}")


class MaxRecoveryAttemptsExceededError(DBOSException):
    code = DBOSErrorCode.MaxRecoveryAttemptsExceeded

    def __init__(self, wf_id: str, max_retries: int):
        self.workflow_id, self.max_retries = wf_id, max_retries
        super().__init__(f"Workflow {wf_id} has been attempted more than {max_retries} times")


class DBOSMaxStepRetriesExceeded(DBOSException):
    code = DBOSErrorCode.MaxStepRetriesExceeded

    def __init__(self, step_name: str, max_retries: int, errors: list[Any]):
        self.step_name, self.max_retries, self.errors = step_name, max_retries, errors
        super().__init__(f"Step {step_name} has failed all of its {max_retries} attempts")


class DBOSNotAuthorizedError(DBOSException):
    code = DBOSErrorCode.NotAuthorized

    def __init__(self, msg: str):
        super().__init__(msg)
        self.msg = msg
        self.status_code = 403


class DBOSConflictingWorkflowError(DBOSException):
    code = DBOSErrorCode.ConflictingWorkflowError

    def __init__(self, workflow_id: str, message: str | None = None):
        self.workflow_id = workflow_id
        super().__init__(f"The ID {workflow_id} is another workflow's: {message}")


class DBOSUnexpectedStepError(DBOSException):
    code = DBOSErrorCode.UnexpectedStep

    def __init__(self, workflow_id: str, step_id: int, expected_name: str, recorded_name: str):
        self.workflow_id, self.step_id = workflow_id, step_id
        self.expected_name, self.recorded_name = expected_name, recorded_name
        super().__init__(
            f"Workflow {workflow_id} has {recorded_name} recorded as step {step_id}, where it now does "
            f"{expected_name}; a workflow must do the same steps in the same order"
        )


class DBOSQueueDeduplicatedError(DBOSException):
    code = DBOSErrorCode.QueueDeduplicated

    def __init__(self, workflow_id: str, queue_name: str, deduplication_id: str):
        self.workflow_id, self.queue_name, self.deduplication_id = workflow_id, queue_name, deduplication_id
        super().__init__(f"Queue {queue_name} already has a workflow with the deduplication ID {deduplication_id}")


class DBOSAwaitedWorkflowCancelledError(DBOSException):
    code = DBOSErrorCode.AwaitedWorkflowCancelled

    def __init__(self, workflow_id: str):
        self.workflow_id = workflow_id
        super().__init__(f"Workflow {workflow_id}, whose result was awaited, was cancelled")


class DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded(DBOSException):
    code = DBOSErrorCode.AwaitedWorkflowMaxRecoveryAttemptsExceeded

    def __init__(self, workflow_id: str):
        self.workflow_id = workflow_id
        super().__init__(f"Workflow {workflow_id}, whose result was awaited, has used up its recovery attempts")


class DBOSPatchNondeterminismError(DBOSException):
    code = DBOSErrorCode.PatchNondeterminism


class DBOSStreamTimeoutError(DBOSException, TimeoutError):
    code = DBOSErrorCode.StreamTimeout


class DBOSStreamNondeterminismError(DBOSException):
    code = DBOSErrorCode.StreamNondeterminism


class DBOSStepTimeoutError(DBOSException, TimeoutError):
    code = DBOSErrorCode.StepTimeout


class DBOSConflictingRegistrationError(DBOSException):
    code = DBOSErrorCode.ConflictingRegistrationError

    def __init__(self, name: str):
        super().__init__(f"Two functions are registered as {name}; give one of them another name")


class DBOSQueryTimeoutError(DBOSException):
    code = DBOSErrorCode.QueryTimeout


class DBOSWorkflowIDInUseError(DBOSException):
    code = DBOSErrorCode.WorkflowIDInUse

    def __init__(self, workflow_id: str):
        self.workflow_id = workflow_id
        super().__init__(f"The workflow ID {workflow_id} is in use already")


class DBOSStepNondeterminismError(DBOSException):
    code = DBOSErrorCode.StepNondeterminism


class DBOSWorkflowCancelledError(DBOSBaseException):
    """Unwinds a workflow that was cancelled, at its next step."""

    code = DBOSErrorCode.WorkflowCancelled


class DBOSWorkflowConflictIDError(DBOSBaseException):
    code = DBOSErrorCode.ConflictingIDError

    def __init__(self, workflow_id: str):
        self.workflow_id = workflow_id
        super().__init__(f"Another executor runs the workflow {workflow_id}")


class PortableWorkflowError(Exception):
    """The error of a workflow whose own class is not known here."""

    def __init__(self, message: str, name: str = "Error", code: Any = None, data: Any = None):
        super().__init__(message)
        self.message, self.name, self.code, self.data = message, name, code, data


def _denied(error: Any) -> DBOSException:
    if getattr(error, "is_authenticated", False):
        rest = "has required roles, but user is not authenticated for any of them"
    else:
        rest = "requires a role, but was called in a context without authentication information"
    return DBOSNotAuthorizedError(f"Function {error.function} {rest}")


TRANSLATIONS: dict[type[BaseException], Callable[[Any], BaseException]] = {
    errors.WorkflowNotFound: lambda e: DBOSNonExistentWorkflowError(e.workflow_id),
    errors.UnknownDefinition: lambda e: DBOSWorkflowFunctionNotFoundError(e.name, str(e)),
    errors.WorkflowConflict: lambda e: DBOSConflictingWorkflowError(e.workflow_id, f"{e.existing}, not {e.wanted}"),
    errors.WorkflowIdInUse: lambda e: DBOSWorkflowIDInUseError(e.workflow_id),
    errors.QueueDeduplicated: lambda e: DBOSQueueDeduplicatedError(
        getattr(e, "workflow_id", None) or "", e.queue, e.dedup_id
    ),
    errors.NonDeterminism: lambda e: DBOSUnexpectedStepError(e.workflow_id, e.seq, e.now, e.recorded),
    errors.MaxStepRetriesExceeded: lambda e: DBOSMaxStepRetriesExceeded(e.step, e.attempts, list(e.errors)),
    errors.StepTimeout: lambda e: DBOSStepTimeoutError(str(e)),
    errors.StreamTimeout: lambda e: DBOSStreamTimeoutError(str(e)),
    errors.NotAuthorized: _denied,
    errors.WorkflowWasCancelled: lambda e: DBOSAwaitedWorkflowCancelledError(e.workflow_id),
    errors.WorkflowIsDead: lambda e: DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded(e.workflow_id),
    errors.DatabaseAway: lambda e: DBOSInitializationError(str(e)),
    errors.InvalidSettings: lambda e: DBOSInitializationError(str(e)),
    errors.RecordedError: lambda e: PortableWorkflowError(e.text, e.type),
    errors.WrongColour: lambda e: RuntimeError(f"{e.verb}() would block the event loop; use `await {e.other}()`"),
}
"""What each of Durable's errors is to a DBOS program. Any other is a `DBOSException` with its own text."""

KEPT = (errors.SerializationError, errors.PayloadTooLarge, errors.ResultTimeout)
"""Those for which DBOS has no name: they come as they are."""


def translate(error: BaseException) -> BaseException:
    """`error` as a DBOS program knows it; one that is none of Durable's is given back as it is."""
    if isinstance(error, errors.Cancelled):
        return DBOSWorkflowCancelledError("The workflow was cancelled")
    if not isinstance(error, errors.DurableError) or isinstance(error, KEPT):
        return error
    for kind in type(error).__mro__:
        if kind in TRANSLATIONS:
            return TRANSLATIONS[kind](error)
    return DBOSException(str(error))


@contextmanager
def translated() -> Iterator[None]:
    """Errors of Durable leave this block as DBOS's."""
    try:
        yield
    except (errors.DurableError, errors.Cancelled) as error:
        other = translate(error)
        if other is error:
            raise
        raise other from error
