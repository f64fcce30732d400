"""What happens, as Django signals. Logs, traces and metrics are receivers; a failing receiver harms nothing.

Each is sent with `send_robust`, after the commit, in the thread that did it.

Sender `durable.models.Workflow`, with `workflow_id`, `name` (of the workflow), `epoch`, `executor`, and besides:
`workflow_started` nothing (epoch 1 is the first start); `workflow_parked` and `workflow_released` `reason`, `until`;
`workflow_finished` `status`; `workflow_lost` (found by this executor, no epoch) `lost_by`, `dead`; `step_recorded`
`seq`, `step`, `failed`; `step_failed` (one attempt of several) `seq`, `step`, `attempt`, `error` (JSON).

Sender `durable.models.Executor`, with `executor`: `executor_started`, `executor_draining`, `executor_stopped`,
`executor_lost`.
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
