"""Payloads and errors as the console shows them: from text alone, whatever it holds."""

from __future__ import annotations

import json

import pytest

from dashboard.asked import Asked
from dashboard.jsontree import DEEPEST, MOST_NODES, Node, payload
from dashboard.traces import told


def flat(nodes: list[Node]) -> list[tuple[str | None, str, str]]:
    found = []
    for node in nodes:
        found += [(node.key, node.text, node.tag), *flat(node.children or [])]
    return found


def shown(text: str) -> list[tuple[str | None, str, str]]:
    made = payload("Output", text)
    assert made is not None and not made.text
    return flat(made.nodes)


def test_numbers_are_shown_as_they_were_written():
    digits = "9" * 6000
    text = f'{{"a": 9007199254740993, "b": 0.10, "c": 1e400, "d": -0.0, "e": {digits}}}'
    assert [value for _, value, _ in shown(text)] == ["9007199254740993", "0.10", "1e400", "-0.0", digits]


def test_tagged_values_say_their_type():
    tags = {"at": ("datetime", "2026-11-19T13:54:37.812000+00:00"), "price": ("decimal", "249.90")}
    text = json.dumps({key: {"$": tag, "v": value} for key, (tag, value) in tags.items()})
    assert shown(text) == [("at", "2026-11-19T13:54:37.812Z", "datetime"), ("price", "249.90", "Decimal")]
    assert shown('{"$": "datetime", "v": "2026-07-01T10:00:00+02:00", "zone": "Europe/Berlin"}') == [
        (None, "2026-07-01T10:00:00+02:00", "datetime, Europe/Berlin")
    ]
    assert shown('{"$": "tuple", "v": [1, 2]}')[0][2] == "tuple"
    assert [key for key, _, _ in shown('{"$": "dict", "v": [[1, "a"], [{"$": "uuid", "v": "x"}, "b"]]}')][1:] == [
        "1",
        "x UUID",
    ]


def test_what_only_looks_like_a_tag_is_shown_as_it_is():
    for text in (
        '{"$": "decimal"}',
        '{"$": 1, "v": 2}',
        '{"$": "decimal", "v": "1", "w": 3}',
        '{"v": 1, "$": "a", "$": "b"}',
    ):
        assert ("$" in {key for key, _, _ in shown(text)}) is True, text


def test_duplicate_keys_and_odd_keys_are_all_there():
    assert [key for key, _, _ in shown('{"a": 1, "a": 2, "": 3, "__proto__": 4}')] == ["a", "a", "", "__proto__"]


@pytest.mark.parametrize("text", ["", "{", "gAJLAS4=", "\x00", "[" * 100_000, "NaN, 1", "{'a': 1}"])
def test_what_is_no_json_is_shown_as_text_with_a_note(text: str):
    made = payload("Output", text)
    assert made is not None and made.text == text and "no JSON" in made.note and not made.nodes


def test_nothing_is_no_payload():
    assert payload("Output", None) is None


def test_half_a_surrogate_pair_does_not_break_the_page():
    for _, value, _ in shown(r'["\ud800"]') + shown(r'{"\udfff": "x"}'):
        value.encode()
    for key, _, _ in shown(r'{"\udfff": "x"}'):
        assert key is not None and key.encode()


def test_depth_and_size_have_an_end():
    deep = "[" * 60 + "]" * 60
    assert any("too deeply" in value for _, value, _ in shown(deep))
    assert len(shown(deep)) <= DEEPEST + 2
    wide = shown(json.dumps(list(range(MOST_NODES * 3))))
    assert len(wide) <= MOST_NODES + 2 and "the download has all" in wide[-1][1]


def test_a_part_of_a_large_payload_is_text_and_says_so():
    made = payload("Input", '{"a": "x', 5_000_000)
    assert made is not None and made.cut and made.text == '{"a": "x' and "The first" in made.note


def test_empty_containers_and_scalars():
    assert shown("{}") == [(None, "{}", "")] and shown("[]") == [(None, "[]", "")]
    assert shown("null") == [(None, "null", "")] and shown('"a\\"b"') == [(None, '"a\\"b"', "")]
    assert shown('{"a": {}, "b": []}') == [("a", "{}", ""), ("b", "[]", "")]


def test_a_traceback_sets_the_application_apart_from_libraries():
    trace = (
        'Traceback (most recent call last):\n  File "/app/shop/a.py", line 5, in charge\n    pay()\n'
        '  File "/venv/lib/python3.12/site-packages/requests/api.py", line 7, in post\n    send()\nshop.Bad: no\nnote\n'
    )
    error = told(json.dumps({"type": "Bad", "module": "shop", "message": "no\nmore", "traceback": trace}))
    assert error is not None and error.sentence == "Bad: no"
    assert error.lines[1] == (
        ("", '  File "'),
        ("b", "/app/shop/a.py"),
        ("", '", line '),
        ("b", "5"),
        ("", ", in charge"),
    )
    assert error.lines[2] == (("b", "    pay()"),)
    assert error.lines[3] == (("", '  File ".../requests/api.py", line 7, in post'),)
    assert error.lines[4] == (("", "    send()"),) and error.lines[5] == (("strong", "shop.Bad: no"),)


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", '"x"', '{"type": 1, "message": [], "traceback": {}, "errors": 5}', "{}"]
)
def test_an_error_in_any_shape_can_be_told(text: str):
    error = told(text)
    assert error is not None and error.sentence
    assert told(None) is None and told("") is None


def test_an_address_keeps_the_state_of_the_page_and_drops_nonsense():
    asked = Asked.from_query(
        {"tab": "steps", "step": "8.1", "open": "8,2,x,9", "close": "9", "fold": "0", "find": " a\0 "}
    )
    assert (asked.tab, asked.step, asked.open, asked.fold, asked.find) == ("steps", "8.1", ("2", "8"), False, "a")
    assert asked.link(step="7") == "?tab=steps&step=7&open=2,8&fold=0&find=a"
    assert asked.toggled("8") == "?tab=steps&step=8.1&open=2&fold=0&find=a"
    assert Asked.from_query(dict.fromkeys(("tab", "step", "open", "after", "only", "whole", "facts"), "<x>")) == Asked()
    assert Asked().link() == "?"
    assert Asked.from_query({"step": "²", "open": "²", "after": "²"}) == Asked()
