"""The names of all that a list of workflows can be narrowed by, the same in every face."""

MOST_IDS = 1000

ALIASES = {
    "id": "ids",
    "prefix": "id_prefix",
    "since": "created_after",
    "after": "created_after",
    "before": "created_before",
    "until": "created_before",
    "error": "error_type",
    "attribute": "attributes",
}
SPELLED = {"ids": "id"}

MANY = ("status", "phase", "queue", "ids")
ONE = (
    "name", "id_prefix", "executor", "parent", "version", "user", "application", "forked_from", "schedule", "dedup_id",
    "error_type",
)  # fmt: skip
"""Usually one text; several are a tuple."""
TIMES = (
    "created_after", "created_before", "started_after", "started_before", "completed_after", "completed_before",
)  # fmt: skip
FLAGS = ("was_forked_from", "is_fork", "has_parent", "queues_only")
CRITERIA = (*MANY, *ONE, *TIMES, *FLAGS, "attributes")
