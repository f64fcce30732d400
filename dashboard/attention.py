"""What needs a person: the cause in a sentence, the evidence, and where to go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, Max, Min
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from durable.conf import conf
from durable.filters import WorkflowFilter
from durable.models import INTERNAL_QUEUE, Workflow
from durable.states import Status

from .census import WAITING, Census, Coverage
from .console import Console
from .crew import LOST, Member
from .fleet import Fleet
from .lines import PAUSED, Line, State
from .lines import UNSERVED as NOBODY
from .paging import CAP, capped_count, figure
from .templatetags.durable_console import moment
from .wording import plural, rough

DAY = timedelta(hours=24)
PATIENCE = timedelta(minutes=10)
"""Work that has been ready for longer than this is worth a word."""
MOST = 3
"""Of each kind, so that one kind does not hide the others."""

FAILED = State("failed", "failed", "Failed")
DEAD = State("dead", "dead", "Dead letter")
UNSERVED = State("backoff", "warn", "Unserved")
WAITS = State("queued", "queued", "Waiting")
GONE = State("info", "lost", "Lost")


@dataclass(frozen=True)
class Concern:
    """One thing to look at. `links` are words and addresses; `heals` says that no person is needed."""

    state: State
    headline: str
    evidence: SafeString | str
    links: list[tuple[str, str]] = field(default_factory=list)
    heals: bool = False


class Attention:
    """Finds what needs a person, from one look at the unfinished work and one at the failures."""

    def __init__(self, console: Console, census: Census, lines: list[Line], crew: list[Member]):
        self.console = console
        self.census = census
        self.lines = lines
        self.crew = crew
        self.coverage = Coverage(console.serving)

    @cached_property
    def concerns(self) -> list[Concern]:
        found = (
            self.failures(),
            self.dead_letters(),
            self.gaps(),
            self.stranded(),
            self.paused(),
            self.slow(),
            self.losses(),
        )
        return [concern for each in found for concern in each]

    @cached_property
    def failure_groups(self) -> list[dict[str, Any]]:
        """What failed in the last 24 hours, by name and type of error, among the newest 10,000 failures."""
        failed = Workflow.objects.using(self.console.alias).filter(failure=Status.ERROR)
        newest = failed.order_by("-created_at", "-pk").values("pk")[:CAP]
        recent = failed.filter(pk__in=newest, completed_at__gte=self.console.as_of - DAY)
        groups = recent.order_by().values("name", "error_type")
        return list(
            groups.annotate(count=Count("pk"), first=Min("completed_at"), last=Max("completed_at"))
            .order_by("-count", "name", "error_type")
        )  # fmt: skip

    @property
    def failed(self) -> int:
        return sum(group["count"] for group in self.failure_groups)

    def failures(self) -> Iterator[Concern]:
        for group in self.failure_groups[:MOST]:
            name, kind, count = group["name"], group["error_type"] or "an error", group["count"]
            once = count == 1
            evidence = (
                format_html("At {}.", moment(group["last"]))
                if once
                else format_html("First at {}, last at {}.", moment(group["first"]), moment(group["last"]))
            )
            yield Concern(
                FAILED,
                f"{name} failed with {kind}" if once else f"{name} failed {count:,} times with {kind}",
                evidence,
                [(plural(count, "workflow"), listed(phase=("failed",), name=name))],
            )
        if rest := self.failure_groups[MOST:]:
            count = sum(group["count"] for group in rest)
            yield Concern(
                FAILED,
                f"{plural(count, 'workflow')} failed in {plural(len(rest), 'other way')}",
                "In the last 24 hours.",
                [("All failures", listed(phase=("failed",)))],
            )

    def dead_letters(self) -> Iterator[Concern]:
        dead = Workflow.objects.using(self.console.alias).listed().filter(failure=Status.DEAD)
        newest = list(dead[: MOST + 1])
        if len(newest) > MOST:
            count = figure(capped_count(dead))
            yield Concern(
                DEAD,
                f"{count} workflows are set aside as dead letters",
                "Each crashed its executors more often than it may. They stay until someone resumes them.",
                [(f"{count} workflows", listed(phase=("dead",)))],
            )
            return
        for workflow in newest:
            crashes = plural(workflow.recovery_attempts, "time")
            yield Concern(
                DEAD,
                f"{workflow.pk} crashed its executor {crashes}",
                format_html("{}, set aside at {}. It stays until someone resumes it.",
                            workflow.name, moment(workflow.completed_at)),
                [("Open workflow", reverse("durable_dashboard:workflow", args=[workflow.pk]))],
            )  # fmt: skip

    def gaps(self) -> Iterator[Concern]:
        gaps = self.coverage.unserved(self.census)
        for (queue, name), count in gaps.most_common(MOST):
            gap = self.coverage.gap(queue, name) or f"the executor that knows {name} came back just now"
            where = "without a queue" if queue == INTERNAL_QUEUE else f"in queue {queue}"
            waits = "waits" if count == 1 else "wait"
            yield Concern(
                UNSERVED,
                f"{plural(count, 'workflow')} of {name} {waits}, and {gap}",
                f"They are stored {where} and start when an executor that serves it and knows {name} returns.",
                [(plural(count, "workflow"), listed(name=name, queue=(queue,)))],
            )
        if len(gaps) > MOST:
            rest = sum(gaps.values()) - sum(count for _, count in gaps.most_common(MOST))
            yield Concern(UNSERVED, f"{plural(rest, 'more workflow')} wait for executors that are not there", "")

    def stranded(self) -> Iterator[Concern]:
        """Work of versions that nobody runs, where versions are strict; elsewhere it is taken over."""
        if conf().VERSIONS != "strict":
            return
        for code in Fleet(self.console.alias, self.console.serving).stranded[:MOST]:
            if code.version and code.name in self.coverage.names:
                words = plural(code.idle, "workflow waits", "workflows wait")
                headline = f"{words} for version {code.version} of {code.name}, which nobody runs"
                evidence = "Start an executor of that version, or move them to one that runs."
                yield Concern(UNSERVED, headline, evidence, [("Versions", reverse("durable_dashboard:versions"))])

    def paused(self) -> Iterator[Concern]:
        for line in self.lines:
            if line.state is PAUSED and line.waiting:
                waits = "waits" if line.waiting == 1 else "wait"
                evidence = format_html("The oldest is ready since {}.", moment(line.since)) if line.since else ""
                headline = f"Queue {line.name} is paused, {line.waiting_figure} {waits}"
                yield Concern(PAUSED, headline, evidence, [(f"Queue {line.name}", queue_page(line.name))])

    def slow(self) -> Iterator[Concern]:
        for line in self.lines:
            late = line.since and self.console.as_of - line.since
            if late and late > PATIENCE and line.state not in (PAUSED, NOBODY):
                headline = f"The oldest of {line.waiting_figure} in {line.title} waits for {rough(late)}"
                evidence = f"{line.state.word}: {line.limits_said}." if line.limits_said else "The queue has no limit."
                yield Concern(WAITS, headline, evidence, [(f"Queue {line.title}", queue_page(line.name))])

    def losses(self) -> Iterator[Concern]:
        lost = [m.executor for m in self.crew if m.state is LOST and self.console.as_of - m.executor.lease_until < DAY]
        for executor in lost[:MOST]:
            taken = "Others take over what it ran." if self.console.serving else "What it ran goes on when one returns."
            evidence = format_html(
                "Its lease ended at {}; it ran {} at its last heartbeat. {}",
                moment(executor.lease_until), plural(executor.running, "workflow"), taken,
            )  # fmt: skip
            address = reverse("durable_dashboard:executors")
            yield Concern(GONE, f"Executor {executor.label} was lost", evidence, [("Executors", address)], heals=True)

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        needed = sum(not concern.heals for concern in self.concerns)
        healed = len(self.concerns) - needed
        also = f"; {in_words(healed)} took care of {'itself' if healed == 1 else 'themselves'}"
        if not needed:
            return "Nothing needs a person" + (f"{also}." if healed else ".")
        said = f"{in_words(needed)} thing{' needs' if needed == 1 else 's need'} a person"
        return said[0].upper() + said[1:] + (f"{also}." if healed else ".")

    @property
    def oldest(self) -> tuple[datetime, str] | None:
        """When the oldest waiting workflow became ready, and in which queue."""
        group = self.census.oldest(*WAITING)
        return (group.since, group.queue) if group and group.since else None


def listed(**parts: Any) -> str:
    return f"{reverse('durable_dashboard:workflows')}?{WorkflowFilter(**parts).to_query()}"


def queue_page(name: str) -> str:
    return reverse("durable_dashboard:queue", args=[name])


def in_words(count: int) -> str:
    small = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return small[count] if count < len(small) else f"{count:,}"
