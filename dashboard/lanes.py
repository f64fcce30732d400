"""What happened in each slot, as rows of pieces in time; `timeline` gives them a place on the page.

A lane is made from rows of the database alone: steps, failed attempts, children. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from durable.models import Kind
from durable.states import Status

from .phrases import fold, long, took

ICONS = {
    Kind.STEP: "step", Kind.TRANSACTION: "transaction", Kind.SLEEP: "sleeping", Kind.SEND: "send",
    Kind.RECV: "message", Kind.SET_EVENT: "event", Kind.GET_EVENT: "event", Kind.CHILD: "child",
    Kind.RESULT: "child", Kind.STREAM: "stream", Kind.READ_STREAM: "stream", Kind.PATCH: "fork", Kind.MANAGE: "info",
}  # fmt: skip
WAITING = frozenset({Kind.RECV, Kind.GET_EVENT, Kind.RESULT, Kind.READ_STREAM})
RUNNING = frozenset({"bar", "live", "part", "box", "cap"})
ENDS = {Status.ERROR: "failed", Status.CANCELLED: "cancelled", Status.DEAD: "dead"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one lane: bar, live, wait, part, box, span, live-span, and at one moment cap, tick or cross."""

    shape: str
    start: float
    end: float
    hue: str = ""


@dataclass(slots=True)
class Lane:
    """One row of the timeline before it is drawn."""

    key: str
    icon: str
    name: str
    detail: str = ""
    level: int = 1
    pieces: list[Piece] = field(default_factory=list)
    sentence: str = ""
    seconds: float | None = None
    attempts: int = 1
    failed: bool = False
    child: str | None = None
    """The workflow that the row speaks of, whose steps may be opened below it."""
    recorded: bool = True

    @property
    def waits(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.shape == "wait"]

    @property
    def busy(self) -> list[tuple[float, float]]:
        return [(piece.start, piece.end) for piece in self.pieces if piece.shape in RUNNING]


@dataclass(frozen=True, slots=True)
class Hints:
    """What other tables add to the names of slots: topics of messages, keys of events and streams by slot, children."""

    topics: Mapping[int, str] = field(default_factory=dict)
    keys: Mapping[int, str] = field(default_factory=dict)
    children: Mapping[str, Any] = field(default_factory=dict)


def lanes(
    steps: Sequence[Any], tries: Mapping[int, list[Any]], hints: Hints, now: float, *, prefix: str = "", level: int = 1
) -> list[Lane]:
    """A lane for each recorded slot, in order. `tries` are the failed attempts by slot, oldest first."""
    made, before, timers = [], None, {step.seq: step for step in steps if is_timer(step)}
    for step in steps:
        failed = tries.get(step.seq, [])
        since = waited_since(step, before, timers)
        lane = Lane(f"{prefix}{step.seq}", ICONS.get(step.kind, "step"), step.name, level=level)
        lane.failed, lane.attempts, lane.child = step.has_error, max(step.attempts, len(failed)), step.child
        if step.kind == Kind.CHILD:
            _child(lane, step, hints.children.get(step.child or ""), now)
        elif is_timer(step):
            _timer(lane, step)
        elif step.kind == Kind.SLEEP:
            _sleep(lane, step, now)
        elif step.kind in WAITING:
            _wait(lane, step, since)
        else:
            _step(lane, step, failed)
        _named(lane, step, hints)
        made.append(lane)
        before = step
    return made


def root(workflow: Any, now: float) -> Lane:
    """The lane of the workflow itself: its time in the queue, then its life."""
    lane = Lane("0", "child", workflow.name, level=0, failed=workflow.status == Status.ERROR)
    _life(lane, workflow, now, "Whole workflow")
    return lane


def pending(
    workflow: Any, steps: Sequence[Any], tries: Mapping[int, list[Any]],
    activity: Sequence[Mapping[str, Any]], now: float,
) -> list[Lane]:  # fmt: skip
    """Lanes of slots that are not recorded yet: steps being tried again, what it waits for, what runs now."""
    taken = {step.seq for step in steps}
    open_tries = {seq: failed for seq, failed in tries.items() if seq not in taken}
    live = {act["seq"]: act for act in activity}
    over = workflow.is_finished
    last = max([workflow_start(workflow, now), *(min(end_of(step), now) for step in steps)])
    made = [
        _trying(workflow, seq, open_tries.get(seq, []), None if over else live.get(seq), last, now)
        for seq in sorted(open_tries.keys() | (live.keys() - taken if not over else set()))
    ]
    if over or workflow.started_at is None:
        return made
    seq = next_slot(taken | {int(lane.key) for lane in made})
    if workflow.executor:
        asleep = any(step.kind == Kind.SLEEP and end_of(step) > now for step in steps)
        return made if made or asleep else [_unseen(steps, seq, last, now)]
    return [*made, *_parked(workflow, steps, seq, last, now)]


