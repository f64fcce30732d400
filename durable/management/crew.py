"""Several executor processes under one parent, which starts those again that crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

MEMBER = "DURABLE_EXECUTOR_MEMBER"
"""Set in a process that is one of several."""
SHORT_LIFE_SECONDS = 5.0
LONGEST_REST_SECONDS = 30.0


def is_member() -> bool:
    return MEMBER in os.environ


def has_lost_its_parent(parent: int) -> bool:
    """Whether this process is a member whose parent is gone, so that nobody would stop it."""
    return is_member() and os.getppid() != parent


class Crew:
    """`count` processes of the command line that started this one. Raises nothing: what happens is said."""

    def __init__(self, count: int, say: Callable[[str], None]):
        self.count, self.say = count, say
        self.members: dict[int, subprocess.Popen[bytes]] = {}
        self.born: dict[int, float] = {}
        self.due: dict[int, float] = {}
        self.rests = dict.fromkeys(range(1, count + 1), 0.0)
        self.asked = 0

    def run(self) -> int:
        """Keep the crew alive until asked to stop; 0 when all members ended as asked."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.ask)
        self.due = dict.fromkeys(range(1, self.count + 1), 0.0)
        while not self.asked:
            self.start_the_due()
            self.bury_the_dead()
            time.sleep(0.1)
        return max((member.wait() for member in self.members.values()), default=0)

    def ask(self, number: int, frame: FrameType | None) -> None:
        """The first signal drains every member, the second hurries them."""
        self.asked += 1
        for member in self.members.values():
            if member.poll() is None:
                member.terminate()

    def start_the_due(self) -> None:
        now = time.monotonic()
        for number in [n for n, at in self.due.items() if at <= now]:
            del self.due[number]
            command = [sys.executable, *sys.argv]
            self.members[number] = subprocess.Popen(command, env=os.environ | {MEMBER: str(number)})
            self.born[number] = now

    def bury_the_dead(self) -> None:
        for number, member in list(self.members.items()):
            code = member.poll()
            if code is None:
                continue
            del self.members[number]
            lived = time.monotonic() - self.born[number]
            rest = self.rests[number] = 0.0 if lived > SHORT_LIFE_SECONDS else min(
                LONGEST_REST_SECONDS, max(1.0, self.rests[number] * 2)
            )  # fmt: skip
            self.due[number] = time.monotonic() + rest
            self.say(f"executor process {number} ended with {code}; starting it again in {rest:.0f} s")
