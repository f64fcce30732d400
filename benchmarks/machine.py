"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from .subjects import ROOT

SYNCS = 200


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
