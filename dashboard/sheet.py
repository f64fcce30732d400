"""The timeline tab: which lanes there are, which of them are shown, and how they are drawn."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from durable.models import Kind

from .asked import Asked
from .lanes import Lane, lanes, pending, root
from .stops import spent, stops_of
from .story import WINDOW, Slot, Story
from .timeline import Drawing, Interruption, Row, View, draw


class Sheet:
    """The lanes of a story and their drawing, for what an address asks."""

    def __init__(self, story: Story, asked: Asked):
        self.story, self.asked = story, asked
        self.now = story.now.timestamp()

    @cached_property
    def own(self) -> list[Lane]:
        """The lanes of the workflow's own slots, in order of their numbers."""
        story = self.story
        tries = story.tries_of(story.workflow.pk)
        made = lanes(story.slots, tries, story.hints(story.workflow.pk), self.now)
        if story.is_whole:  # else the newest slots were not read, and what runs now cannot be told
            made += pending(story.workflow, story.slots, tries, story.activity, self.now)
        return sorted(made, key=lambda lane: int(lane.key))

    @cached_property
    def lanes(self) -> list[Lane]:
        """All lanes that are there to be shown, those of open children below their parent's."""
        found = []
        for lane in self.own:
            found.append(lane)
            if lane.key in self.asked.open and lane.icon == "child" and lane.child in self.story.inner:
                found += self._inner(lane)
        return found

    def _inner(self, lane: Lane) -> list[Lane]:
        child = self.story.children[lane.child or ""]
        slots = self.story.inner[child.pk]
        tries = self.story.tries_of(child.pk)
        return lanes(slots, tries, self.story.hints(child.pk), self.now, prefix=f"{lane.key}.", level=2)

    @cached_property
    def root(self) -> Lane:
        return root(self.story.workflow, self.now)

    @property
    def end(self) -> float:
        ended = self.story.workflow.completed_at
        return ended.timestamp() if ended else self.now

    @property
    def begin(self) -> float:
        return min(self.story.workflow.created_at.timestamp(), self.end)

    @property
    def start(self) -> float:
        started = self.story.workflow.started_at
        return min(max(started.timestamp(), self.begin), self.end) if started else self.end

    @cached_property
    def stops(self) -> list[Interruption]:
        return stops_of(self.story, self.own, self.end)

    @cached_property
    def spent(self) -> dict[str, float] | None:
        if not self.story.is_whole:
            return None
        return spent(self.own, self.stops, self.begin, self.start, self.end)

    @cached_property
    def matching(self) -> list[Lane]:
        """The lanes that pass the filters of the tab."""
        find, only = self.asked.find.lower(), self.asked.only
        found = self.lanes
        if find:
            found = [lane for lane in found if find in f"{lane.key} {lane.name} {lane.detail}".lower()]
        return [lane for lane in found if lane.failed or lane.attempts > 1] if only else found

    @cached_property
    def shown(self) -> list[Lane]:
        """One window of them."""
        after = [lane for lane in self.matching if int(lane.key.partition(".")[0]) > self.asked.after]
        # A child's rows never part from their parent's: the window counts the workflow's own slots.
        last = [lane.key for lane in after if lane.level == 1][WINDOW : WINDOW + 1]
        return after[: next(place for place, lane in enumerate(after) if lane.key == last[0])] if last else after

    @property
    def is_windowed(self) -> bool:
        return bool(self.asked.after) or len(self.shown) < len(self.matching) or not self.story.is_whole

    @property
    def view(self) -> View:
        start = self.start if not self.asked.queue and self.story.workflow.started_at else self.begin
        low = high = None
        pieces = [piece for lane in self.shown for piece in lane.pieces]
        if self.is_windowed and pieces:
            low = max(min(piece.start for piece in pieces), start) if self.asked.after else None
            at_end = self.story.is_whole and self.shown[-1] is self.matching[-1]
            high = None if at_end else max(piece.end for piece in pieces)
        opened = frozenset(lane.key.partition(".")[0] for lane in self.lanes if lane.level == 2)
        live = not self.story.workflow.is_finished
        return View(start, self.end, live, self.asked.fold, low, high, opened)

    @cached_property
    def drawing(self) -> Drawing:
        return draw(self.root, self.lanes, self.shown, self.stops, self.view)

    @property
    def rows(self) -> list[tuple[Row, str, str]]:
        """Each row with the address that selects it, and the one that opens or closes its child."""
        return [(row, self.asked.link(step=row.lane.key), self._toggle(row.lane)) for row in self.drawing.rows]

    def _toggle(self, lane: Lane) -> str:
        """Only the slot that starts a child opens it; the slot that waits for its result speaks of the same one."""
        return self.asked.toggled(lane.key) if lane.key in self.parents else ""

    @cached_property
    def parents(self) -> list[str]:
        known = self.story.children
        return [str(slot.seq) for slot in self.story.slots if slot.kind == Kind.CHILD and slot.child in known]

    @property
    def toggles(self) -> list[tuple[str, bool, str]]:
        """The switches over the timeline: word, whether it is on, where it leads."""
        asked, made = self.asked, []
        errors = ("Errors only", bool(asked.only), asked.link(only="" if asked.only else "errors", after=0))
        if asked.tab != "timeline":
            return [errors]
        made.append(("Fold idle time", asked.fold, asked.link(fold=not asked.fold)))
        if self.start - self.begin > 0.0005 and self.story.workflow.started_at:
            made.append(("Queue time", asked.queue, asked.link(queue=not asked.queue)))
        if self.parents:
            opened = set(self.parents) <= set(asked.open)
            made.append(("Children", opened, asked.link(open=() if opened else tuple(self.parents[:20]))))
        return [*made, errors]

    @property
    def failures(self) -> list[str]:
        """Anchors of the rows that failed."""
        return [row.anchor for row in self.drawing.rows[1:] if row.lane.failed]

    @cached_property
    def slots(self) -> list[tuple[Slot, Lane]]:
        """The recorded slots of the window with their lanes, for the table."""
        shown = {lane.key: lane for lane in self.shown}
        return [(slot, shown[str(slot.seq)]) for slot in self.story.slots if str(slot.seq) in shown]

    @property
    def pager(self) -> dict[str, Any] | None:
        """Where the other windows are, or None when all is shown."""
        own = [lane for lane in self.shown if lane.level == 1]
        if not self.is_windowed:
            return None
        first, last = (int(own[0].key), int(own[-1].key)) if own else (self.asked.after, self.asked.after)
        more = self.shown[-1] is not self.matching[-1] if self.shown and self.story.is_whole else len(own) > WINDOW
        total = self.story.workflow.steps_count
        return {
            "first": first, "last": last, "total": total,
            "before": self.asked.link(after=max(first - 1 - WINDOW, 0)) if self.asked.after else "",
            "after": self.asked.link(after=last) if more or (not self.story.is_whole and last < total) else "",
        }  # fmt: skip
