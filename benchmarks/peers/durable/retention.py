"""Old workflows that are deleted while new ones are worked off."""

from __future__ import annotations

import time

from django.db import connection

import durable

from ..measuring import Figures, Job
from .drain import fill, work
from .volume import build as build_workflows

__all__ = ["build", "fill", "prune", "work"]

STEPS = """
insert into durable_step (workflow_id, seq, name, kind, output, epoch, attempts, started_at, completed_at)
select id, 0, 'add', 'step', '3', 1, 1, started_at, completed_at from durable_workflow w
where not exists (select 1 from durable_step s where s.workflow_id = w.id)
"""


def build(job: Job) -> Figures:
    """`volume.build`, and one recorded step for each."""
    figures = build_workflows(job)
    with connection.cursor() as cursor:
        cursor.execute(STEPS)
    return figures


def prune(job: Job) -> Figures:
    """Delete what ended more than `job["older_than"]` seconds ago: how many, and when that began and ended."""
    began = time.time()
    deleted = durable.prune(older_than=job["older_than"])
    return {"deleted": deleted, "began": began, "ended": time.time()}
