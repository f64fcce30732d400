"""The hot statements, written once over the few words in which the databases differ (`dialect`).

The rules behind their shape, each measured: a batch travels as one JSON parameter; every write of a run takes its
workflow's row lock in id order and skips rows that somebody else holds; ids are compared as `= any(array(...))`, because
PostgreSQL takes a LIMIT that it does not know for a tenth of the table.
"""

from __future__ import annotations

from .dialect import Dialect
from .steering import STEP, Steering

CLAIMED = """id, epoch, name, class_name, config_name, input, serialization, generation, queue, parent,
    authenticated_user, assumed_role, authenticated_roles, recovery_attempts, version, partition_key, {deadline}"""

NEW = """id text, name text, class_name text, config_name text, queue text, partition_key text, priority int,
    dedup_id text, delay float8, timeout float8, deadline float8, version text, application text, parent text, max_recovery_attempts int,
    authenticated_user text, assumed_role text, authenticated_roles jsonb, attributes jsonb, traceparent text, input text,
    serialization text, executor text, pw text, ps int, pe int"""


LAST_ENTRY = 'from durable_streamentry s where s.workflow_id = {w} and s.key = {k} order by s."offset" desc limit 1'


def some(rows: str) -> str:
    """Whether there are such rows, probed one by one: for `exists`, PostgreSQL may hash a whole table without statistics,
    and keep that plan while the table grows."""
    return f"coalesce((select true from {rows} limit 1), false)"


INTERNAL_QUEUE = "_durable"


