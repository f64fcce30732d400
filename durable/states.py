"""The seven statuses of a workflow (the words of DBOS) and the phases in which people see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What a workflow's row says. `Status.LIVE` may still run, `Status.FINAL` has ended."""

    ENQUEUED = "ENQUEUED"
    DELAYED = "DELAYED"
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"
    DEAD = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"


LIVE = frozenset({Status.ENQUEUED, Status.DELAYED, Status.PENDING})
FINAL = frozenset(Status) - LIVE
FAILED = FINAL - {Status.SUCCESS}


@dataclass(frozen=True)
class Phase:
    """How one status, with what it waits for, is shown: by hue, icon, word and a sentence, never by colour alone."""

    key: str
    hue: str
    icon: str
    word: str
    sentence: str


PHASES = {
    phase.key: phase
    for phase in (
        Phase("queued", "queued", "queued", "Queued", "Accepted and stored; it starts when its queue has room."),
        Phase("unserved", "queued", "lost", "Unserved", "Stored; no living executor serves its queue and function."),
        Phase("delayed", "delayed", "delayed", "Delayed", "Accepted; it joins its queue at the set time."),
        Phase("running", "running", "running", "Running", "An executor holds it now, under a lease."),
        Phase("sleeping", "parked", "sleeping", "Sleeping",
              "Parked until a recorded time; no executor or memory is used."),
        Phase("message", "parked", "message", "Awaits message",
              "Parked until a message on its topic arrives or the timeout passes."),
        Phase("event", "parked", "event", "Awaits event",
              "Parked until another workflow sets the event it reads, or the timeout passes."),
        Phase("stream", "parked", "stream", "Awaits stream",
              "Parked until another workflow writes to the stream it reads, or ends."),
        Phase("child", "parked", "child", "Awaits child", "Parked until another workflow ends."),
        Phase("backoff", "backoff", "backoff", "Backing off",
              "A step failed; the next attempt waits for its back-off to pass."),
        Phase("ready", "queued", "queued", "Ready", "Due to go on; an executor takes it in a moment."),
        Phase("success", "success", "success", "Succeeded", "Ended; its output is recorded and final."),
        Phase("failed", "failed", "failed", "Failed", "Ended with a recorded error."),
        Phase("cancelled", "cancelled", "cancelled", "Cancelled",
              "Stopped by a person, a timeout or its parent; resume continues it."),
        Phase("dead", "dead", "dead", "Dead letter",
              "Its executor crashed too many times while holding it; set aside until someone resumes it."),
    )
}  # fmt: skip

OF_STATUS = {
    Status.ENQUEUED: "queued",
    Status.DELAYED: "delayed",
    Status.SUCCESS: "success",
    Status.ERROR: "failed",
    Status.CANCELLED: "cancelled",
    Status.DEAD: "dead",
}
OF_WAIT = {
    "sleep": "sleeping",
    "message": "message",
    "event": "event",
    "stream": "stream",
    "child": "child",
    "retry": "backoff",
}


def phase_of(status: str, executor: str | None, waiting_for: str | None, is_due: bool) -> Phase:
    """The phase of a row: from its `status`, its `executor`, what it is `waiting_for` (`kind` or `kind:detail`), and
    whether it is due, that is, ready to run."""
    kind = (waiting_for or "").partition(":")[0]
    if kind == "executor" and status in LIVE:
        return PHASES["unserved"]
    if status != Status.PENDING:
        return PHASES[OF_STATUS[Status(status)]]
    if executor:
        return PHASES["running"]
    return PHASES["ready" if is_due else OF_WAIT.get(kind, "ready")]
