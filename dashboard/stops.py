"""Times in which a workflow had an owner no more: executors lost, letting go, or a person stopping it."""

from __future__ import annotations

from collections.abc import Iterable

from durable.models import Attempt

from .lanes import Lane
from .phrases import long
from .story import Story
from .timefold import Idle, gaps, length, merged
from .timeline import Interruption

SAID = {
    Attempt.Outcome.RELEASED: ("right", "queued", "{who} let it go; taken again after {span}"),
    Attempt.Outcome.CANCELLED: ("cancelled", "cancelled", "Cancelled; resumed after {span}"),
    Attempt.Outcome.FAILED: ("failed", "failed", "Ended; resumed after {span}"),
    Attempt.Outcome.RESUMED: ("resume", "cancelled", "Resumed after {span}"),
}


def stops_of(story: Story, lanes: Iterable[Lane], end: float) -> list[Interruption]:
    """Each interruption from the last sign of life to the next; one at the very end of a workflow is none."""
    pieces = [piece for lane in lanes if lane.level == 1 for piece in lane.pieces if piece.shape not in ("box", "span")]
    starts = sorted(piece.start for piece in pieces)
    ends = sorted(piece.end for piece in pieces if piece.shape != "wait")
    found = []
    for owner in story.owners:
        at = owner.ended_at.timestamp()
        until = next((start for start in starts if start >= at), end)
        if owner.outcome == Attempt.Outcome.LOST:
            if any(piece.shape == "wait" and piece.start <= at <= piece.end for piece in pieces):
                until = at  # it only waited: with the loss noticed, it waits on
            since = _last_sign(story, owner, ends, at)
            sentence = f"{story.label(owner.executor) or 'Its executor'} lost; {long(until - since)} until it went on"
            found.append(Interruption(Idle(since, until, "lost", "failed", sentence), lost=True))
        elif owner.outcome in SAID and until > at and until < end:
            icon, hue, words = SAID[Attempt.Outcome(owner.outcome)]
            who = story.label(owner.executor) or "Its executor"
            sentence = words.format(who=who, span=long(until - at))
            found.append(Interruption(Idle(at, until, icon, hue, sentence)))
    return found


def _last_sign(story: Story, owner: Attempt, ends: list[float], at: float) -> float:
    """The last heartbeat or record of the owner that was lost; the row says only when the loss was noticed."""
    signs = [end for end in ends if end <= at]
    executor = story.executors.get(owner.executor or "")
    if executor is not None and executor.heartbeat_at.timestamp() <= at:
        signs.append(executor.heartbeat_at.timestamp())
    signs += [owner.started_at.timestamp()] if owner.started_at else []
    return max(signs, default=at)


def spent(
    lanes: Iterable[Lane], stops: Iterable[Interruption], begin: float, start: float, end: float
) -> dict[str, float]:
    """The seconds of a life by what they were: "queued", "lost", "parked" and "ran", which is all the rest."""
    lanes = list(lanes)
    lost = merged([(stop.idle.start, stop.idle.end) for stop in stops if stop.lost], start, end)
    busy = merged([span for lane in lanes if lane.level == 1 for span in _own(lane)], start, end)
    waits = [(piece.start, piece.end) for lane in lanes if lane.level == 1 for piece in lane.waits]
    waits += [(stop.idle.start, stop.idle.end) for stop in stops if not stop.lost]
    # What waited beside something that ran is not parked, and neither is what an executor lost.
    free = gaps([*busy, *lost], start, end)
    parked = sum(length(merged(waits, low, high)) for low, high in free)
    queued, away = max(start - begin, 0.0), length(lost)
    return {"queued": queued, "lost": away, "parked": parked, "ran": max(end - begin - queued - away - parked, 0.0)}


def _own(lane: Lane) -> list[tuple[float, float]]:
    return [(piece.start, piece.end) for piece in lane.pieces if piece.shape in ("bar", "part", "live")]
