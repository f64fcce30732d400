"""The wheel, as a stranger gets it: installed into a new environment, added to a new project, every page loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("durable", "dashboard", "api", "templates", "static")
"""What the wheel is made of; nothing else of the repository may be needed to build it."""

APPS = ("durable", "django_htmx", "durable_dashboard", "rest_framework", "knox", "drf_spectacular")

SETTINGS = """
INSTALLED_APPS += {apps} + ["drf_spectacular_sidecar", "shop"]
DATABASES["default"]["OPTIONS"] = {{
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}}
"""
URLS = """
from django.urls import include, path

urlpatterns = [
    path("durable/", include("durable_dashboard.urls")),
    path("our/own/api/", include("durable_api.urls")),
]
"""
WORKFLOWS = """
import durable

greetings = durable.Queue("greetings", concurrency=2)

@durable.step()
def word(name):
    return f"hello {name}"

@durable.workflow()
def greet(name):
    durable.set_event("greeting", word(name))
    return word(name)
"""
VISIT = """
import json

import django

django.setup()

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from shop.workflows import greet, greetings

done = greet.using(workflow_id="greet/1")
assert done("world") == "hello world"
greetings.enqueue(greet, "queue")

operator = get_user_model().objects.create_superuser("operator", password="a long enough password")
client = Client(SERVER_NAME="localhost")
answers = {"durable_dashboard:login": client.get(reverse("durable_dashboard:login")).status_code}
client.force_login(operator)
one, queue = {"pk": "greet/1"}, {"name": "greetings"}
for name, known in {
    "durable_dashboard:overview": {}, "durable_dashboard:workflows": {}, "durable_dashboard:workflow": one,
    "durable_dashboard:queues": {}, "durable_dashboard:queue": queue, "durable_dashboard:executors": {},
    "durable_api:health": {}, "durable_api:schema": {}, "durable_api:docs": {}, "durable_api:workflows": {},
    "durable_api:workflow": {"id": "greet/1"}, "durable_api:steps": {"id": "greet/1"},
    "durable_api:events": {"id": "greet/1"}, "durable_api:queues": {}, "durable_api:queue": {"id": "greetings"},
    "durable_api:executors": {},
}.items():
    answers[name] = client.get(reverse(name, kwargs=known)).status_code
print(json.dumps(answers))
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """The output of a command that must succeed, in an environment that knows nothing of this repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DURABLE_", "DJANGO_", "PYTHON"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in SHIPPED:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, cwd=source)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; what it depends on comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin/python"
    install = ("install", "--no-deps", "--no-index", "--quiet", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "tests_environment.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def project(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    run(python, "-m", "django", "startproject", "fresh", folder, cwd=folder)
    run(python, "manage.py", "startapp", "shop", cwd=folder)
    apps = [*APPS, "durable_api"]
    with (folder / "fresh/settings.py").open("a") as settings:
        settings.write(SETTINGS.format(apps=apps))
    (folder / "fresh/urls.py").write_text(URLS)
    (folder / "shop/workflows.py").write_text(WORKFLOWS)
    (folder / "visit.py").write_text(VISIT)
    run(python, "manage.py", "migrate", "--verbosity", "0", cwd=folder)
    return folder


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
class TestWheel:
    def test_it_holds_three_packages_and_nothing_of_the_repository(self, wheel: Path) -> None:
        tops = {name.partition("/")[0] for name in contents(wheel)}
        assert {top for top in tops if not top.endswith(".dist-info")} == {
            "durable",
            "durable_dashboard",
            "durable_api",
        }

    def test_it_holds_every_template_and_every_static_file(self, wheel: Path) -> None:
        for folder in ("templates", "static"):
            for file in (ROOT / folder).rglob("*"):
                if file.is_file():
                    assert f"durable_dashboard/{file.relative_to(ROOT)}" in contents(wheel)

    def test_it_says_that_it_is_typed(self, wheel: Path) -> None:
        assert "durable/py.typed" in contents(wheel)

    def test_it_is_what_the_new_environment_imports(self, python: Path, project: Path) -> None:
        where = run(python, "-c", "import durable, sys; print(durable.__file__)", cwd=project)
        assert where.startswith(str(python.parent.parent))

    def test_a_new_project_passes_its_checks(self, python: Path, project: Path) -> None:
        checked = run(python, "-W", "error", "manage.py", "check", "--fail-level", "WARNING", cwd=project)
        assert "System check identified no issues (0 silenced)." in checked
        migrated = run(python, "manage.py", "makemigrations", "--check", "--dry-run", "durable", cwd=project)
        assert "No changes detected in app 'durable'" in migrated

    def test_every_page_loads(self, python: Path, project: Path) -> None:
        said = run(python, "-W", "error", "visit.py", cwd=project, DJANGO_SETTINGS_MODULE="fresh.settings")
        answers: dict[str, Any] = json.loads(said.splitlines()[-1])
        assert len(answers) == 17
        assert {name: status for name, status in answers.items() if status != 200} == {}

    def test_the_style_is_found(self, python: Path, project: Path) -> None:
        assert "console.css" in run(python, "manage.py", "findstatic", "durable/console.css", cwd=project)
