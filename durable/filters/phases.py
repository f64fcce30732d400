"""The phases in which people see workflows, asked of the database in the way that its indexes answer."""

from __future__ import annotations

from django.db.models import Q

from ..states import LIVE, OF_STATUS, OF_WAIT, Status


def in_phase(key: str) -> Q:
    """The workflows that `durable.states.phase_of` puts in a phase, asked for so that a partial index answers."""
    for status, phase in OF_STATUS.items():
        if phase == key and status not in LIVE:
            return Q(status=status) if status == Status.SUCCESS else Q(failure=status)
    unserved = waits("executor")
    ready = Q(run_after__isnull=False)
    alive = Q(run_after__isnull=False) | Q(wake_at__isnull=False)
    if key == "unserved":
        return alive & Q(status__in=LIVE) & unserved
    here = Q(waiting_for__isnull=True) | ~unserved
    if key == "queued":
        return ready & Q(status=Status.ENQUEUED) & here
    if key == "delayed":
        return alive & Q(status=Status.DELAYED) & here
    if key == "running":
        return ready & Q(status=Status.PENDING, executor__isnull=False) & here
    let_go = Q(status=Status.PENDING, executor__isnull=True) & here
    parked = Q(run_after__isnull=True, wake_at__isnull=False) & let_go
    known = {phase: waits(kind) for kind, phase in OF_WAIT.items()}
    if key in known:
        return parked & known[key]
    other = Q(waiting_for__isnull=False)
    for condition in known.values():
        other &= ~condition
    return (ready & let_go) | (parked & (Q(waiting_for__isnull=True) | other))


def waits(kind: str) -> Q:
    """`waiting_for` is `kind` or `kind:detail`."""
    return Q(waiting_for=kind) | Q(waiting_for__gte=f"{kind}:", waiting_for__lt=f"{kind};")
