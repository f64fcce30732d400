"""What the guide from DBOS promises: its programs run, no name is left out, every test that it names is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import durable
from durable.compat import dbos
from durable.compat.dbos import DBOS, DBOSConfig
from durable.compat.dbos.config import REFUSED
from durable.compat.dbos.error import DBOSErrorCode

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/coming-from-dbos.md").read_text()
BLOCKS = {"older": 40, "newer": 73, "Go": 123}


def section(start: str) -> str:
    """A section's text, to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(start)}.*?(?=^#{{1,3}} |\Z)", TEXT, re.M | re.S)
    assert found, start
    return found[0]


def words(text: str) -> set[str]:
    """Every name in code of a text."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return {word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", code)}


@pytest.mark.parametrize(
    ("name", "prints"), [("program.py", "['Hello Ada', 'Hello Grace']"), ("transactions.py", "hello")]
)
def test_a_program_of_the_guide_runs_as_printed(name, prints, tmp_path):
    [code] = [code for code in re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S) if code.startswith(f"# {name}")]
    (tmp_path / name).write_text(code)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, name], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == prints, done.stderr


def test_every_public_name_is_in_the_guide():
    names = {name for name in dbos.__all__ if name != "error"} - {"DBOSConfig"}
    methods = {name for name in vars(DBOS) | _inherited() if not name.startswith("_") and not name.endswith("_async")}
    missing = (names | methods - {"config", "executor", "queues", "is_launched"}) - words(TEXT)
    plurals = {name for name in missing if name.removesuffix("s") in words(TEXT)}
    assert missing - plurals == set()


def _inherited() -> dict[str, object]:
    return {name: member for cls in DBOS.__mro__[1:-1] for name, member in vars(cls).items()}


def test_every_error_and_code_is_in_the_guide():
    table = section("Every name, in both directions")
    for line in re.findall(r"^\| `(\w+)` \| (\d+) \| (.*) \|$", table, re.M):
        error, code, natives = line
        assert getattr(dbos.error, error).code == DBOSErrorCode(int(code))
        for native in re.findall(r"`(\w+)`", natives):
            assert hasattr(durable.errors, native)
    assert {int(code) for code in re.findall(r"^\| `\w+` \| (\d+) \|", table, re.M)} == {
        code.value for code in DBOSErrorCode
    }


def test_every_key_of_the_configuration_is_in_the_guide():
    said = words(section("The configuration, key by key"))
    assert set(DBOSConfig.__annotations__) | set(REFUSED) <= said


def test_every_name_of_durable_that_the_guide_gives_is_there():
    for name in set(re.findall(r"`@?durable\.(\w+)", TEXT)) - {"compat"}:
        assert hasattr(durable, name), name


def test_every_test_that_the_guide_names_is_there():
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", TEXT))
    assert len(named) > 50
    for file, test in named:
        tree = ast.parse((ROOT / "tests/compat" / file).read_text())
        assert test in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, f"{file}::{test}"


@pytest.mark.parametrize("form", BLOCKS)
def test_every_block_of_a_document_is_in_its_table_once(form):
    start = "The prompt for Go" if form == "Go" else f"The prompt for AI models, {form} form"
    found: list[int] = []
    for cell in re.findall(r"^\| ([\d–, ]+) \|", section(start), re.M):
        for part in cell.split(","):
            first, _, last = part.strip().partition("–")
            found += range(int(first), int(last or first) + 1)
    assert sorted(found) == list(range(1, BLOCKS[form] + 1))
