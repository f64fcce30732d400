"""Every error of Durable, in one tree. The docstring is the default message; attributes carry the facts."""

from __future__ import annotations

from typing import Any


class DurableError(Exception):
    """Something went wrong in Durable."""

    def __init__(self, message: str | None = None, **facts: Any):
        self.__dict__.update(facts)
        text = message or type(self).__doc__ or type(self).__name__
        super().__init__(text.format(**facts) if facts and not message else text)


class ImproperUse(DurableError):
    """A verb was called where it cannot work."""


class OutsideWorkflow(ImproperUse):
    """{verb}() works only inside a workflow. Call it from a function marked @durable.workflow."""


class InsideStep(ImproperUse):
    """{verb}() cannot be called inside a step: a step is one recorded operation. Call it from the workflow."""


class InsideAtomic(ImproperUse):
    """{verb}() cannot wait inside an open transaction.atomic() on database {alias!r}: what it waits for would not be \
visible before that block commits. Call it after the block, or use start(), which commits with the block."""


class WrongColour(ImproperUse):
    """{verb}() was called on a running event loop, which it would block. Use `await {other}()` there."""


class WorkflowNotFound(DurableError):
    """There is no workflow with the id {workflow_id!r}. Check the id; a deleted workflow cannot be used any more."""


class UnknownDefinition(DurableError):
    """No workflow function named {name!r} is registered in this process. Import the module that defines it, \
or put it in an app's workflows.py. Known: {known}."""


class WorkflowConflict(DurableError):
    """The id {workflow_id!r} is in use by {existing!r}, not {wanted!r}. An id names one execution of one function: \
use another id, or retrieve the existing workflow."""


class WorkflowIdInUse(DurableError):
    """The id {workflow_id!r} is in use, and this start asked for it to be rejected then. Use another id, or leave out \
the policy to attach to the existing workflow."""


class QueueDeduplicated(DurableError):
    """Queue {queue!r} already holds a live workflow with the deduplication id {dedup_id!r}."""


class NotResumable(DurableError):
    """Workflow {workflow_id!r} is {status} and cannot be resumed: {reason}"""


class NotRewindable(DurableError):
    """Workflow {workflow_id!r} is {status} and cannot be rewound: it has not ended. Cancel it first, or fork it."""


class InvalidDocument(DurableError):
    """This document cannot be imported: {problem}. Nothing was stored."""


class NotDelayable(DurableError):
    """Workflow {workflow_id!r} is {status}; only one that waits for its start, and is not debounced, can be delayed."""


class NonDeterminism(DurableError):
    """Workflow {workflow_id!r} did another operation than the one recorded in slot {seq}: recorded {recorded!r}, \
now {now!r}. A workflow must do the same operations in the same order. Put back the old code and resume it."""


class MaxStepRetriesExceeded(DurableError):
    """Step {step!r} failed {attempts} times; the last error was {last}."""

    errors: list[BaseException]


class StepTimeout(DurableError, TimeoutError):
    """Step {step!r} did not finish within {timeout} seconds; it was interrupted."""


class StreamTimeout(DurableError, TimeoutError):
    """Stream {key!r} of workflow {workflow_id!r} brought nothing for {timeout} seconds. It is still open."""


class StreamClosed(DurableError):
    """Stream {key!r} of workflow {workflow_id!r} is closed; nothing can be written to it any more."""


class NotAuthorized(DurableError):
    """{function}() needs one of the roles {roles}; {reason}. Start it under SetAuthentication(user, roles)."""


class QueueNotFound(DurableError):
    """There is no queue named {queue!r}. Known: {known}."""


class VersionNotFound(DurableError):
    """There is no version {version!r} of this application. Known: {known}."""


class ScheduleNotFound(DurableError):
    """There is no schedule named {name!r}. Known: {known}."""


class ScheduleExists(DurableError):
    """There is a schedule named {name!r} already, and its terms are others: {terms}. Replace it with \
apply_schedules(), change it with override_schedule(), or choose another name."""


class ResultTimeout(DurableError, TimeoutError):
    """Workflow {workflow_id!r} has not finished after {timeout} seconds. It is still running."""


class WorkflowWasCancelled(DurableError):
    """Workflow {workflow_id!r} was cancelled, so it has no result. Resume it to let it finish."""


class WorkflowIsDead(DurableError):
    """Workflow {workflow_id!r} was set aside: its executor crashed {attempts} times while holding it. \
Look at its last step, then resume it."""


class RecordedError(DurableError):
    """{type}: {text}"""


class SerializationError(DurableError):
    """A {type} cannot be stored as JSON at {path}: {hint}"""


class PayloadTooLarge(DurableError):
    """A payload of {size:,} bytes exceeds MAX_PAYLOAD_BYTES = {limit:,}. Store it elsewhere and pass a reference."""


class InvalidOption(DurableError):
    """{option} = {value!r} is not valid: {hint}"""


class InvalidSettings(DurableError):
    """settings.DURABLE is not valid: {problem}"""


class DatabaseAway(DurableError):
    """Database {alias!r} cannot be reached: {reason}. Start it or correct DATABASES[{alias!r}], then try again."""


class LeaseLost(DurableError):
    """This process could not renew its lease for {seconds:.0f} seconds, so others may have taken its workflows. \
It writes nothing more; start it again."""


class ControlFlow(BaseException):
    """Unwinds a run without being an error; user code must not catch it, so it is no Exception."""


class Parked(ControlFlow):
    """The run has left memory and waits in the database."""


class Fenced(ControlFlow):
    """Another executor owns this workflow now, or it has ended: this run may not write."""


class Cancelled(ControlFlow):
    """The workflow was cancelled; the run stops at this operation."""


class Stopped(ControlFlow):
    """The run met an error that its own code must not handle; the cause says which."""
