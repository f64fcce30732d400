"""For engines whose workers have no call that returns once they run: they are started in a thread."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable


def started(work: Callable[[], object]) -> None:
    """Call `work` in a thread of its own. If it ends with an error, so does the process."""

    def run() -> None:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threading.Thread(target=run, daemon=True).start()
