"""`manage.py rundev`: web server and executor in one process on your own machine, under a small supervisor.

The parent (`supervisor`) binds the address, starts the child with it and starts it again when it dies, so that the
browser's next request waits instead of failing. The child (`site`) migrates, makes a demo operator, runs an executor
beside Django's development server, and tells the terminal what happens.
"""

from __future__ import annotations

import os

from django.dispatch import Signal

VARIABLE = "DURABLE_DEV"
"""Tells the child its parent's pid, the number of the listening socket and how often it was started before."""

RELOAD = 3
"""Exit code of a child whose source changed."""

REFUSED = 78
"""Exit code of a child that cannot run here however often it is started (the EX_CONFIG of sysexits.h)."""

preparing = Signal()
"""Sent in the child after the migrations and before the first page: an app loads what its demo needs.

A receiver may return `(label, path)`, such as `("Shop", "/shop/")`: rundev prints the address.
"""


def is_supervised() -> bool:
    """Whether this very process was started by rundev's parent, which starts it again when it dies."""
    return os.environ.get(VARIABLE, "").partition(":")[0] == str(os.getppid())
