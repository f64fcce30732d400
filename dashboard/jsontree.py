"""JSON text as a tree to fold, without making the values it describes: no class of the application is loaded.

Numbers stay the text that they were, so that 9007199254740993 and 0.10 are shown exactly. Tagged values of Durable's
own format (`{"$": "decimal", "v": "249.90"}`) are shown as the value with the name of its type.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .wording import plural, size

SHOWN = 64 * 1024
"""Characters of a payload that a page shows before it is asked for all."""
MOST_SHOWN = 4 * 1024 * 1024
"""Characters that a page shows at the very most; beyond, there is the download."""
MOST_NODES = 5_000
DEEPEST = 24
OPEN_DEPTH, OPEN_ITEMS = 2, 30
LONGEST_TEXT = 4_000

SCALARS = {
    "datetime": "datetime", "date": "date", "time": "time", "timedelta": "timedelta", "decimal": "Decimal",
    "uuid": "UUID", "int": "int", "str": "str, base64", "bytes": "bytes, base64",
}  # fmt: skip
BESIDES = frozenset({"zone", "fold"})
"""What a tagged moment carries next to its value."""


class Number(str):
    """A number as it was written."""


def clean(text: str) -> str:
    """Text that UTF-8 can hold: JSON may escape half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


class Pairs(list[Any]):
    """The members of an object in order, duplicate keys included."""


@dataclass(slots=True)
class Node:
    """One line of the tree: a scalar with its `text`, or a container with `children`."""

    key: str | None
    text: str = ""
    css: str = ""
    tag: str = ""
    children: list[Node] | None = None
    is_open: bool = False


@dataclass(slots=True)
class Payload:
    """A payload as a page shows it: the tree, or the text when it is no JSON or too large for a tree."""

    name: str
    size: int
    nodes: list[Node] = field(default_factory=list)
    text: str = ""
    note: str = ""
    cut: bool = False

    @property
    def length(self) -> str:
        return size(self.size)


def payload(name: str, text: str | None, total: int | None = None) -> Payload | None:
    """The payload `text`, of which a part was read when `total` (characters) is more than its length."""
    if text is None:
        return None
    total = len(text) if total is None else total
    if total > len(text):
        note = f"The first {size(len(text))} of {size(total)}, as text."
        return Payload(name, total, text=text, note=note, cut=True)
    try:
        value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        note = "This is no JSON that the console can read; it is shown as it is stored."
        return Payload(name, total, text=text, note=note)
    nodes = Growth().grow(value)
    return Payload(name, total, nodes=nodes)


class Growth:
    """Grows nodes from parsed JSON, at most `MOST_NODES` of them and `DEEPEST` levels deep."""

    def __init__(self) -> None:
        self.left = MOST_NODES

    def grow(self, value: Any) -> list[Node]:
        """The lines of a whole payload: the members of a container, or one line of a scalar."""
        node = self.node(None, value, 0)
        if node.children is not None and not node.tag:
            return node.children or [Node(None, text=node.text)]
        node.is_open = True
        return [node]

    def node(self, key: str | None, value: Any, depth: int) -> Node:
        self.left -= 1
        key = key if key is None else clean(key)
        tag, value = untagged(value)
        if isinstance(value, Pairs):
            return self.container(key, tag, list(value), depth, "member")
        if isinstance(value, list):
            if tag == "dict" and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
                return self.container(key, tag, [(brief_key(name), item) for name, item in value], depth, "member")
            return self.container(key, tag, [(str(place), item) for place, item in enumerate(value)], depth, "item")
        return scalar(key, tag, value)

    def container(self, key: str | None, tag: str, members: list[tuple[str, Any]], depth: int, what: str) -> Node:
        empty = "{}" if what == "member" else "[]"
        if not members:
            return Node(key, empty, tag=tag, children=None if depth else [])
        if depth >= DEEPEST:
            return Node(key, f"{plural(len(members), what)}, nested too deeply to show", "d-3")
        node = Node(key, summary(members, what), tag=tag, children=[])
        node.is_open = depth < OPEN_DEPTH and len(members) <= OPEN_ITEMS
        assert node.children is not None
        for place, (name, item) in enumerate(members):
            if self.left <= 0:
                rest = plural(len(members) - place, what)
                node.children.append(Node(None, f"{rest} more; the download has all", "d-3"))
                break
            node.children.append(self.node(name, item, depth + 1))
        return node


def untagged(value: Any) -> tuple[str, Any]:
    """The name of the type and the inner value of a tagged object; "" and the value itself for all else."""
    if isinstance(value, Pairs):
        members = dict(value)
        if len(members) == len(value) and "v" in members and members.keys() - BESIDES == {"$", "v"}:
            tag = members["$"]
            if isinstance(tag, str) and not isinstance(tag, Number):
                zone = members.get("zone")
                name = SCALARS.get(tag, tag)
                return clean(f"{name}, {zone}" if isinstance(zone, str) else name), members["v"]
    return "", value


def scalar(key: str | None, tag: str, value: Any) -> Node:
    if value is None or isinstance(value, bool):
        return Node(key, {None: "null", True: "true", False: "false"}[value], "d-lit", tag)
    if isinstance(value, Number):
        return Node(key, str(value), tag=tag)
    text = clean(str(value))
    if tag.partition(",")[0] in ("datetime", "time"):
        text = re.sub(r"(\.\d{3})000(?=\D|$)", r"\1", text).replace("+00:00", "Z")
    if len(text) > LONGEST_TEXT:
        more = len(text) - LONGEST_TEXT
        text, tag = f"{text[:LONGEST_TEXT]}…", f"{tag}, {more:,} more characters".lstrip(", ")
    known = tag and tag.partition(",")[0] in {name.partition(",")[0] for name in SCALARS.values()}
    return Node(key, text if known and "more characters" not in tag else json.dumps(text, ensure_ascii=False), tag=tag)


def summary(members: list[tuple[str, Any]], what: str) -> str:
    """What a closed container says: its size, and for objects (or the objects of a list) some of their keys."""
    inner = members[0][1]
    if what == "item" and isinstance(inner, Pairs) and not untagged(inner)[0]:
        return f"{len(members):,} of {listed(name for name, _ in inner)}"
    return plural(len(members), what) if what == "item" else listed(name for name, _ in members)


def listed(names: Any) -> str:
    names = list(names)
    return ", ".join(clean(name[:24]) for name in names[:4]) + (", …" if len(names) > 4 else "")


def brief_key(value: Any) -> str:
    """The key of a dict whose keys are not text."""
    tag, inner = untagged(value)
    if isinstance(inner, (list, Pairs)):
        return f"({plural(len(inner), 'item')})"
    return f"{inner} {tag}".rstrip()
