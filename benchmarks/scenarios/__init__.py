"""What is measured. A scenario is a module with three names.

`METRICS`: what is printed. `parts(quick)`: what each subject does in turn, so that neighbours in time are compared.
`measure(subject, databases, part, quick, seed)`: one subject's figures of one part, in databases of their own.
"""

from types import ModuleType

from . import drain, latency, steps

SCENARIOS: dict[str, ModuleType] = {"steps": steps, "drain": drain, "latency": latency}
