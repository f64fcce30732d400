"""A long history of ended workflows, made by the database."""

from __future__ import annotations

import os

import psycopg

from ..measuring import Figures, Job
from .drain import fill, work

__all__ = ["build", "fill", "work"]

ROWS = """
with drawn as (
    select i, i::bigint * 7919 %% 1000003 %% 10000 as a, i::bigint * 104729 %% 1000033 %% 10000 as b,
        i::bigint * 611953 %% 1000037 %% 10000 as c, i::bigint * 15485863 %% 1000039 %% 10000 as d,
        (extract(epoch from now() - interval '30 days' * ((%(of)s - i + 1)::float8 / %(of)s) - interval '8 days')
            * 1000)::bigint as at
    from generate_series(%(first)s::int, %(last)s::int) i
),
workflows as (
    select *, 'history-' || lpad(i::text, 20, '0') as id,
        case when a < 200 then 'ERROR' when a < 210 then 'CANCELLED'
            when a < 211 then 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' else 'SUCCESS' end as status
    from drawn
),
inputs as (
    insert into dbos.workflow_input (workflow_uuid, inputs, retention_timestamp)
    select id, '{"positionalArgs": [' || i || '], "namedArgs": {}}', at from workflows
),
outputs as (
    insert into dbos.workflow_output (workflow_uuid, output, retention_timestamp)
    select id, i::text, at from workflows where status = 'SUCCESS'
)
insert into dbos.workflow_status (
    workflow_uuid, status, name, executor_id, created_at, updated_at, started_at_epoch_ms, completed_at,
    application_version, recovery_attempts, queue_name, priority, serialization)
select id, status, case when b < 1 then 'rarely' when b < 5000 then 'often' else 'job_' || b %% 20 end,
    'executor-' || d %% 20, at, at + 20, at + 5, at + 20, '1', 0,
    case when c < 1 then 'seldom' when c < 5000 then 'orders' when c < 6000 then 'mail' end, 0, 'portable_json'
from workflows
"""


def build(job: Job) -> Figures:
    """The workflows `job["first"]` to `job["last"]` of a history of `job["of"]`, the last of which ended a week ago."""
    with psycopg.connect(os.environ["BENCHMARK_DATABASE_URL"]) as connection:
        return {"built": connection.execute(ROWS, job).rowcount}