def next_slot(taken: Iterable[int]) -> int:
    """The lowest slot that is free: what the workflow does next."""
    taken = set(taken)
    return next(seq for seq in range(1, len(taken) + 2) if seq not in taken)


def is_timer(step: Any) -> bool:
    """Whether a sleep row is only the recorded deadline of the operation before it; a real sleep's row spans it."""
    wake = step.wake
    return step.kind == Kind.SLEEP and wake is not None and abs(wake - step.completed_at.timestamp()) > 0.001


def end_of(step: Any) -> float:
    return step.completed_at.timestamp()


def workflow_start(workflow: Any, now: float) -> float:
    """When it first ran, or else was accepted."""
    moment = workflow.started_at or workflow.created_at
    return min(moment.timestamp(), now)


def waited_since(step: Any, before: Any, timers: Mapping[int, Any]) -> float:
    """When a wait began. A row written after parking carries the time of the replay; the timer's row, or the end of \
the slot before, is older."""
    started = step.started_at.timestamp()
    if timer := timers.get(step.seq + 1):
        return min(started, timer.started_at.timestamp())
    if before is not None and before.epoch < step.epoch:
        return min(started, end_of(before))
    return started


def _step(lane: Lane, step: Any, failed: list[Any]) -> None:
    start, end = step.started_at.timestamp(), end_of(step)
    at, pause = _tries(lane, failed)
    kind = "Transaction" if step.kind == Kind.TRANSACTION else "Step"
    if failed and step.has_error and failed[-1].n >= step.attempts:
        lane.pieces.append(Piece("cross", at, at, "failed"))
    else:
        begun = start if start >= at else min(at + pause, end)
        if failed:
            lane.pieces.append(Piece("wait", at, begun, "backoff"))
        lane.pieces += _bar(begun, end, step.has_error)
    lane.seconds = end - (failed[0].started_at.timestamp() if failed else start)
    outcome = "failed" if step.has_error else "recorded"
    if failed:
        lane.sentence = f"{kind}, {lane.attempts} attempts in {took(lane.seconds)}, then {outcome}"
    else:
        lane.sentence = f"{kind}, {took(lane.seconds)}, {outcome}"


def _bar(start: float, end: float, failed: bool) -> list[Piece]:
    if failed:
        return [Piece("part", start, end, "failed"), Piece("cross", end, end, "failed")]
    return [Piece("bar", start, end), Piece("cap", end, end)]


def _tries(lane: Lane, failed: list[Any]) -> tuple[float, float]:
    """Failed attempts with the back-off between them. Gives the end of the last and the length of the last back-off,
    which is the least that the next one took."""
    at, pause = 0.0, 0.0
    for attempt in failed:
        start, end = attempt.started_at.timestamp(), attempt.ended_at.timestamp()
        if at:
            lane.pieces.append(Piece("wait", at, start, "backoff"))
            pause = start - at
        lane.pieces.append(Piece("part", start, end, "failed"))
        at = end
    return at, pause


def _sleep(lane: Lane, step: Any, now: float) -> None:
    start, wake = step.started_at.timestamp(), end_of(step)
    lane.pieces.append(Piece("wait", start, min(wake, now), "parked"))
    if wake <= now:
        lane.pieces.append(Piece("cap", wake, wake))
    lane.detail, lane.seconds = fold(wake - start), min(wake, now) - start
    lane.sentence = f"Durable sleep of {long(wake - start)}, {'recorded' if wake <= now else 'not over yet'}"


def _timer(lane: Lane, step: Any) -> None:
    end, limit = end_of(step), step.wake - step.started_at.timestamp()
    lane.icon, lane.name, lane.detail = "time", "timeout", f"of {step.seq - 1}, {fold(limit)}"
    lane.pieces.append(Piece("cap", end, end))
    lane.seconds = end - step.started_at.timestamp()
    lane.sentence = f"The timeout of slot {step.seq - 1} was recorded: {long(limit)}"


def _wait(lane: Lane, step: Any, since: float) -> None:
    end = end_of(step)
    lane.pieces.append(Piece("wait", since, end, "parked"))
    lane.pieces.append(Piece("cross", end, end, "failed") if step.has_error else Piece("cap", end, end))
    lane.seconds = end - since
    lane.sentence = f"Waited {long(lane.seconds)}, then {'failed' if step.has_error else 'recorded'}"


def _child(lane: Lane, step: Any, child: Any, now: float) -> None:
    if child is None:
        lane.pieces += _bar(step.started_at.timestamp(), end_of(step), step.has_error)
        lane.seconds = end_of(step) - step.started_at.timestamp()
        lane.sentence = "Start of a child, recorded" if not step.has_error else "Start of a child, refused"
        return
    lane.failed = lane.failed or child.status == Status.ERROR
    _life(lane, child, now, "Child workflow")