class Statements(Steering):
    """Every statement of one dialect, built once."""

    def __init__(self, d: Dialect):
        for build in (
            self._slots, self._effects, self._partings, self._wakings, self._claims, self._lines, self._queues,
            self._executors, self._lost, self._unserved, self._steering, self._forking, self._reading,
        ):  # fmt: skip
            build(d)

    # --- what runs write

    def _slots(self, d: Dialect) -> None:
        """Slots, each decided once."""
        self.record = f"""
            with x as materialized (select * from {d.rows("rows", "w text, e int, s int, n text, k text, o text, r text, c text, a int, b float8, f float8")}),
            l as materialized (select w.id, w.epoch from durable_workflow w
                where {d.among("w.id", "select w from x")} and w.status = 'PENDING' order by w.id {d.lock})
            insert into durable_step ({STEP})
            select x.w, x.s, x.n, x.k, x.o, x.r, x.c, x.a, x.e, {d.time("x.b")}, {d.time("x.f")}
            from x join l on l.id = x.w and l.epoch = x.e where true
            on conflict do nothing returning workflow_id, seq"""

        self.record_one = f"""
            insert into durable_step ({STEP})
            select w.id, %(s)s, %(n)s, %(k)s, %(o)s, %(r)s, %(c)s, %(a)s, w.epoch, {d.time("%(b)s")}, {d.time("%(f)s")}
            from durable_workflow w where w.id = %(w)s and w.epoch = %(e)s and w.status = 'PENDING' {d.lock_w}
            on conflict do nothing returning workflow_id, seq"""

        # Last in a transaction of the user's: a process that is frozen before its commit must not hold the lock for ever.
        self.record_last = self.record_one + d.until_committed

        self.tries = f"""
            insert into durable_stepattempt (workflow_id, seq, n, name, error, started_at, ended_at)
            select x.w, x.s, x.n, x.name, x.r, {d.time("x.b")}, {d.time("x.f")}
            from {d.rows("tries", "w text, e int, s int, n int, name text, r text, b float8, f float8")}
            join durable_workflow w on w.id = x.w and w.epoch = x.e and w.status = 'PENDING' where true {d.lock_w}
            on conflict (workflow_id, seq, n) do update set ended_at = excluded.ended_at returning workflow_id, seq"""

    def _effects(self, d: Dialect) -> None:
        """What commits with a slot, and only with it."""
        own_slot = some("durable_step s where s.workflow_id = x.pw and s.seq = x.ps and s.epoch = x.pe")
        guarded = f"(x.pw is null or {own_slot})"
        status = "case when x.executor is not null then 'PENDING' when x.delay is not null then 'DELAYED' else 'ENQUEUED' end"
        partition = f"""case when x.partition_key is null and x.queue <> '{INTERNAL_QUEUE}' then
                    (select '' from durable_queue q where q.name = x.queue and q.partitioned) else x.partition_key end"""
        deadline = f"case when x.deadline is not null then {d.time('x.deadline')} when x.executor is not null then {d.later('x.timeout')} end"
        self.insert = f"""
            insert into durable_workflow (id, name, class_name, config_name, status, epoch, generation, executor, queue,
                partition_key, priority, position, dedup_id, run_after, wake_at, version, application, created_at,
                started_at, updated_at, timeout, deadline, recovery_attempts, max_recovery_attempts, parent,
                authenticated_user, assumed_role, authenticated_roles, attributes, traceparent, input, serialization)
            select x.id, x.name, x.class_name, x.config_name, {status}, case when x.executor is null then 0 else 1 end, 0,
                x.executor, x.queue, {partition}, x.priority, {d.position_of_row}, x.dedup_id,
                case when x.delay is null then {d.now} end, {d.later("x.delay")}, x.version, x.application, {d.now},
                case when x.executor is not null then {d.now} end, {d.now}, x.timeout, {deadline}, 0,
                x.max_recovery_attempts, x.parent, x.authenticated_user, x.assumed_role, x.authenticated_roles,
                x.attributes, x.traceparent, x.input, x.serialization
            from {d.rows("new", NEW)} where {guarded}
            on conflict do nothing returning id"""

        # While a row can still be debounced it holds the key; one that is promoted at this moment has let go of it.
        due = f"case when x.cap is null or x.cap > x.delay then {d.later('x.delay')} else {d.later('x.cap')} end"
        self.debounce = f"""
            insert into durable_workflow (id, name, class_name, config_name, status, epoch, generation, queue, partition_key, priority,
                position, debounce_key, debounce_deadline, wake_at, version, application, created_at, updated_at, timeout,
                recovery_attempts, max_recovery_attempts, authenticated_user, assumed_role, authenticated_roles, attributes,
                parent, input, serialization)
            select x.id, x.name, x.class_name, x.config_name, 'DELAYED', 0, 0, x.queue, {partition}, x.priority, {d.position_of_row},
                x.key, {d.later("x.cap")}, {due}, x.version, x.application, {d.now}, {d.now}, x.timeout, 0,
                x.max_recovery_attempts, x.authenticated_user, x.assumed_role, x.authenticated_roles, x.attributes,
                x.parent, x.input, x.serialization
            from {d.rows("new", NEW.replace("pw text", "key text, cap float8, pw text"))} where true
            on conflict (debounce_key) where debounce_key is not null do update set input = excluded.input,
                serialization = excluded.serialization, version = excluded.version, updated_at = excluded.updated_at,
                wake_at = case when durable_workflow.debounce_deadline < excluded.wake_at
                    then durable_workflow.debounce_deadline else excluded.wake_at end
            where durable_workflow.status = 'DELAYED' returning id"""

        self.deliver = f"""
            insert into durable_message (workflow_id, topic, key, body, sender, created_at)
            select x.w, x.t, x.k, x.o, x.pw, {d.now}
            from {d.rows("messages", "w text, t text, k text, o text, pw text, ps int, pe int")} where {guarded}
                and {some("durable_workflow w where w.id = x.w")}
            on conflict do nothing returning workflow_id"""

        self.consume = f"""
            update durable_message as m set consumed_seq = x.ps
            from {d.rows("consumed", "m bigint, pw text, ps int, pe int")}
            where m.id = x.m and m.workflow_id = x.pw and m.consumed_seq is null and {guarded}"""

        fenced = some("durable_workflow w where w.id = x.w and w.epoch = x.pe")
        self.publish = f"""
            insert into durable_event (workflow_id, key, seq, value, created_at)
            select x.w, x.k, x.ps, x.o, {d.now}
            from {d.rows("events", "w text, k text, o text, pw text, ps int, pe int")} where {guarded} and {fenced}
            on conflict (workflow_id, key, seq) do update set value = excluded.value, created_at = excluded.created_at"""

        # A closed stream takes nothing more, and a slot writes one entry, also when its batch is written again.
        last_here = LAST_ENTRY.format(w="x.w", k="x.k")
        self.append = f"""
            insert into durable_streamentry (workflow_id, key, "offset", seq, value, created_at)
            select x.w, x.k, coalesce((select s."offset" {last_here}), -1) + row_number() over (partition by x.w, x.k order by x.n),
                x.ps, x.o, {d.now}
            from {d.rows("entries", "n int, w text, k text, o text, pw text, ps int, pe int")} where {guarded} and {fenced}
                and not coalesce((select s.value is null {last_here}), false)
                and (x.pw is null or not {some("durable_streamentry s where s.workflow_id = x.w and s.seq = x.ps and s.key = x.k")})"""

    def _partings(self, d: Dialect) -> None:
        """How a run ends, or lets go of its workflow."""
        self.finish = f"""
            update durable_workflow as w set status = x.t, output = x.o, error = x.r, error_type = x.y,
                error_fingerprint = x.p, failure = case when x.t = 'SUCCESS' then null else x.t end, run_after = null,
                wake_at = null, waiting_for = null, admitted = null, dedup_id = null, deadline = null,
                completed_at = {d.now}, updated_at = {d.now}
            from {d.rows("endings", "w text, e int, t text, o text, r text, y text, p text")}
            where w.id = x.w and w.epoch = x.e and w.status = 'PENDING' and {d.held("endings")}
            returning id"""

        self.let_go = f"""
            update durable_workflow as w set executor = null, epoch = w.epoch + 1, waiting_for = x.reason,
                run_after = case when x.reason is null then coalesce(w.run_after, {d.now}) end,
                wake_at = case when x.reason is null then null when x.u is null then {d.later("3600")} else {d.time("x.u")} end,
                updated_at = {d.now}
            from {d.rows("lettings", "w text, e int, reason text, u float8")}
            where w.id = x.w and w.epoch = x.e and w.status = 'PENDING' and {d.held("lettings")}
            returning id"""

        parked = some("""durable_workflow w where w.id = x.w and w.epoch = x.e + 1
                and w.status = 'PENDING' and w.executor is null and w.waiting_for is not null""")
        self.wait = f"""
            insert into durable_wait (kind, target, detail, number, workflow_id)
            select x.k, x.t, x.d, x.n, x.w from {d.rows("waits", "k text, t text, d text, n int, w text, e int")} where {parked}
            on conflict do nothing"""

    def _wakings(self, d: Dialect) -> None:
        """Who may go on because of what was written."""
        self.come_true = f"""
            select distinct x.w from {d.rows("waits", "k text, t text, d text, n int, w text")} where
            (x.k = 'message' and {some("durable_message m where m.workflow_id = x.t and m.topic = x.d and m.consumed_seq is null")})
            or (x.k = 'event' and {some("durable_event v where v.workflow_id = x.t and v.key = x.d")})
            or (x.k = 'stream' and {some('durable_streamentry s where s.workflow_id = x.t and s.key = x.d and s."offset" >= coalesce(x.n, 0)')})
            or (x.k = 'child' and not {some("durable_workflow c where c.id = x.t and c.status in ('ENQUEUED', 'DELAYED', 'PENDING')")})"""

        waiting = """select w.id from {source} join durable_wait t on t.kind = x.k and t.target = x.t and t.detail = x.d
            join durable_workflow w on w.id = t.workflow_id
            where w.status = 'PENDING' and w.executor is null and w.run_after is null order by w.id """
        source = d.rows("true", "k text, t text, d text")
        self.wake = f"""
            update durable_workflow set run_after = {d.now}, wake_at = null, updated_at = {d.now}
            where {d.among("id", waiting.format(source=source) + d.lock_w)} returning id, queue"""

        ended = some("""durable_workflow w where w.id = x.w
                and (w.epoch = x.e and w.status <> 'PENDING' and x.t <> 'released'
                or w.epoch = x.e + 1 and (w.status <> 'PENDING' or w.executor is null))""")
        first = f"not {some('durable_attempt a where a.workflow_id = x.w and a.epoch = x.e')}"
        self.attempts = f"""
            insert into durable_attempt (workflow_id, epoch, executor, ended_at, outcome, detail)
            select x.w, x.e, x.x, {d.now}, x.t, coalesce(x.d, '')
            from {d.rows("attempts", "w text, e int, x text, t text, d text")}
            where {ended} and (x.t = 'resumed' or {first})"""

        self.hold = f"select id from durable_workflow where {d.member('id', 'ids')} order by id {d.hold}"
        self.lock = f"select id from durable_workflow where {d.member('id', 'ids')} order by id {d.lock}"

    # --- how executors get work

    def _claims(self, d: Dialect) -> None:
        """Taking ready work, as much as an executor has room for."""
        claimed = CLAIMED.format(deadline=d.seconds("deadline"))
        version = f"({d.member('w.version', 'versions')} or (w.version is null and %(any)s))"
        in_time = f"(w.deadline is null or w.deadline > {d.now})"  # what is late is cancelled, not begun
        ready = f"w.run_after is not null and w.executor is null and {d.member('w.name', 'names')} and {version} and {in_time}"
        taken = f"""status = 'PENDING', executor = %(me)s, epoch = w.epoch + 1, waiting_for = null,
                started_at = coalesce(w.started_at, {d.now}), updated_at = {d.now},
                deadline = coalesce(w.deadline, {d.later("w.timeout")}), version = coalesce(w.version, %(tag)s)"""
        alive = f"exists (select 1 from durable_executor e where e.id = %(me)s and not e.draining and e.lease_until > {d.now})"

        # An executor that has not yet noticed that a queue was paused or given a limit takes nothing from it.
        open_to_all = """w.queue not in (select o.name from durable_queue o
            where o.paused or o.partitioned or o.concurrency is not null or o.rate_limit is not null)"""
        self.claim = f"""
            update durable_workflow as w set {taken}
            where {d.among("w.id", d.first_of_each_queue(f"{ready} and {open_to_all}"))} and {alive} returning {claimed}"""

        # All that an idle executor asks: every queue with its limits, whether it has work, and what is due next.
        terms = "name, paused, concurrency, worker_concurrency, rate_limit, max_tasks_per_iteration, partitioned"
        due = ", ".join(
            f"(select {d.seconds(f'min({each})')} from durable_workflow where {each} is not null)"
            for each in ("wake_at", "deadline")
        )
        self.next_due = f"select {due}"
        self.poll = f"""
            select q.*, exists (select 1 from durable_workflow w where w.queue = q.name and {ready}), {due}
            from (select {terms} from durable_queue union all
                select '{INTERNAL_QUEUE}', false, null, null, null, null, false) as q"""
        self.claim_places = f"""
            update durable_workflow as w set {taken}
            where {d.among("w.id", f"select w.id from durable_workflow w where w.admitted = %(queue)s and {ready} limit %(room)s {d.lock_w}")}
            and {alive} returning {claimed}"""

        fresh = f"w.queue = %(queue)s and w.admitted is null and {ready}"
        of_partition = f"{fresh} and w.partition_key = %(partition)s"
        admit = f"update durable_workflow as w set {taken}, admitted = %(queue)s"
        self.claim_line = (
            f"{admit} where {d.among('w.id', d.first_in_line(fresh, ready))} and {alive} returning {claimed}"
        )
        self.claim_partition = (
            f"{admit} where {d.among('w.id', d.first_in_line(of_partition, ready))} and {alive} returning {claimed}"
        )

        self.ready_places = f"""select w.id, w.partition_key from durable_workflow w where w.admitted = %(queue)s and {ready}
            order by w.run_after limit 1000"""
        self.claim_chosen = f"""
            update durable_workflow as w set {taken}
            where {d.among("w.id", f"select w.id from durable_workflow w where {d.member('w.id', 'ids')} and w.admitted = %(queue)s and {ready} {d.lock_w}")}
            and {alive} returning {claimed}"""

    def _lines(self, d: Dialect) -> None:
        """What is counted under the lock of a limited queue's row."""
        self.admit_running = f"""
            update durable_workflow set admitted = queue
            where {d.among("id", f"select w.id from durable_workflow w where {d.member('w.id', 'ids')} and w.executor = %(me)s and w.admitted is null and w.status = 'PENDING' {d.lock_w}")}
            returning id"""
        self.partition_places = """select partition_key, count(*) from durable_workflow where admitted = %(queue)s
            group by partition_key"""
        self.first_partitions = d.partitions("w.partition_key is not null")
        self.partitions_after = d.partitions("w.partition_key > %(after)s")
        self.moment = f"select {d.seconds(d.clock)}"

        self.queue_lock = f"""select concurrency, rate_limit, rate_period, starts, {d.seconds(d.clock)}, partitioned,
                partition_concurrency, partition_worker_concurrency, partition_rate_limit, partition_rate_period,
                partition_starts, paused
            from durable_queue where name = %(queue)s {d.lock}"""
        self.queue_starts = "update durable_queue set starts = %(starts)s where name = %(queue)s"
        self.partition_starts = "update durable_queue set partition_starts = %(starts)s where name = %(queue)s"

    def _queues(self, d: Dialect) -> None:
        """What an executor looks at before it claims, and what is due."""
        self.forget_waits = f"delete from durable_wait where {d.member('workflow_id', 'ids')}"

        self.next_due = f"""select (select {d.seconds("min(wake_at)")} from durable_workflow where wake_at is not null),
            (select {d.seconds("min(deadline)")} from durable_workflow where deadline is not null)"""

        # What was delayed joins its queue at the end, in the order in which it came due.
        due_now = f"select w.id, w.wake_at, w.position from durable_workflow w where w.wake_at <= {d.now} order by w.wake_at limit 500 {d.lock_w}"
        self.promote = f"""
            with due as materialized ({due_now}),
                y as materialized (select z.id as y_id, {d.position_in_order} as place from (select * from due order by wake_at, position) as z)
            update durable_workflow as w set run_after = {d.now}, wake_at = null, updated_at = {d.now}, debounce_key = null,
                position = case when w.status = 'DELAYED' then y.place else w.position end,
                status = case when w.status = 'DELAYED' then 'ENQUEUED' else w.status end
            from y where w.id = y.y_id and {d.among("w.id", "select id from due")} returning id, queue"""

    # --- how executors live

    def _executors(self, d: Dialect) -> None:
        """An executor's own row."""
        self.pulse = f"""
            update durable_executor set heartbeat_at = {d.now}, lease_until = {d.later("%(lease)s")}, running = %(running)s,
                activity = %(activity)s
            where id = %(me)s and stopped_at is null
            returning draining, {d.seconds(d.now)} as moment"""
        self.beating_poll = d.beating(self.pulse, self.poll)

        self.drain = "update durable_executor set draining = true where id = %(me)s"
        self.goodbye = f"""update durable_executor set lease_until = {d.now}, stopped_at = {d.now}, running = 0, activity = '[]'
            where id = %(me)s"""
        self.known = f"""select definitions from durable_executor
            where lease_until > {d.now} and claims and not draining"""

    def _lost(self, d: Dialect) -> None:
        """What the dead held, and wake-ups that were lost."""
        self.orphans = f"""
            select w.id, w.epoch, w.executor, w.recovery_attempts, w.max_recovery_attempts, w.name
            from durable_workflow w where w.run_after is not null and w.executor is not null and not exists
                (select 1 from durable_executor e where e.id = w.executor and e.lease_until > {d.now})
            limit 1000 {d.lock_w}"""

        # Whether anything is held, waits, or stands in line, and when the lease of another executor ends.
        self.rounds = f"""
            select exists (select 1 from durable_workflow w where w.run_after is not null and w.executor is not null),
                exists (select 1 from durable_wait),
                exists (select 1 from durable_workflow w where w.run_after is not null and w.executor is null),
                (select {d.seconds("min(e.lease_until)")} from durable_executor e where e.lease_until > {d.now} and e.id <> %(me)s)"""

        self.declare_dead = f"""
            update durable_executor set stopped_at = {d.now}
            where {d.member("id", "ids")} and lease_until <= {d.now} and stopped_at is null"""

        self.recover = f"""
            update durable_workflow as w set executor = null, epoch = w.epoch + 1, recovery_attempts = w.recovery_attempts + 1,
                updated_at = {d.now}
            from {d.rows("lost", "w text, e int")} where w.id = x.w and w.epoch = x.e"""

        self.bury = f"""
            update durable_workflow as w set status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED',
                failure = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', epoch = w.epoch + 1, recovery_attempts = w.recovery_attempts + 1,
                run_after = null, wake_at = null, waiting_for = null, admitted = null, dedup_id = null, deadline = null,
                completed_at = {d.now}, updated_at = {d.now}
            from {d.rows("lost", "w text, e int")} where w.id = x.w and w.epoch = x.e"""

        self.latest_version = """select name from durable_version where application = %(application)s
            order by promoted_at desc, id desc limit 1"""

        self.mine = "select id, epoch from durable_workflow where run_after is not null and executor = %(me)s"

        self.missed = """
            select t.kind, t.target, t.detail, t.workflow_id, t.number from durable_wait t
            where (t.kind, t.target, t.detail, t.workflow_id) > (%(kind)s, %(target)s, %(detail)s, %(workflow)s)
            order by t.kind, t.target, t.detail, t.workflow_id limit 500"""

    def _unserved(self, d: Dialect) -> None:
        """Work that no living executor can run."""
        served = f"""exists (select 1 from {d.rows("served", "n text, v text", "y")}
                where y.n = w.name and (y.v is null or y.v = w.version or (w.version is null and %(any)s)))"""
        # Only what is changed is locked: a claim that meets a locked row takes nothing from behind it.
        idle = "w.run_after is not null and w.executor is null"
        heads = d.among("w.id", d.first_of_each_queue(idle, lock=""))
        unserved = d.among(
            "w.id", f"select w.id from durable_workflow w where {heads} and {idle} and not {served} {d.lock_w}"
        )
        unnamed = d.among(
            "w.id",
            f"select w.id from durable_workflow w where {heads} and {idle} and w.partition_key is null "
            f"and w.queue in (select q.name from durable_queue q where q.partitioned) {d.lock_w}",
        )
        self.set_aside = f"""
            update durable_workflow as w set run_after = null, wake_at = {d.later("30")}, waiting_for = 'executor:' || w.name
            where {unserved} returning id"""
        self.adopt = f"""
            update durable_workflow as w set version = x.v, updated_at = {d.now} from {d.rows("mine", "n text, v text")}
            where {unserved} and x.n = w.name and x.v <> w.version returning id"""
        self.name_partitions = f"""
            update durable_workflow as w set partition_key = '' where {unnamed} returning id"""
        self.welcome = f"""
            update durable_workflow set run_after = {d.now}, wake_at = null, waiting_for = null
            where wake_at is not null and {d.member("waiting_for", "reasons")} returning id"""

    # --- what waiters read

    def _reading(self, d: Dialect) -> None:
        """What operations ask, and journals."""
        self.next_message = """select id, body from durable_message where workflow_id = %(w)s and topic = %(t)s
            and consumed_seq is null order by id limit %(n)s"""
        self.event_value = """select value from durable_event where workflow_id = %(w)s and key = %(k)s
            order by seq desc limit 1"""
        self.entries = """select "offset", value from durable_streamentry where workflow_id = %(w)s and key = %(k)s
            and "offset" >= %(o)s order by "offset" limit %(n)s"""
        self.closer = f"select seq from (select s.seq, s.value {LAST_ENTRY.format(w='%(w)s', k='%(k)s')}) as z where value is null"
        self.all_events = "select key, value from durable_event where workflow_id = %(w)s order by key, seq"
        self.standing = f"""select id, name, class_name, config_name, status, output, error, serialization,
            recovery_attempts, input from durable_workflow where {d.member("id", "ids")}"""
        self.holder = "select id from durable_workflow where queue = %(q)s and dedup_id = %(d)s"
        self.fences = f"select id, epoch, status from durable_workflow where {d.member('id', 'ids')}"
        self.stored = f"select workflow_id, seq, name, epoch from durable_step where {d.member('workflow_id', 'ids')}"
        self.journal = f"""select workflow_id, seq, name, output, error, child from durable_step
            where {d.member("workflow_id", "ids")}"""
        self.past_tries = f"""select workflow_id, seq, error from durable_stepattempt
            where {d.member("workflow_id", "ids")} order by workflow_id, seq, n"""
