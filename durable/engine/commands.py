"""All that an operation may ask of the outside world, as data: named tuples, which cost least of what cannot change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# --- what is written


class Row(NamedTuple):
    """One slot to be decided. Payloads are encoded text; times are seconds since the epoch."""

    seq: int
    name: str
    kind: str
    output: str | None = None
    error: str | None = None
    child: str | None = None
    attempts: int = 1
    started_at: float = 0.0
    completed_at: float = 0.0


class NewWorkflow(NamedTuple):
    """A workflow to be inserted; an existing row with its id is left as it is."""

    id: str
    name: str
    input: str
    queue: str
    serialization: str = "json"
    class_name: str | None = None
    config_name: str | None = None
    version: str | None = None
    application: str | None = None
    priority: int = 0
    dedup_id: str | None = None
    partition_key: str | None = None
    delay: float | None = None
    timeout: float | None = None
    deadline: float | None = None
    parent: str | None = None
    max_recovery_attempts: int | None = None
    authenticated_user: str | None = None
    assumed_role: str | None = None
    authenticated_roles: list[str] | None = None
    attributes: dict[str, Any] | None = None
    traceparent: str | None = None
    executor: str | None = None
    """Set for a run that begins here and now: the row is inserted already claimed."""
    id_policy: str = "return-existing"
    dedup_policy: str = "reject"
    is_named: bool = False
    """Whether its id was given, so that a row of anybody's may be there."""

    @property
    def is_choosy(self) -> bool:
        """Whether its slot may only be decided if the row is really inserted."""
        return self.dedup_id is not None or self.is_named


class Deliver(NamedTuple):
    """A message for a mailbox; a key that the mailbox has seen is dropped."""

    destination: str
    topic: str
    key: str
    body: str
    sender: str | None = None


class Consume(NamedTuple):
    """A message is received by a slot."""

    message: int
    seq: int


class Publish(NamedTuple):
    """A value of an event."""

    workflow: str
    key: str
    seq: int
    value: str


class Append(NamedTuple):
    """A value at the end of a stream; None closes it."""

    workflow: str
    key: str
    seq: int
    value: str | None


class FailedTry(NamedTuple):
    """One failed attempt of a step, counted from 1."""

    seq: int
    n: int
    name: str
    error: str
    started_at: float
    ended_at: float


Effect = NewWorkflow | Deliver | Consume | Publish | Append | FailedTry


class Record(NamedTuple):
    """Make these slots and effects durable, together or not at all."""

    rows: tuple[Row, ...] = ()
    effects: tuple[Effect, ...] = ()


# --- what is read


class NextMessage(NamedTuple):
    """The oldest message of a topic that nobody has taken: `(id, body)` or None."""

    workflow: str
    topic: str
    taken: frozenset[int] = frozenset()


class EventValue(NamedTuple):
    """The newest value of an event as text, or None."""

    workflow: str
    key: str


class AllEvents(NamedTuple):
    """The newest value of every event of a workflow: `[(key, text)]`."""

    workflow: str


class Entries(NamedTuple):
    """Up to `limit` entries of a stream from an offset on: `[(offset, text or None)]`."""

    workflow: str
    key: str
    offset: int
    limit: int


class Closer(NamedTuple):
    """The slot that closed a stream, or None while it is open."""

    workflow: str
    key: str


class Outcome(NamedTuple):
    """How these workflows stand: `{id: Standing}`, without those that do not exist."""

    workflows: tuple[str, ...]


class Known(NamedTuple):
    """Which of these workflows exist: a set of ids."""

    workflows: tuple[str, ...]


class Holder(NamedTuple):
    """The live workflow that holds a deduplication id in a queue: its id, or None."""

    queue: str
    dedup_id: str


class Standing(NamedTuple):
    """What a waiter needs to know of a workflow."""

    id: str
    name: str
    class_name: str | None
    config_name: str | None
    status: str
    output: str | None
    error: str | None
    serialization: str
    recovery_attempts: int
    input: str = ""


class Ask(NamedTuple):
    question: NextMessage | EventValue | AllEvents | Entries | Closer | Outcome | Known | Holder


# --- what is done


class Frame(NamedTuple):
    """Where a step's code runs: what its context tells it."""

    seq: int
    name: str
    attempt: int = 1
    max_attempts: int = 1


class Call(NamedTuple):
    """Run user code inside a step."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    frame: Frame
    timeout: float | None = None
    is_preemptible: bool = False


class Manage(NamedTuple):
    """Do something with the database that is no part of this workflow: steer or look at others."""

    act: Callable[[], Any]
    seq: int
    name: str


class Transact(NamedTuple):
    """Run user code and decide its slot in one database transaction; gives back what the code returned."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    frame: Frame
    slot: Any
    using: str | None
    isolation: str | None


class RunHere(NamedTuple):
    """Run a workflow that was recorded as claimed by this process, nested in the one that called it."""

    workflow: NewWorkflow
    definition: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Condition(NamedTuple):
    """What may come true for a waiter: see `durable.models.Wait`."""

    kind: str
    target: str
    detail: str = ""
    number: int | None = None


class Park(NamedTuple):
    """Wait until one of `conditions` may have come true, or until a time (seconds since the epoch).

    The performer may wait in memory and give the operation its turn again, or unwind the run and let it wait in the
    database. `since` is the mark that the operation took before it looked, so that nothing slips in between.
    """

    reason: str
    conditions: tuple[Condition, ...] = ()
    until: float | None = None
    since: int = 0


Command = Record | Ask | Call | Manage | Transact | RunHere | Park


# --- what the recorder commits for a run


class Ending(NamedTuple):
    """How a workflow ends. `status` is one of states.FINAL."""

    status: str
    output: str | None = None
    error: str | None = None
    error_type: str | None = None
    fingerprint: str | None = None


class Letting(NamedTuple):
    """A run lets go of its workflow: parked on conditions, or released to whoever is next."""

    reason: str | None
    conditions: tuple[Condition, ...] = ()
    until: float | None = None
    outcome: str | None = None
    detail: str = ""


class Entry(NamedTuple):
    """One thing that a run wants committed, under its fence `(workflow, epoch)`."""

    workflow: str
    epoch: int
    record: Record | None = None
    ending: Ending | None = None
    letting: Letting | None = None
    executor: str | None = None
