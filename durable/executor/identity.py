"""Who a process is, so that others on the same machine can tell that it is gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def hostname() -> str:
    return socket.gethostname()


def host() -> str:
    """The same for all processes that see each other's pids: this boot of the machine, in this process namespace.

    Empty where the system does not say; then only the lease tells.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None when there is none with this pid."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def is_provably_dead(host_of: str, pid: int, pid_started: str) -> bool:
    """Whether that process ran on this boot, in this namespace, and is gone (or its pid is another's now)."""
    return bool(host_of) and host_of == host() and bool(pid_started) and started(pid) != pid_started
