"""Statements for what people, timeouts and other workflows do to a workflow: cancel, delay, resume, fork, rewind.

None of them is hot; rows that a fork copies are copied inside the database.
"""

from __future__ import annotations

from ..states import FINAL
from .dialect import Dialect

STEP = "workflow_id, seq, name, kind, output, error, child, attempts, epoch, started_at, completed_at"

PARTITION = """coalesce({given}, (select '' from durable_queue q where q.name = %(queue)s and q.partitioned))"""
"""Work without a key has a partition of its own in a queue that has partitions."""


class Steering:
    """The part of `statements.Statements` that changes what others have started."""

    def _steering(self, d: Dialect) -> None:
        """Changes of state that a person, a timeout or another workflow asks for."""
        cancelled = f"""status = 'CANCELLED', failure = 'CANCELLED', epoch = epoch + 1, run_after = null, wake_at = null,
                waiting_for = null, admitted = null, dedup_id = null, debounce_key = null, deadline = null,
                completed_at = {d.now}, updated_at = {d.now}"""
        self.cancel = f"""
            update durable_workflow set {cancelled}
            where {d.member("id", "ids")} and status in ('ENQUEUED', 'DELAYED', 'PENDING') returning id, epoch - 1, executor, queue"""

        late = (
            f"select w.id from durable_workflow w where w.deadline <= {d.now} order by w.deadline limit 500 {d.lock_w}"
        )
        self.expire = f"""
            update durable_workflow set {cancelled}
            where {d.among("id", late)} and status in ('ENQUEUED', 'DELAYED', 'PENDING') returning id, epoch - 1, executor, queue"""

        self.descendants = f"""
            with recursive tree(id) as (
                select w.id from durable_workflow w where {d.member("w.parent", "ids")}
                union select w.id from durable_workflow w join tree on w.parent = tree.id)
            select id from tree"""

        self.delay = f"""
            update durable_workflow set status = 'DELAYED', run_after = null, updated_at = {d.now},
                wake_at = coalesce({d.time("cast(%(until)s as float8)")}, {d.later("cast(%(seconds)s as float8)")})
            where id = %(id)s and status in ('ENQUEUED', 'DELAYED') and debounce_key is null returning id"""

        self.resume = f"""
            update durable_workflow set status = 'ENQUEUED', failure = null, epoch = epoch + 1, executor = null,
                queue = %(queue)s, position = {d.position}, admitted = null,
                partition_key = {PARTITION.format(given="partition_key")}, dedup_id = null, debounce_key = null,
                run_after = {d.now}, wake_at = null, waiting_for = null, completed_at = null, output = null, error = null, error_type = null,
                error_fingerprint = null, deadline = null, recovery_attempts = 0, updated_at = {d.now}
            where {d.member("id", "ids")} and (status in ('ENQUEUED', 'DELAYED', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')
                or (status = 'ERROR' and error_type = 'NonDeterminism')) returning id, epoch - 1"""

    def _forking(self, d: Dialect) -> None:
        """Running a workflow again from a step. What a step wrote carries its slot, so "as of step n" is `seq < n`."""
        partition = PARTITION.format(given="cast(%(partition_key)s as text)")
        # The epoch of a fork is 1, so that its first claim is no fresh start: it loads the journal.
        self.fork = f"""
            insert into durable_workflow (id, name, class_name, config_name, status, epoch, generation, queue,
                partition_key, priority, position, run_after, version, application, created_at, updated_at, timeout,
                recovery_attempts, max_recovery_attempts, forked_from, was_forked_from, authenticated_user, assumed_role,
                authenticated_roles, attributes, input, serialization)
            select %(id)s, name, class_name, config_name, 'ENQUEUED', 1, 0, %(queue)s, {partition},
                priority, {d.position}, {d.now}, coalesce(%(version)s, version), application, {d.now}, {d.now},
                cast(%(timeout)s as float8), 0, max_recovery_attempts, id, false, authenticated_user, assumed_role,
                authenticated_roles, attributes, input, serialization
            from durable_workflow where id = %(original)s
            on conflict do nothing returning id"""

        # What a fork takes over: steps (with their failed attempts), events, stream entries, messages.
        edits, renamed = d.rows("edits", "s int, o text"), d.rows("renamed", "o text, n text")
        is_edited = f"s.seq in (select x.s from {edits})"
        kept = "workflow_id = %(original)s and seq < %(start)s"
        self.copies: tuple[str, ...] = (
            f"""insert into durable_step ({STEP})
                select %(id)s, s.seq, s.name, s.kind,
                    case when {is_edited} then (select x.o from {edits} where x.s = s.seq) else s.output end,
                    case when {is_edited} then null else s.error end,
                    coalesce(x.n, s.child), s.attempts, 1, s.started_at, s.completed_at
                from durable_step s left join {renamed} on x.o = s.child where {kept}""",
            f"""insert into durable_stepattempt (workflow_id, seq, n, name, error, started_at, ended_at)
                select %(id)s, a.seq, a.n, a.name, a.error, a.started_at, a.ended_at from durable_stepattempt a
                where {kept} and exists
                    (select 1 from durable_step s where s.workflow_id = a.workflow_id and s.seq = a.seq)""",
            f"""insert into durable_event (workflow_id, key, seq, value, created_at)
                select %(id)s, key, seq, value, created_at from durable_event where {kept}""",
            f"""insert into durable_streamentry (workflow_id, key, "offset", seq, value, created_at)
                select %(id)s, key, row_number() over (partition by key order by "offset") - 1, seq, value, created_at
                from durable_streamentry where {kept}""",
            """insert into durable_message (workflow_id, topic, key, body, sender, created_at)
                select %(id)s, topic, key, body, sender, created_at from durable_message
                where workflow_id = %(original)s and (consumed_seq is null or consumed_seq >= %(start)s) order by id""",
        )

        final = ", ".join(f"'{status}'" for status in sorted(FINAL))
        self.rewind = f"""
            update durable_workflow set status = 'ENQUEUED', failure = null, epoch = epoch + 1, generation = generation + 1,
                executor = null, queue = %(queue)s, partition_key = {partition}, position = {d.position},
                admitted = null, dedup_id = null, debounce_key = null, debounce_deadline = null, run_after = {d.now},
                wake_at = null, waiting_for = null, version = coalesce(%(version)s, version), completed_at = null,
                output = null, error = null, error_type = null, error_fingerprint = null, deadline = null,
                recovery_attempts = 0, updated_at = {d.now}
            where id = %(id)s and status in ({final}) returning epoch - 1"""

        # Steps that ran at the same time may have written to a stream in another order than that of their slots: its
        # entries are numbered anew, by way of negative numbers, so that no two have the same at any moment.
        self.close_gaps = (
            """update durable_streamentry as e set "offset" = -1 - x.place
                from (select key, "offset" as was, row_number() over (partition by key order by "offset") - 1 as place
                    from durable_streamentry where workflow_id = %(id)s) as x
                where e.workflow_id = %(id)s and e.key = x.key and e."offset" = x.was and x.place <> x.was""",
            """update durable_streamentry set "offset" = -1 - "offset" where workflow_id = %(id)s and "offset" < 0""",
        )
