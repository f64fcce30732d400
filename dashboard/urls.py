"""The addresses of the console. Include them wherever it shall live."""

from django.urls import path

from . import converters  # noqa: F401  registers "durable_id"
from .actions import theme
from .actions.queue import limits as queue_limits
from .actions.queue import pause as queue_pause
from .actions.schedule import backfill, override, trigger
from .actions.schedule import delete as schedule_delete
from .actions.schedule import pause as schedule_pause
from .actions.version import move, promote
from .actions.workflow import cancel, delay, delete, fork, restart, resume, rewind, send
from .pages import (
    executors,
    login,
    news,
    overview,
    queue,
    queues,
    schedule,
    schedules,
    stream,
    versions,
    workflow,
    workflows,
)  # fmt: skip

app_name = "durable_dashboard"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("theme/", theme.theme, name="theme"),
    path("workflows/", workflows.workflows, name="workflows"),
    path("workflows/<durable_id:pk>/", workflow.show, name="workflow"),
    path("workflows/<durable_id:pk>/news/", news.news, name="news"),
    path("workflows/<durable_id:pk>/streams/<durable_id:key>/", stream.stream, name="stream"),
    path("workflows/<durable_id:target>/cancel/", cancel.cancel, name="cancel"),
    path("workflows/<durable_id:target>/resume/", resume.resume, name="resume"),
    path("workflows/<durable_id:target>/restart/", restart.restart, name="restart"),
    path("workflows/<durable_id:target>/fork/", fork.fork, name="fork"),
    path("workflows/<durable_id:target>/rewind/", rewind.rewind, name="rewind"),
    path("workflows/<durable_id:target>/send/", send.send, name="send"),
    path("workflows/<durable_id:target>/delay/", delay.delay, name="delay"),
    path("workflows/<durable_id:target>/delete/", delete.delete, name="delete"),
    path("queues/", queues.queues, name="queues"),
    path("queues/<durable_id:name>/", queue.queue, name="queue"),
    path("queues/<durable_id:target>/limits/", queue_limits.limits, name="queue_limits"),
    path("queues/<durable_id:target>/limits/clear/", queue_limits.clear_limits, name="queue_clear"),
    path("queues/<durable_id:target>/pause/", queue_pause.pause, name="queue_pause"),
    path("queues/<durable_id:target>/resume/", queue_pause.resume, name="queue_resume"),
    path("schedules/", schedules.schedules, name="schedules"),
    path("schedules/<durable_id:name>/", schedule.schedule, name="schedule"),
    path("schedules/<durable_id:target>/pause/", schedule_pause.pause, name="schedule_pause"),
    path("schedules/<durable_id:target>/resume/", schedule_pause.resume, name="schedule_resume"),
    path("schedules/<durable_id:target>/trigger/", trigger.trigger, name="schedule_trigger"),
    path("schedules/<durable_id:target>/backfill/", backfill.backfill, name="schedule_backfill"),
    path("schedules/<durable_id:target>/terms/", override.override, name="schedule_override"),
    path("schedules/<durable_id:target>/terms/clear/", override.clear_override, name="schedule_clear"),
    path("schedules/<durable_id:target>/delete/", schedule_delete.delete, name="schedule_delete"),
    path("executors/", executors.executors, name="executors"),
    path("versions/", versions.versions, name="versions"),
    path("versions/<durable_id:target>/promote/", promote.promote, name="version_promote"),
    path("versions/of/<durable_id:target>/move/", move.move, name="version_move"),
]