def _life(lane: Lane, workflow: Any, now: float, what: str) -> None:
    created = min(workflow.created_at.timestamp(), now)
    started = workflow.started_at.timestamp() if workflow.started_at else None
    ended = workflow.completed_at.timestamp() if workflow.completed_at else None
    end = ended if ended is not None else now
    queued_until = min(started, end) if started is not None else end
    if workflow.status == Status.DELAYED:
        lane.pieces.append(Piece("wait", created, queued_until, "delayed"))
    elif queued_until - created > 0.0005:
        lane.pieces.append(Piece("box", created, queued_until, "queued"))
    if started is not None:
        held = ended is None and workflow.executor is not None
        lane.pieces.append(Piece("live-span" if held else "span", started, end))
    if ended is not None:
        hue = ENDS.get(workflow.status, "")
        lane.pieces.append(Piece("tick", ended, ended, hue) if hue else Piece("cap", ended, ended))
    lane.seconds = end - created
    queued = f"queued {took(queued_until - created)}, then " if queued_until - created > 0.0005 else ""
    state = workflow.phase.word.lower()
    ran = f"{long(max(end - queued_until, 0))}, " if started else ""
    lane.sentence = f"{what}: {queued}{ran}{state}"


def _named(lane: Lane, step: Any, hints: Hints) -> None:
    if step.kind == Kind.RECV:
        lane.detail = hints.topics.get(step.seq, "")
    elif step.kind in (Kind.SET_EVENT, Kind.STREAM):
        lane.detail = hints.keys.get(step.seq, "")
    elif step.kind == Kind.RESULT and step.child:
        child = hints.children.get(step.child)
        lane.name, lane.detail = "result of", child.name if child is not None else step.child
    elif step.kind in (Kind.GET_EVENT, Kind.READ_STREAM) and step.child:
        lane.detail = f"of {step.child}"


def _trying(workflow: Any, seq: int, failed: list[Any], act: Mapping[str, Any] | None, last: float, now: float) -> Lane:
    name = str((act or {}).get("step") or (failed[-1].name if failed else "step"))
    lane = Lane(str(seq), "step", name, recorded=False, attempts=len(failed))
    at, _ = _tries(lane, failed)
    if workflow.is_finished:
        lane.seconds = at - failed[0].started_at.timestamp()
        lane.sentence = f"Step, {len(failed)} failed attempts, never recorded"
        return lane
    at = at or last
    since = _since(act, at, now)
    if act is None and workflow.executor is None:
        lane.pieces.append(Piece("wait", at, now, "backoff"))
        lane.sentence = f"Step, {len(failed)} failed attempts, backing off"
    else:
        if failed and since > at:
            lane.pieces.append(Piece("wait", at, since, "backoff"))
        lane.pieces.append(Piece("live", since, now))
        lane.attempts += 1
        lane.sentence = f"Step, attempt {lane.attempts} runs for {long(now - since)}"
    lane.seconds = now - (failed[0].started_at.timestamp() if failed else since)
    return lane


def _since(act: Mapping[str, Any] | None, default: float, now: float) -> float:
    since = (act or {}).get("since")
    return default if since is None else max(min(since, now), default)


def timer_of(steps: Sequence[Any], seq: int) -> Any:
    """The recorded deadline of the wait in a slot that is not decided yet, if that is what it does."""
    return next((step for step in steps if step.seq == seq + 1 and is_timer(step)), None)


def _unseen(steps: Sequence[Any], seq: int, last: float, now: float) -> Lane:
    """What an executor does in a slot that nobody told of: user code, or a short wait in memory."""
    if timer := timer_of(steps, seq):
        since = timer.started_at.timestamp()
        lane = Lane(str(seq), "time", "wait", "in memory", recorded=False)
        lane.pieces.append(Piece("wait", since, now, "parked"))
        lane.seconds, lane.sentence = now - since, f"Waits in memory for {long(now - since)}, not over yet"
        return lane
    lane = Lane(str(seq), "running", "running", "nothing recorded yet", recorded=False)
    lane.pieces.append(Piece("live", last, now))
    lane.seconds, lane.sentence = now - last, f"Runs for {long(now - last)}; nothing is recorded yet"
    return lane


def _parked(workflow: Any, steps: Sequence[Any], seq: int, last: float, now: float) -> list[Lane]:
    kind, _, about = (workflow.waiting_for or "").partition(":")
    timer = timer_of(steps, seq)
    since = timer.started_at.timestamp() if timer else last
    known = {"message": ("message", "recv"), "event": ("event", "get_event"), "child": ("child", "result of"),
             "stream": ("stream", "read_stream")}  # fmt: skip
    if kind not in known:
        return []
    lane = Lane(str(seq), *known[kind], about, recorded=False)
    lane.child = about if kind == "child" else None
    lane.pieces.append(Piece("wait", since, now, "parked"))
    lane.seconds, lane.sentence = now - since, f"Parked for {long(now - since)}, not over yet"
    return [lane]
