"""What must not drift: how long files are, which way imports point, what never appears."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from django.apps import apps

from .support.source import COMMENT, OURS, ROOT, Import, Module, markup, modules, templates

LONGEST_FILE = 400

LAYERS = (
    "durable.errors durable.states durable.conf durable.chance durable.retry durable.options durable.signals "
    "durable.registry durable.context durable.serializers durable.cron",
    "durable.engine durable.backends",
    "durable.models durable.filters durable.audit",
    "durable.executor",
    "durable",  # definition, step, verbs, client, handles and what else is public
    "durable.apps durable.management durable.contrib durable.compat",
    "dashboard api",
    "config examples",
)
"""From the ground up. A module belongs to the longest name that it begins with."""

LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
SQL = re.compile(r"\bcursor\(|\.raw\(|\bRawSQL\b|\.extra\(")
TRUST = re.compile(r"\bmark_safe\b|\bSafe(String|Text)\(|\bautoescape\b|\bis_safe\s*=|__html__")
PICKLES = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle")


def level(name: str) -> int | None:
    """How high `name` stands, None when it is not ours."""
    parts = name.split(".")
    known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((LEVELS[place] for place in known if place in LEVELS), None)


def points_up(module: Module, found: Import) -> bool:
    above, here = level(found.name), level(module.name)
    return above is not None and here is not None and above > here and not found.is_marked


def at(module: Module, line: int, what: str) -> str:
    return f"{module.place}:{line} {what}"


def test_no_file_is_longer_than_400_lines():
    assert [m.place for m in modules(*OURS) if len(m.lines) > LONGEST_FILE] == []


def test_imports_point_down():
    found = [
        at(m, i.line, i.name) for m in modules("durable", "dashboard", "api") for i in m.imports if points_up(m, i)
    ]
    assert found == []


def test_an_import_that_points_up_says_why():
    marked = [line for m in modules("durable", "dashboard", "api") for line in m.lines if "# up:" in line]
    assert [line for line in marked if len(line.partition("# up:")[2].split()) < 3] == []


def test_the_engine_knows_no_colour_and_no_django():
    foreign = ("django", "asyncio", "threading", "concurrent", "asgiref", "psycopg", "sqlite3")
    ground = LEVELS["durable.errors"]
    for module in modules("durable/engine"):
        for found in module.imports:
            assert not found.is_of(*foreign), at(module, found.line, found.name)
            assert found.is_of("durable.engine") or level(found.name) in (None, ground), at(
                module, found.line, found.name
            )


def test_nothing_outside_knows_the_server():
    for module in modules("durable", "dashboard", "api"):
        for found in module.imports:
            assert not found.is_of("config", "examples", "tests"), at(module, found.line, found.name)


@pytest.mark.parametrize("face", ["dashboard", "api"])
def test_a_face_can_be_renamed(face):
    """The wheel ships `dashboard` as `durable_dashboard` and `api` as `durable_api`."""
    for module in modules(face):
        for node in ast.walk(module.tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in ("dashboard", "api"), at(module, node.lineno, name)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(rf"{face}\.[a-z_]+(\.|$)", node.value), at(module, node.lineno, node.value)


@pytest.mark.parametrize("face", ["dashboard", "api", "durable/contrib", "durable/management"])
def test_a_face_speaks_no_sql(face):
    found = [at(m, n, line.strip()) for m in modules(face) for n, line in enumerate(m.lines, 1) if SQL.search(line)]
    assert found == []


def test_only_its_own_serializer_knows_pickle():
    for module in modules("durable", "dashboard", "api", "config"):
        if module.place != "durable/serializers/pickle.py":
            for found in module.imports:
                assert not found.is_of(*PICKLES), at(module, found.line, found.name)


def test_nothing_makes_code_of_text():
    for module in modules("durable", "dashboard", "api", "config"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), at(
                    module, node.lineno, node.func.id
                )


def test_nothing_is_declared_safe():
    places = modules("durable", "dashboard", "api", "config", "examples")
    assert [at(m, n, line) for m in places for n, line in enumerate(m.lines, 1) if TRUST.search(line)] == []


@pytest.mark.parametrize("template", templates(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_template_escapes_everything_and_has_nothing_inline(template: Path):
    code = COMMENT.sub("", template.read_text())
    assert not re.search(r"\|\s*(safe|safeseq)\b|{%\s*autoescape\s+off|{%\s*filter\s+safe", code)
    html = markup(template)
    assert not re.search(r"<script\b(?![^>]*\bsrc=)", html), "a script without src"
    assert not re.search(r"<script\b[^>]*>\s*[^\s<]", html), "a script with a body"
    assert not re.search(r"<style\b|<[^>]*\sstyle\s*=", html), "inline style"
    assert not re.search(r"<[^>]*\s(on[a-z]+|hx-on[a-z:-]*)\s*=", html), "an inline handler"
    assert not re.search(r"""["'\s](javascript|js):""", html), "script in an attribute"


def test_templates_and_static_files_carry_the_name_of_their_app():
    """A host project has its own `base.html` and `style.css`; ours stand in folders of our own names."""
    ours = {"durable_dashboard", "durable_api", "durable"}
    for folder in ("templates", "static", "dashboard/templates", "dashboard/static", "api/templates", "api/static"):
        names = {path.name for path in (ROOT / folder).glob("*") if not path.name.startswith(".")}
        assert names <= ours, folder


def test_labels_of_the_apps_collide_with_nobody():
    labels = {config.name: config.label for config in apps.get_app_configs()}
    assert [labels["durable"], labels["dashboard"], labels["api"]] == ["durable", "durable_dashboard", "durable_api"]


def test_the_wheel_holds_nothing_but_its_own_names(tmp_path):
    wheel = pytest.importorskip("hatchling.builders.wheel")
    from zipfile import ZipFile

    [path] = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(path) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"durable", "durable_dashboard", "durable_api"}
    assert len(names) == len(set(names)) == len({name.lower() for name in names})
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".sqlite3"))]


def test_warnings_are_errors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["pytest"]["ini_options"]["filterwarnings"] == ["error"]
