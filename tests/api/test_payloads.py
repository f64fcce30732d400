"""Stored text is shown as JSON and never as anything else."""

import json
from typing import Any

import pytest
from django.test import Client

from api.payloads import plain

from .conftest import make_workflow


def shown(viewer: Client, text: str) -> Any:
    make_workflow("w-1", output=text)
    return json.loads(viewer.get("/api/v1/workflows/w-1").content)["output"]


def test_tags_stay_as_they_are(viewer: Client):
    tagged = {"$": "datetime", "v": "2026-11-20T10:00:00+00:00"}
    assert shown(viewer, json.dumps({"at": tagged, "made": {"$": "shop.Order", "v": {"id": 1}}})) == {
        "at": tagged,
        "made": {"$": "shop.Order", "v": {"id": 1}},
    }


@pytest.mark.parametrize("number", [2**63, -(2**64) - 1, 10**4000 + 7])
def test_big_integers_stay_exact(viewer: Client, number: int):
    assert shown(viewer, str(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "{", "gASVBQAAAAAAAABLAS4=", "NaN", "[Infinity]", "1e999", "9" * 5000, "[" * 100_000, "[" * 300 + "]" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
    ],
)  # fmt: skip
def test_text_that_is_no_json_is_shown_as_text(viewer: Client, text: str):
    assert shown(viewer, text) == {"undecodable": True, "text": text}


def test_a_lone_surrogate_passes_through(viewer: Client):
    assert shown(viewer, r'"\ud800 \u0000"') == "\ud800 \0"


def test_falsy_values_are_not_taken_for_nothing():
    assert [plain(text) for text in ("0", "false", '""', "[]", "null", "", None)] == [
        0,
        False,
        "",
        [],
        None,
        None,
        None,
    ]


def test_what_nests_as_deeply_as_the_serializer_writes_is_shown():
    text = "[" * 150 + "]" * 150
    assert json.dumps(plain(text), separators=(",", ":")) == text
    assert plain("[" + "[]," * 500 + "[]]") == [[]] * 501
