"""A long history of ended workflows, made by the database."""

from __future__ import annotations

from django.db import connection

from ..measuring import Figures, Job
from .drain import fill, work

__all__ = ["build", "fill", "work"]

SPAN = "interval '30 days'"
BUILD = f"""
insert into durable_workflow (
    id, name, status, failure, queue, epoch, generation, priority, position, executor, version, application,
    created_at, started_at, completed_at, updated_at, recovery_attempts, parent, forked_from, was_forked_from, schedule,
    authenticated_user, attributes, input, output, error, error_type, error_fingerprint, serialization)
select
    regexp_replace(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0'), '(.{{8}})', '\\1-')
        || '-7000-8000-' || lpad(to_hex(i), 12, '0'),
    case when b < 1 then 'rarely' when b < 5000 then 'often' else 'job_' || b %% 20 end,
    status, nullif(status, 'SUCCESS'),
    case when c < 1 then 'seldom' when c < 5000 then 'orders' when c < 6000 then 'mail' else '_durable' end,
    1, 0, 0, -i, 'executor-' || d %% 20, 'v' || i / (%(of)s / 10 + 1), 'benchmarks',
    at, at + interval '5 ms', at + interval '20 ms', at + interval '20 ms', 0,
    case when d < 100 then 'parent-' || d end, case when d between 100 and 109 then 'fork-' || d end,
    d between 200 and 209, case when d between 300 and 399 then 'nightly' end,
    case when d < 5000 then 'user-' || d %% 100 end,
    case when d between 1000 and 1999 then '{{"region": "eu"}}'::jsonb end,
    '{{"args": [' || i || '], "kwargs": {{}}}}', case when status = 'SUCCESS' then i::text end,
    case when status = 'ERROR' then '{{"type": "ValueError", "message": "no"}}' end,
    case when status = 'ERROR' then (array['ValueError', 'KeyError', 'TimeoutError', 'OSError'])[1 + d %% 4] end,
    case when status = 'ERROR' then 'fingerprint-' || d %% 8 end, 'json'
from (
    select i, now() - {SPAN} * ((%(of)s - i + 1)::float8 / %(of)s) - interval '8 days' as at,
        case when a < 200 then 'ERROR' when a < 210 then 'CANCELLED'
            when a < 211 then 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' else 'SUCCESS' end as status, b, c, d
    from (
        select i, i::bigint * 7919 %% 1000003 %% 10000 as a, i::bigint * 104729 %% 1000033 %% 10000 as b,
            i::bigint * 611953 %% 1000037 %% 10000 as c, i::bigint * 15485863 %% 1000039 %% 10000 as d
        from generate_series(%(first)s::int, %(last)s::int) i
    ) drawn
) timed
"""


def build(job: Job) -> Figures:
    """The workflows `job["first"]` to `job["last"]` of a history of `job["of"]`, the last of which ended a week ago."""
    with connection.cursor() as cursor:
        cursor.execute(BUILD, job)
        return {"built": cursor.rowcount}
