"""`manage.py workflows`: look at workflows, start them and steer them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ... import deleting, forking, listing, portability, starting, steering
from ... import verbs as messages
from ...chance import chance
from ...conf import conf
from ...errors import UnknownDefinition
from ...filters import ALIASES, CRITERIA, WorkflowFilter
from ...filters.reading import read_attribute, read_words
from ...models import Step, Workflow
from ...registry import registry
from ..face import Argument, Face, argument, as_json, columns_of, printable, read_json, stored, verb

PAYLOAD = ("input", "output", "error")
FACTS = [field.attname for field in Workflow._meta.concrete_fields if field.attname not in (*PAYLOAD, "traceparent")]
STEP_FACTS = [field.attname for field in Step._meta.concrete_fields if field.attname not in PAYLOAD]

ID = argument("id", help="the workflow's id")
IDS = argument("ids", nargs="+", metavar="id", help="ids of workflows")
QUEUE = argument("--queue", help="let it wait its turn in this queue (default: it starts as soon as there is room)")
NEW_ID = argument("--id", dest="workflow_id", help="id of the new workflow (default: a fresh one)")
APP_VERSION = argument("--app-version", dest="version", help="the version of the code that is to run it")
PARTITION = argument("--partition-key", help="for a partitioned queue")
TIMEOUT = argument("--timeout", type=float, help="seconds from its start until it is cancelled")
STEP = argument("--step", type=int, default=1, help="the first step to run again, counted from 1 (default: 1)")
CHILDREN = argument("--children", action="store_true", help="and those that it started, at any depth")
FILTERS: list[Argument] = [
    argument(f"--{name.replace('_', '-')}", action="append", default=[], metavar="VALUE", help=f"as {name}:VALUE")
    for name in CRITERIA
]


class Command(Face):
    help = "Look at workflows, start them and steer them. Actions leave a row in the audit."

    @verb(
        argument("words", nargs="*", help="as in the console: status:failed queue:orders since:24h order-88"),
        argument("--limit", type=int, default=20, help="at most so many (default: 20)"),
        argument("--offset", type=int, default=0, help="leave out so many of the first"),
        argument("--oldest-first", action="store_true", help="default: newest first"),
        *FILTERS,
    )
    def list_(self, *, words: list[str], limit: int, offset: int, oldest_first: bool, **filters: list[str]) -> None:
        """List workflows, newest first."""
        if limit < 0 or offset < 0:
            raise CommandError("--limit and --offset are not negative.")
        pairs = [(name, value) for name, values in filters.items() for value in values]
        chosen = WorkflowFilter.from_pairs([*pairs, *(pair for word in words for pair in pairs_of(word))])
        rows = chosen.apply(Workflow.objects.using(conf().DATABASE)).listed()
        if oldest_first:
            rows = rows.order_by("created_at", "id")
        facts = [facts_of(row) for row in rows[offset : offset + limit]]
        self.table(facts, "id", "name", "phase", "queue", "created_at", "completed_at")

    @verb(ID)
    def get(self, *, id: str) -> None:
        """Show one workflow with its input, output and error, as they are stored."""
        row = listing.get_workflow(id)
        self.sheet(facts_of(row) | {name: stored(getattr(row, name)) for name in PAYLOAD})

    @verb(ID, argument("--limit", type=int), argument("--offset", type=int, default=0))
    def steps(self, *, id: str, limit: int | None, offset: int) -> None:
        """List what a workflow has recorded, in order."""
        rows = listing.list_workflow_steps(id, limit, offset)
        facts = [
            columns_of(row, STEP_FACTS)
            | {"seconds": (row.completed_at - row.started_at).total_seconds(), "failed": row.error is not None}
            | {name: stored(getattr(row, name)) for name in ("output", "error")}
            for row in rows
        ]
        self.table(facts, "seq", "name", "kind", "failed", "attempts", "seconds", "child")

    @verb(
        argument("name", help="name of the workflow function"),
        argument("--args", dest="positional", metavar="JSON", default="[]", help="a list"),
        argument("--kwargs", dest="named", metavar="JSON", default="{}", help="an object"),
        argument("--by-name", action="store_true", help="also when this project does not have the function"),
        NEW_ID,
        argument("--id-policy", help="when the id is in use: return-existing (default) or reject"),
        QUEUE,
        argument("--priority", type=int, help="1 goes first"),
        argument("--dedup-id", help="one live workflow for each queue"),
        argument("--dedup-policy", help="when there is one: reject (default) or return-existing"),
        PARTITION,
        argument("--delay", type=float, help="seconds before it joins its queue"),
        TIMEOUT,
        APP_VERSION,
        argument("--attribute", action="append", dest="attributes", metavar="KEY=VALUE", help="to search by"),
        argument("--user", dest="authenticated_user", help="as whom it runs"),
        argument("--role", action="append", dest="authenticated_roles", help="with this role; may be repeated"),
    )
    def start(self, *, name: str, positional: str, named: str, by_name: bool, **options: Any) -> None:
        """Start a workflow."""
        given = {option: value for option, value in options.items() if value is not None}
        if "attributes" in given:
            given["attributes"] = dict(read_attribute(text) for text in given["attributes"])
        args, kwargs = read_json("--args", positional, list), read_json("--kwargs", named, dict)
        pk = given.setdefault("workflow_id", chance.new_id())
        known = None if name.startswith("<") else registry.find(name)
        if known is None and not by_name:
            names = ", ".join(sorted(each for each in registry.names() if not each.startswith("<"))) or "none"
            raise UnknownDefinition(name=name, known=f"{names}. Or give --by-name")
        with self.audited("start", pk, name=name) as detail:
            detail["started"] = is_new = not Workflow.objects.using(conf().DATABASE).filter(pk=pk).exists()
            try:
                if known is not None:
                    handle = known.using(**given).start(*args, **kwargs)
                else:
                    handle = starting.start_by_name(name, args, kwargs, **given)
            except TypeError as error:
                raise CommandError(f"The arguments do not fit {name}: {error}.") from error
        is_new = is_new and handle.workflow_id == pk
        sentence = f"started {handle.workflow_id}" if is_new else f"{handle.workflow_id} was there already"
        self.done(sentence, id=handle.workflow_id, started=is_new)

    @verb(IDS, CHILDREN)
    def cancel(self, *, ids: list[str], children: bool) -> None:
        """Cancel workflows; each stops at its next operation."""
        changed = {}
        with self.together():
            for pk in ids:
                with self.audited("cancel", pk, children=children) as detail:
                    detail["changed"] = changed[pk] = steering.cancel_workflow(pk, cancel_children=children)
        self.each(changed, "cancelled", "had ended")

    @verb(IDS, QUEUE)
    def resume(self, *, ids: list[str], queue: str | None) -> None:
        """Let cancelled or dead-lettered workflows go on from their last recorded step."""
        changed = {}
        with self.together():
            for pk in ids:
                with self.audited("resume", pk, queue=queue) as detail:
                    before = listing.get_workflow(pk).epoch
                    steering.resume_workflow(pk, queue=queue)
                    detail["changed"] = changed[pk] = listing.get_workflow(pk).epoch != before
        self.each(changed, "resumed", "needed no resume")

    @verb(ID, NEW_ID, QUEUE, PARTITION, TIMEOUT, APP_VERSION)
    def restart(self, *, id: str, **terms: Any) -> None:
        """Run a workflow again from the start, with the same input, under a new id."""
        with self.audited("restart", id) as detail:
            detail["new"] = pk = forking.restart_workflow(id, **terms).workflow_id
        self.done(f"started {pk}", id=pk, forked_from=id)

    @verb(
        ID,
        STEP,
        NEW_ID,
        QUEUE,
        PARTITION,
        TIMEOUT,
        APP_VERSION,
        argument("--output", action="append", default=[], metavar="SEQ=JSON", help="what a kept step is to have given"),
        argument("--child", action="append", default=[], metavar="OLD=NEW", help="a child in the place of another"),
    )
    def fork(self, *, id: str, step: int, output: list[str], child: list[str], **terms: Any) -> None:
        """Run a copy of a workflow from a step on, under a new id; the original stays as it is."""
        outputs = {}
        for text in output:
            seq, sign, value = text.partition("=")
            if not sign or not seq.strip().isdecimal():
                raise CommandError(f"--output {printable(text)} is not SEQ=JSON, such as 3='{{\"paid\": true}}'.")
            outputs[int(seq)] = read_json("--output", value)
        children = dict(text.partition("=")[::2] for text in child)
        with self.audited("fork", id, step=step, outputs=sorted(outputs), children=children) as detail:
            handle = forking.fork_workflow(id, step, outputs=outputs, replacement_children=children, **terms)
            detail["new"] = pk = handle.workflow_id
        self.done(f"started {pk}", id=pk, forked_from=id)

    @verb(ID, STEP, QUEUE, PARTITION, APP_VERSION)
    def rewind(self, *, id: str, step: int, **terms: Any) -> None:
        """Take a workflow that has ended back to a step, and run it again from there under its own id."""
        with self.audited("rewind", id, step=step):
            forking.rewind_workflow(id, step, **terms)
        self.done(f"{id} runs again from step {step}", id=id, step=step)

    @verb(IDS, CHILDREN, argument("--yes", action="store_true", help="do not ask"))
    def delete(self, *, ids: list[str], children: bool, yes: bool) -> None:
        """Delete workflows with all that they recorded. It cannot be undone; unknown ids are passed over."""
        self.confirm(f"Delete {len(ids)} workflow{'s' * (len(ids) > 1)} for good", yes)
        changed = {}
        with self.together():
            for pk in ids:
                with self.audited("delete", pk, children=children) as detail:
                    detail["changed"] = changed[pk] = deleting.delete_workflow(pk, delete_children=children)
        self.each(changed, "deleted", "was not there")

    @verb(
        ID,
        argument("message", help="JSON; with --text any text"),
        argument("--text", action="store_true", help="send the message as the text that it is"),
        argument("--topic", help="default: the mailbox without a topic"),
        argument("--key", help="a key that the workflow has seen is dropped"),
    )
    def send(self, *, id: str, message: str, text: bool, topic: str | None, key: str | None) -> None:
        """Send a message to a workflow."""
        body = message if text else read_json("message", message)
        with self.audited("send", id, topic=topic or ""):
            messages.send(id, body, topic, idempotency_key=key)
        self.done(f"sent to {id}", id=id, topic=topic)

    @verb(ID, CHILDREN, argument("--output", "-o", type=Path, metavar="FILE", help="default: standard output"))
    def export(self, *, id: str, children: bool, output: Path | None) -> None:
        """Write a workflow and all that it recorded as a JSON document; its payloads are in it."""
        document = portability.export_workflow(id, children=children)
        if output is None:
            self.json(document)
            return
        try:
            output.write_text(as_json(document))
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        self.done(f"wrote {output}", file=str(output), workflows=len(document["workflows"]))

    @verb(argument("file", help="what export wrote; - for standard input"))
    def import_(self, *, file: str) -> None:
        """Store an exported workflow; one that had not ended goes on here."""
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        document = read_json(file, text, dict)
        with self.audited("import", file) as detail:
            detail["imported"] = pk = portability.import_workflow(document).workflow_id
        self.done(f"imported {pk}", id=pk)


def facts_of(row: Workflow) -> dict[str, Any]:
    """A workflow without its payloads; one that was started without a queue has none."""
    return columns_of(row, FACTS) | {"queue": row.queue_name, "phase": row.phase.key}


def pairs_of(word: str) -> Iterator[tuple[str, str]]:
    """One word of the shell as criteria; it may hold spaces: `name:"a b"`."""
    name, sign, value = word.partition(":")
    if sign and name.lower() in (*CRITERIA, *ALIASES):
        yield name.lower(), value
    else:
        yield from read_words(word)
