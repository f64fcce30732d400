"""The few words in which the two databases differ, so that most statements are written once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


class Shared:
    """What both say in the same words."""

    @staticmethod
    def partitions(first: str) -> str:
        """The next %(most)s partitions that have rows in line, beginning with one that is `first`.

        A loose index scan: one probe of the index for each partition, however long their lines are.
        """
        key = """select w.partition_key from durable_workflow w where w.queue = %(queue)s and w.run_after is not null
            and w.executor is null and {bound} order by w.partition_key limit 1"""
        later = key.format(bound="w.partition_key > keys.name")
        return f"""with recursive keys(name, n) as (
            select ({key.format(bound=first)}), 1
            union all
            select ({later}), keys.n + 1 from keys where keys.name is not null and keys.n < %(most)s)
            select name from keys where name is not null"""


class Postgres(Shared):
    now = "statement_timestamp()"  # stable, so that an index can be asked for what is due
    clock = "clock_timestamp()"  # moves on within a statement: what time it is after waiting for a lock
    position = position_of_row = position_in_order = "nextval('durable_position')"
    lock = "for no key update skip locked"
    lock_w = "for no key update of w skip locked"
    hold = "for no key update"
    until_committed = ", set_config('idle_in_transaction_session_timeout', %(patience)s, true)"

    @staticmethod
    def rows(name: str, columns: str, alias: str = "x") -> str:
        """The JSON array in parameter `name` as a table; `columns` is "w text, e int, ..."."""
        return f"json_to_recordset(%({name})s::json) as {alias}({columns})"

    @staticmethod
    def member(column: str, name: str) -> str:
        """`column` is among the texts of parameter `name` (see `pack`)."""
        return f"{column} = any(%({name})s::text[])"

    @staticmethod
    def pack(texts: Iterable[str]) -> Any:
        return list(texts)

    @staticmethod
    def seconds(value: str) -> str:
        return f"extract(epoch from {value})::float8"

    @staticmethod
    def held(name: str) -> str:
        """The rows of the batch in parameter `name` whose locks are ours; those that somebody holds are skipped."""
        return f"""w.id = any(array(select l.id from durable_workflow l where l.id = any(array(
            select y.w from json_to_recordset(%({name})s::json) as y(w text)))
            order by l.id for no key update skip locked))"""

    @staticmethod
    def first_of_each_queue(ready: str, lock: str = "for no key update of w skip locked") -> str:
        """Ids of the first ready rows of each queue, as many as the worker has room for in it, at most %(room)s."""
        return f"""select r.id from json_to_recordset(%(queues)s::json) as q(name text, n int) cross join lateral (
            select w.id from durable_workflow w where w.queue = q.name and {ready}
            order by w.priority, w.position limit q.n {lock}) r limit %(room)s"""

    @staticmethod
    def first_in_line(line: str, ready: str) -> str:
        """Ids of the first {room} rows of a line, none from behind a row that somebody else has locked."""
        return f"""with line as materialized (select w.id, row_number() over (order by w.priority, w.position) as place
                from durable_workflow w where {line} order by w.priority, w.position limit {{room}}),
            free as materialized (select w.id from durable_workflow w
                where w.id = any(array(select id from line)) and {ready} for no key update of w skip locked)
            select id from line where place < all (select place from line where id not in (select id from free))"""

    @staticmethod
    def beating(pulse: str, poll: str) -> str | None:
        """The poll with a heartbeat in the same statement, and its answer in every row."""
        return f"with p as ({pulse}) select z.*, (select draining from p), (select moment from p) from ({poll}) as z"

    @staticmethod
    def time(value: str) -> str:
        return f"to_timestamp({value})"

    @staticmethod
    def later(seconds: str) -> str:
        return f"statement_timestamp() + {seconds} * interval '1 second'"

    @staticmethod
    def among(column: str, query: str) -> str:
        """`column` is in `query`, planned as a list of keys: a plain IN may hash-join the whole table."""
        return f"{column} = any(array({query}))"


class Sqlite(Shared):
    now = clock = "%(now)s"
    position = "cast(%(now)s * 1000000 as integer)"
    position_of_row = "cast(%(now)s * 1000000 as integer) + x.ord"
    position_in_order = "cast(%(now)s * 1000000 as integer) + row_number() over (order by z.wake_at, z.position)"
    lock = ""
    lock_w = ""
    hold = ""
    until_committed = ""

    @staticmethod
    def rows(name: str, columns: str, alias: str = "x") -> str:
        parts = [column.split()[0] for column in columns.split(",")]
        listed = ", ".join(f"value->>'{part}' as {part}" for part in parts)
        return f"(select {listed}, key as ord from json_each(%({name})s)) as {alias}"

    @staticmethod
    def member(column: str, name: str) -> str:
        return f"{column} in (select value from json_each(%({name})s))"

    @staticmethod
    def pack(texts: Iterable[str]) -> Any:
        return json.dumps(list(texts))

    @staticmethod
    def seconds(value: str) -> str:
        return value

    @staticmethod
    def held(name: str) -> str:
        return "true"

    @staticmethod
    def first_of_each_queue(ready: str, lock: str = "") -> str:
        """SQLite has no LATERAL: the front of each line, then as many of each as the worker has room for in it."""
        return f"""select id from (select o.id, q.value->>'n' as n, row_number() over
            (partition by o.queue order by o.priority, o.position) as rank
            from json_each(%(queues)s) q join durable_workflow o on o.rowid in (select w.rowid from durable_workflow w
                where w.queue = q.value->>'name' and {ready} order by w.priority, w.position limit %(room)s))
            where rank <= n limit %(room)s"""

    @staticmethod
    def first_in_line(line: str, ready: str) -> str:
        return f"select w.id from durable_workflow w where {line} order by w.priority, w.position limit {{room}}"

    @staticmethod
    def beating(pulse: str, poll: str) -> str | None:
        """SQLite changes nothing within a query."""
        return None

    @staticmethod
    def time(value: str) -> str:
        return value

    @staticmethod
    def later(seconds: str) -> str:
        return f"%(now)s + {seconds}"

    @staticmethod
    def among(column: str, query: str) -> str:
        return f"{column} in ({query})"


Dialect = type[Postgres] | type[Sqlite]
