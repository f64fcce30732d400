"""The verbs, each a pair made from one operation: `sleep` for threads, `asleep` for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from . import serializers
from .context import scope
from .engine import children, events, managing, messages, sleeping
from .engine.drive import adrive, begun, drive
from .errors import InsideStep, InvalidOption, OutsideWorkflow, WrongColour
from .executor.outside import Outside
from .pending import take_id

P = ParamSpec("P")
R = TypeVar("R")

ANYWHERE = frozenset({"outside", "step", "transaction", "workflow"})
NOT_IN_STEPS = ANYWHERE - {"step"}
IN_WORKFLOW = frozenset({"workflow"})
IN_WORKFLOW_OR_STEP = ANYWHERE - {"outside"}
LETTER = frozenset({"destination_id", "message", "topic", "idempotency_key"})


def here(verb: str, places: frozenset[str] = ANYWHERE) -> Any:
    """The scope of the calling code. Raises `OutsideWorkflow` or `InsideStep` where the verb has no meaning."""
    found = scope.get() or Outside()
    if found.place not in places:
        raise OutsideWorkflow(verb=verb) if found.place == "outside" else InsideStep(verb=verb)
    return found


def check_colour(verb: str, other: str) -> None:
    """Raises `WrongColour` when a blocking verb is called on a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise WrongColour(verb=verb, other=other)


def verb(
    operation: Callable[..., Any], name: str, places: frozenset[str] = ANYWHERE
) -> tuple[Callable[..., Any], Callable[..., Awaitable[Any]]]:
    """Make a verb's pair. The coroutine's slots are taken when it is called, not when it is awaited."""

    def call(*args: Any, **kwargs: Any) -> Any:
        check_colour(name, f"a{name}")
        place = here(name, places)
        return drive(operation(place, *args, **kwargs), place.perform)

    def acall(*args: Any, **kwargs: Any) -> Awaitable[Any]:
        place = here(f"a{name}", places)
        return adrive(begun(operation(place, *args, **kwargs)), place.aperform)

    call.__name__ = call.__qualname__ = name
    acall.__name__ = acall.__qualname__ = f"a{name}"
    return call, acall


