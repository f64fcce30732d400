"""The smallest application on huey: what every program of it runs. It has tasks, but no steps."""

from __future__ import annotations

import os
from typing import Any

from huey import RedisHuey

from ..measuring import FirstCall

first = FirstCall()
huey = RedisHuey("benchmarks", url=os.environ["BENCHMARK_DATABASE_URL"])


@huey.task()
def nothing(i: int) -> int:
    first()
    return i


def start(**options: Any) -> None:
    """Start a consumer beside this thread, with its defaults but for what is said."""
    huey.create_consumer(**options).start()
