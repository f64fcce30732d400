"""What happens, as Django signals. Logs, traces and metrics are receivers; a failing receiver harms nothing.

Each is sent with `send_robust`, sender = the class `durable.models.Workflow` or `durable.models.Executor`, and:
`workflow_started`, `workflow_parked`, `workflow_finished`, `workflow_lost`, `workflow_released`:
`workflow_id`, `name`, `executor` (and `status` for finished); `step_recorded`: `workflow_id`, `seq`, `name`, `failed`;
`step_failed` (one attempt): `workflow_id`, `seq`, `name`, `attempt`, `error`;
`executor_started`, `executor_draining`, `executor_stopped`, `executor_lost`: `executor`.
"""

from django.dispatch import Signal

workflow_started = Signal()
workflow_parked = Signal()
workflow_finished = Signal()
workflow_released = Signal()
workflow_lost = Signal()
step_recorded = Signal()
step_failed = Signal()
executor_started = Signal()
executor_draining = Signal()
executor_stopped = Signal()
executor_lost = Signal()