def managed(
    fn: Callable[P, R], freeze: Callable[[R], Any] | None = None, thaw: Callable[[Any], R] | None = None
) -> tuple[Callable[P, R], Callable[P, Awaitable[R]]]:
    """Make the pair of a function that steers or looks: inside a workflow it is a recorded step.

    `freeze` makes its value storable, `thaw` makes it again in a replay. Elsewhere it is a plain call.
    """
    name = fn.__name__.removeprefix("_")

    def frozen(args: Any, kwargs: Any) -> Callable[[], Any]:
        return lambda: portable(freeze(fn(*args, **kwargs)) if freeze else fn(*args, **kwargs))

    def thawed(recorded: Any) -> R:
        value = original(recorded)
        return thaw(value) if thaw else value

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        check_colour(name, f"a{name}")
        place = scope.get()
        if place is None or place.place != "workflow":
            return fn(*args, **kwargs)
        return thawed(drive(managing.manage(place, name, frozen(args, kwargs)), place.perform))

    @wraps(fn)
    def acall(*args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        place = scope.get()
        if place is None or place.place != "workflow":
            return sync_to_async(fn)(*args, **kwargs)
        done = adrive(begun(managing.manage(place, name, frozen(args, kwargs))), place.aperform)

        async def awaited() -> R:
            return thawed(await done)

        return awaited()

    call.__name__ = call.__qualname__ = name
    acall.__name__ = acall.__qualname__ = f"a{name}"
    return call, acall


def portable(value: Any) -> Any:
    """What a project's own serializer surely can hold: Durable's JSON, as text; the plain value where that is the
    serializer anyway."""
    place = scope.get()
    if value is None or place is None or place.run.claimed.serialization == "json":
        return value
    return serializers.get("json").serialize(value)


def original(recorded: Any) -> Any:
    """The value that `portable` made recordable."""
    place = scope.get()
    if recorded is None or place is None or place.claimed.serialization == "json":
        return recorded
    return serializers.get("json").deserialize(recorded)


_sleep, _asleep = verb(sleeping.sleep, "sleep", IN_WORKFLOW)
_send, _asend = verb(messages.send, "send")
_send_bulk, _asend_bulk = verb(messages.send_all, "send_bulk")
_recv, _arecv = verb(messages.receive, "recv", IN_WORKFLOW)
_set_event, _aset_event = verb(events.set_event, "set_event", IN_WORKFLOW_OR_STEP)
_get_event, _aget_event = verb(events.get_event, "get_event")
get_all_events, aget_all_events = verb(events.get_all_events, "get_all_events")
start, astart = verb(children.start, "start_workflow", NOT_IN_STEPS)
start_many, astart_many = verb(children.start_many, "enqueue_many", NOT_IN_STEPS)
result, aresult = verb(children.result, "get_result")
first, afirst = verb(children.first, "wait_first")


def sleep(seconds: float) -> None:
    """Sleep durably for `seconds` (days and months are fine). The wake-up time is recorded and never moves."""
    return _sleep(check_seconds("seconds", seconds))


def asleep(seconds: float) -> Awaitable[None]:
    """`sleep` for coroutine workflows."""
    return _asleep(check_seconds("seconds", seconds))


def send(destination_id: str, message: Any, topic: str | None = None, *, idempotency_key: str | None = None) -> None:
    """Send `message` to a workflow; stored when this returns, or with the caller's `atomic()`.

    Exactly once from a workflow; from anywhere else, give an `idempotency_key`: a key that the workflow has seen is
    dropped. Raises `WorkflowNotFound`, `SerializationError`.
    """
    return _send(destination_id, message, topic, idempotency_key or scoped_key())


def asend(
    destination_id: str, message: Any, topic: str | None = None, *, idempotency_key: str | None = None
) -> Awaitable[None]:
    """`send` for coroutines."""
    return _asend(destination_id, message, topic, idempotency_key or scoped_key())


def send_bulk(messages: Iterable[Mapping[str, Any]]) -> None:
    """Send several messages together, or none: mappings with `destination_id`, `message` and, if wanted, `topic` and
    `idempotency_key`. Raises `InvalidOption` for a key that is given twice, `WorkflowNotFound`."""
    return _send_bulk("send_bulk", _letters(messages))


def asend_bulk(messages: Iterable[Mapping[str, Any]]) -> Awaitable[None]:
    """`send_bulk` for coroutines."""
    return _asend_bulk("send_bulk", _letters(messages))


def recv(topic: str | None = None, timeout_seconds: float = 60) -> Any:
    """The next message on `topic`, in order of arrival; None after `timeout_seconds`, counted from the first call."""
    return _recv(topic, check_seconds("timeout_seconds", timeout_seconds))


def arecv(topic: str | None = None, timeout_seconds: float = 60) -> Awaitable[Any]:
    """`recv` for coroutine workflows."""
    return _arecv(topic, check_seconds("timeout_seconds", timeout_seconds))


def set_event(key: str, value: Any) -> None:
    """Publish `value` under `key`, or replace it: exactly once from a workflow, at least once from a step."""
    return _set_event(check_text("key", key), value)


def aset_event(key: str, value: Any) -> Awaitable[None]:
    """`set_event` for coroutines."""
    return _aset_event(check_text("key", key), value)


def get_event(workflow_id: str, key: str, timeout_seconds: float = 60) -> Any:
    """The value that a workflow published under `key`; None when it does not within `timeout_seconds`, or has ended
    without."""
    return _get_event(workflow_id, key, check_seconds("timeout_seconds", timeout_seconds))


def aget_event(workflow_id: str, key: str, timeout_seconds: float = 60) -> Awaitable[Any]:
    """`get_event` for coroutines."""
    return _aget_event(workflow_id, key, check_seconds("timeout_seconds", timeout_seconds))


def idempotency_key() -> str:
    """Inside a step: a key for the outside world that is the same over every retry, crash and executor."""
    place = here("idempotency_key", IN_WORKFLOW_OR_STEP - {"workflow"})
    return place.run.journal.key(place.frame.seq)


def scoped_key() -> str | None:
    """Outside a workflow, the id of an enclosing `SetWorkflowID` is the idempotency key of a send."""
    return None if scope.get() else take_id()


def _letters(messages: Iterable[Mapping[str, Any]]) -> list[tuple[str, Any, str | None, str | None]]:
    letters, keys = [], set()
    for message in messages:
        if not {"destination_id", "message"} <= set(message) <= LETTER:
            hint = "each has destination_id and message, and may have topic and idempotency_key"
            raise InvalidOption(option="messages", value=sorted(message), hint=hint)
        destination, key = message["destination_id"], message.get("idempotency_key")
        if key is not None and (destination, key) in keys:
            raise InvalidOption(option="idempotency_key", value=key, hint="it is given twice; nothing was sent")
        keys.add((destination, key))
        letters.append((destination, message["message"], message.get("topic"), key))
    return letters


def check_seconds(option: str, value: Any) -> float:
    """`value` as seconds, at most 10**10. Raises `InvalidOption`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise InvalidOption(option=option, value=value, hint="give a number of seconds")
    return min(float(value), 10.0**10)


def check_text(option: str, value: Any) -> str:
    """`value` as a key. Raises `InvalidOption`."""
    if not isinstance(value, str) or "\x00" in value:
        raise InvalidOption(option=option, value=value, hint="give text, without U+0000")
    return value
