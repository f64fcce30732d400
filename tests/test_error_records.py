"""Exceptions as text and back: an error is never lost, and never runs anything."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
from django.core.exceptions import ObjectDoesNotExist, ValidationError

from durable import errors
from durable.serializers import decode_error, encode_error, fingerprint


class Declined(Exception):
    """Its constructor takes something else than its args, like many in the wild."""

    def __init__(self, order, *, code):
        raise_if_called_again.append(order)
        super().__init__(f"order {order} declined")
        self.order = order
        self.code = code
        self.reason = None


raise_if_called_again: list[str] = []


class Lazy(OSError):
    def __init__(self, path):
        self.path = path
        super().__init__(2, "gone", path)


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Broken(Exception):
    def __str__(self):
        raise SystemExit("no text")

    __repr__ = __str__

    def __reduce__(self):
        raise RuntimeError("no pickle")

    @property
    def errors(self):
        raise KeyboardInterrupt


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


def again(error):
    return decode_error(encode_error(raised(error)))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x", 1, (2, b"3")),
        KeyError("order"),
        ZeroDivisionError(),
        FileNotFoundError(2, "No such file", "/a", None, "/b"),
        OSError("only text"),
        Lazy("/tmp/x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        UnicodeEncodeError("ascii", "é", 0, 1, "invalid"),
        ImportError("no", name="mod", path="/mod.py"),
        StopIteration(7),
        SyntaxError("bad", ("f.py", 1, 2, "x=", 1, 3)),
        subprocess.CalledProcessError(3, ["ls"], "out", "err"),
        Frozen(7),
        ObjectDoesNotExist("Order matching query does not exist."),
        errors.WorkflowNotFound(workflow_id="w-1"),
        errors.ResultTimeout(workflow_id="w-1", timeout=5),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_whose_class_is_loaded_comes_back_as_itself(error):
    back = again(error)
    assert type(back) is type(error)
    assert (str(back), back.args) == (str(error), error.args)
    assert back.recorded_traceback.startswith("Traceback (most recent call last)")
    for name in ("filename", "filename2", "errno", "name", "path", "value", "start", "returncode", "code", "timeout"):
        assert getattr(back, name, None) == getattr(error, name, None)


class Forgetful(Exception):
    """Its text needs an attribute that cannot be stored."""

    def __init__(self, problems):
        super().__init__()
        self.problems = [object(), problems]

    def __str__(self):
        return repr(self.problems[1])


def test_an_error_that_lost_what_its_text_needs_is_still_caught_and_shows_what_was_recorded():
    for _ in range(2):
        back = again(Forgetful({"name": ["required"]}))
        assert isinstance(back, Forgetful)
        assert type(back).__qualname__ == "Forgetful"
        assert str(back) == "{'name': ['required']}"
        assert repr(back) == """Forgetful("{'name': ['required']}")"""
    assert str(again(back)) == str(back)


def test_a_registered_error_comes_back_by_its_own_functions(registered):
    registered("declined", Declined, lambda e: [e.order, e.code], lambda v: Declined(v[0], code=v[1]))
    back = again(Declined("o-1", code=7))
    assert (type(back), back.code, back.order) == (Declined, 7, "o-1")
    assert "Traceback" in back.recorded_traceback


@pytest.mark.parametrize(
    "error",
    [
        ValidationError("Give a number."),
        ValidationError("At least %(least)s.", code="least", params={"least": 3}),
        ValidationError(["one", ValidationError("two", code="second")]),
        ValidationError({"name": ["required"], "total": [ValidationError("100 % is too much", code="much")]}),
    ],
)
def test_django_validation_errors_come_back_whole(error, registered, monkeypatch):
    monkeypatch.delitem(sys.modules, "durable.serializers.django", raising=False)
    importlib.import_module("durable.serializers.django")
    back = again(error)
    assert type(back) is ValidationError
    assert (str(back), back.messages) == (str(error), error.messages)
    assert [e.code for e in ValidationError([back]).error_list] == [e.code for e in ValidationError([error]).error_list]
    assert getattr(back, "message_dict", None) == getattr(error, "message_dict", None)


def test_no_constructor_of_the_application_runs():
    error = Declined("o-1", code=51)
    raise_if_called_again.clear()
    back = again(error)
    assert (type(back), str(back), vars(back)["code"], back.reason) == (Declined, "order o-1 declined", 51, None)
    assert raise_if_called_again == []


def test_a_class_that_is_not_loaded_becomes_a_recorded_error():
    text = encode_error(raised(Declined("o-1", code=1))).replace("Declined", "Vanished")
    back = decode_error(text)
    assert type(back) is errors.RecordedError
    assert (back.type, back.text, back.code) == ("Vanished", "order o-1 declined", 1)
    assert back.traceback == back.recorded_traceback != ""
    assert str(back) == "Vanished: order o-1 declined"
    twice = decode_error(encode_error(back))
    assert (type(twice), twice.type, str(twice)) == (errors.RecordedError, "Vanished", str(back))


@pytest.mark.parametrize("name", ["antigravity.Boom", "os.system", "builtins.eval", "subprocess.Popen", "this.Zen"])
def test_a_record_imports_and_calls_nothing(name, monkeypatch):
    module, _, cls = name.rpartition(".")
    monkeypatch.setattr("builtins.__import__", lambda *args, **kwargs: pytest.fail("imported something"))
    back = decode_error(json.dumps({"type": cls, "module": module, "message": "m", "args": ["true"], "traceback": ""}))
    assert type(back) is errors.RecordedError


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), errors.Parked(), errors.Fenced()]
)
def test_control_flow_is_never_raised_from_a_record(error):
    back = again(error)
    assert type(back) is errors.RecordedError
    assert back.type == type(error).__name__


def test_exhausted_retries_keep_every_error():
    failures = [raised(ValueError("first")), raised(Declined("o-1", code=2))]
    error = errors.MaxStepRetriesExceeded(step="charge", attempts=2, last=failures[-1], errors=failures)
    record = json.loads(encode_error(error))
    assert [failure["type"] for failure in record["errors"]] == ["ValueError", "Declined"]
    back = decode_error(json.dumps(record))
    assert [(type(e), str(e)) for e in back.errors] == [(ValueError, "first"), (Declined, "order o-1 declined")]
    assert (back.step, back.attempts) == ("charge", 2)
    assert "Traceback" in back.errors[0].recorded_traceback


def test_groups_and_causes_come_back():
    group = ExceptionGroup("two failed", [raised(ValueError("a")), ExceptionGroup("in", [raised(KeyError("b"))])])
    try:
        raise RuntimeError("outer") from group
    except RuntimeError as error:
        error.add_note("while shipping")
        back = decode_error(encode_error(error))
    assert (str(back), back.__notes__) == ("outer", ["while shipping"])
    assert back.__cause__.message == "two failed"
    assert [type(e) for e in back.__cause__.exceptions] == [ValueError, ExceptionGroup]
    assert back.__cause__.subgroup(KeyError).exceptions[0].exceptions[0].args == ("b",)


def test_an_attribute_called_errors_that_holds_no_exceptions_is_kept():
    error = ValueError("invalid")
    error.errors = {"name": ["required"]}
    assert again(error).errors == {"name": ["required"]}


def test_parts_that_cannot_be_stored_become_text_or_are_left_out():
    error = ValueError("bad", object, {1, 2}, float("nan"))
    error.response = object()
    error.status = 503
    back = again(error)
    assert back.args == ("bad", "<class 'object'>", {1, 2}, "nan")
    assert (back.status, hasattr(back, "response")) == (503, False)


ODD = type("Odd", (Exception,), {"__module__": 7, "__dict__": property(lambda self: 1 / 0), "args": None})
MUTE = type("Mute", (ValueError,), {"__getattribute__": lambda self, name: 1 / 0})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Broken(),
        lambda: Broken(Broken(), object()),
        lambda: ValueError("\ud800 \x00", {"\udcff": "\x00"}),
        lambda: ValueError("x" * 3_000_000, ["y" * 3_000_000], b"z" * 3_000_000),
        lambda: ExceptionGroup("many", [ValueError(n) for n in range(5_000)]),
        lambda: ODD("x"),
        lambda: MUTE("x"),
    ],
    ids=["broken", "broken args", "surrogates", "huge", "many", "odd", "mute"],
)
def test_storing_never_fails_and_stays_small(make):
    try:
        raise make()
    except Exception as error:
        text, mark = encode_error(error), fingerprint(error)
    text.encode()
    assert "\x00" not in text
    assert len(text) < 500_000
    assert issubclass(type(decode_error(text)), Exception)
    assert len(mark) == 12


def test_an_error_that_holds_itself_is_stored_once():
    error = ValueError("loop")
    error.__cause__ = error
    error.errors = [error, ValueError("inner")]
    error.errors[1].__cause__ = error
    assert [str(e) for e in again(error).errors] == ["inner"]


def test_a_chain_of_thousands_is_cut():
    error = None
    for n in range(3_000):
        following = ValueError(n)
        following.__cause__ = error
        error = following
    assert again(error).args == (2_999,)


def test_a_long_message_keeps_both_ends_and_says_what_is_missing():
    message = json.loads(encode_error(ValueError("start" + "x" * 100_000 + "end")))["message"]
    assert message.startswith("startx")
    assert message.endswith("xend")
    assert "90,008 of 100,008 characters left out" in message


@pytest.mark.parametrize(
    "text",
    ["", "nope", "[]", "7", "null", "{}", '{"type":1}', "[" * 100_000]
    + [
        '{"type":"ValueError","module":"builtins","message":"m","traceback":"","args":' + rest
        for rest in ("7}", '[],"attributes":[1]}', '[],"errors":[7]}')
    ],
    ids=lambda text: text[:90],
)
def test_a_damaged_record_is_an_error_that_says_so(text):
    back = decode_error(text)
    assert type(back) is errors.RecordedError
    assert "cannot be read" in str(back)


def test_an_argument_of_a_type_that_has_gone_is_shown_as_json():
    text = encode_error(ValueError("x", {"a": 1})).replace('{"a":1}', '{"$":"order","v":1}')
    assert decode_error(text).args == ("x", {"$": "order", "v": 1})


def test_an_error_raised_again_keeps_its_first_traceback():
    def first():
        raise ValueError("x")

    def second(error):
        raise error

    def caught(fn, *args):
        try:
            fn(*args)
        except ValueError as error:
            return error

    back = decode_error(encode_error(caught(second, decode_error(encode_error(caught(first))))))
    assert "in first" in back.recorded_traceback
    assert "Raised again from its record" in back.recorded_traceback
    assert "in second" in back.recorded_traceback


def fail(order, depth=0):
    if depth:
        return fail(order, depth - 1)
    raise ValueError(f"order {order} of customer cus_9sK3 at 0x7f21 failed after 3.2 s")


def other(order):
    raise ValueError(f"order {order} of customer cus_9sK3 at 0x7f21 failed after 3.2 s")


def failed(fn, *args):
    try:
        fn(*args)
    except Exception as error:
        return error


def test_a_fingerprint_ignores_numbers_ids_and_lines_but_not_type_words_or_function():
    base = fingerprint(failed(fail, "o-1"))
    assert base == fingerprint(failed(fail, "3fa85f64-5717-4562-b3fc-2c963f66afa6", 3))
    assert base != fingerprint(failed(other, "o-1"))
    assert base != fingerprint(failed(int, "x"))
    assert fingerprint(ValueError("card declined")) != fingerprint(ValueError("card expired"))
    assert fingerprint(ValueError("same")) != fingerprint(KeyError("same"))
    assert len(base) == 12


def test_a_fingerprint_takes_the_last_own_function_not_that_of_a_library():
    def parse(text):
        return json.loads(text)

    def parse_all(text):
        return json.loads(text)

    assert fingerprint(failed(parse, "no")) != fingerprint(failed(parse_all, "no"))


@pytest.mark.parametrize("vanished", [False, True])
def test_a_decoded_error_has_the_fingerprint_of_the_original(vanished):
    def chained():
        try:
            failing()
        except KeyError as error:
            raise ExceptionGroup("both", [failed(fail, 1), error]) from error

    def failing():
        raise KeyError("k")

    for error in (failed(fail, "o-1"), failed(chained), failed(json.loads, "no"), ValueError("never raised")):
        text = encode_error(error)
        back = decode_error(text.replace('"module":"', '"module":"gone.') if vanished else text)
        assert fingerprint(back) == fingerprint(error)
        assert fingerprint(raised(back)) == fingerprint(error)
