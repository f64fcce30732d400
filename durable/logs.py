"""One line of log for what matters, written by receivers of the signals."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

from . import signals

log = logging.getLogger("durable")


def log_to(stream: Any = None, verbosity: int = 1) -> None:
    """Let Durable's log lines go to a stream, unless the project's LOGGING handles them. `verbosity` 2 adds every
    workflow that starts, parks and succeeds; 0 keeps only warnings."""
    connect()
    log.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG))
    if not log.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler(_Stream(stream or sys.stderr))
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
        log.addHandler(handler)


def connect() -> None:
    """Begin to log what the signals tell."""
    for signal, receiver in RECEIVERS.items():
        getattr(signals, signal).connect(receiver, dispatch_uid=f"durable.logs.{signal}")


class _Stream:
    """A management command's output wrapper, as a stream that logging can write to."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
        self.stream.write(text.rstrip("\n"))
        if not hasattr(self.stream, "ending"):
            self.stream.write("\n")

    def flush(self) -> None:
        self.stream.flush()


def _name(workflow_id: str, name: str) -> str:
    return f"{name} {workflow_id}"


def _executor_started(executor: Any, **_: Any) -> None:
    if executor.claims:
        queues = "all queues" if executor.queues is None else f"queues {', '.join(executor.queues)}"
        log.info("executor %s serves %s, %d at once", executor.label, queues, executor.concurrency)


def _executor_draining(executor: Any, **_: Any) -> None:
    log.info("executor %s drains: %d running", executor.label, len(executor.running))


def _executor_stopped(executor: Any, **_: Any) -> None:
    if executor.claims:
        log.info("executor %s stopped", executor.label)


def _started(workflow_id: str, name: str, **_: Any) -> None:
    log.debug("started   %s", _name(workflow_id, name))


def _parked(workflow_id: str, name: str, reason: str | None = None, **_: Any) -> None:
    log.debug("parked    %s, waits for %s", _name(workflow_id, name), reason)


def _finished(workflow_id: str, name: str, status: str, **_: Any) -> None:
    log.log(
        logging.DEBUG if status == "SUCCESS" else logging.WARNING, "%-9s %s", status.lower(), _name(workflow_id, name)
    )


def _released(workflow_id: str, name: str, **_: Any) -> None:
    log.info("released  %s, another executor goes on", _name(workflow_id, name))


def _lost(workflow_id: str, name: str, lost_by: str, dead: bool, **_: Any) -> None:
    fate = "set aside: its executors crashed too often" if dead else "goes on from its last step"
    log.warning("recovered %s from lost executor %s; it %s", _name(workflow_id, name), lost_by, fate)


RECEIVERS = {
    "executor_started": _executor_started,
    "executor_draining": _executor_draining,
    "executor_stopped": _executor_stopped,
    "workflow_started": _started,
    "workflow_parked": _parked,
    "workflow_finished": _finished,
    "workflow_released": _released,
    "workflow_lost": _lost,
}
