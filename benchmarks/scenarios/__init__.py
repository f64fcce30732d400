"""What is measured. A scenario is a module with three names.

`METRICS`: what is printed. `parts(quick)`: what each subject does in turn, so that neighbours in time are compared.
`measure(subject, databases, part, quick, seed)`: one subject's figures of one part, in databases of their own.
"""

from types import ModuleType

from . import (
    beside,
    calls,
    drain,
    enqueue,
    executors,
    fanout,
    idle,
    latency,
    lists,
    many,
    payloads,
    recovery,
    replay,
    retention,
    sleepers,
    slow,
    steps,
    volume,
)

SCENARIOS: dict[str, ModuleType] = {
    "steps": steps,
    "drain": drain,
    "latency": latency,
    "many": many,
    "calls": calls,
    "enqueue": enqueue,
    "sleepers": sleepers,
    "recovery": recovery,
    "replay": replay,
    "volume": volume,
    "retention": retention,
    "lists": lists,
    "slow": slow,
    "beside": beside,
    "fanout": fanout,
    "idle": idle,
    "executors": executors,
    "payloads": payloads,
}
