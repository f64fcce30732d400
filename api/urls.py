"""The routes. No address ends in a slash; ids are written as `converters` says."""

from django.urls import path, re_path

from . import converters  # noqa: F401  registers the converter
from .views.attempts import Attempts
from .views.bulk import Bulk
from .views.events import Events
from .views.executors import Executors
from .views.forking import Fork, Restart, Rewind
from .views.health import Health
from .views.live import LiveStream
from .views.messages import Messages
from .views.missing import Missing
from .views.portability import Export, Import
from .views.queues import PauseQueue, QueueOverride, Queues, QueueView, ResumeQueue
from .views.schedules import ScheduleOverride, Schedules, ScheduleView
from .views.scheduling import Backfill, PauseSchedule, ResumeSchedule, Ticks, Trigger
from .views.schema import Docs, Schema
from .views.steering import Cancel, Resume
from .views.steps import StepAttempts, Steps
from .views.streams import Stream, Streams
from .views.versions import Move, Promote, Versions
from .views.workflows import Workflows, WorkflowView

app_name = "durable_api"

urlpatterns = [
    path("healthz", Health.as_view(), name="health"),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(), name="docs"),
    path("workflows", Workflows.as_view(), name="workflows"),
    # The actions before the workflow itself: a plain slash belongs to an id only where no action follows it.
    path("workflows/<durable_api_id:id>/streams/<durable_api_id:key>/live", LiveStream.as_view(), name="live-stream"),
    path("workflows/<durable_api_id:id>/streams/<durable_api_id:key>", Stream.as_view(), name="stream"),
    path("workflows/<durable_api_id:id>/streams", Streams.as_view(), name="streams"),
    path("workflows/<durable_api_id:id>/steps", Steps.as_view(), name="steps"),
    path("workflows/<durable_api_id:id>/step-attempts", StepAttempts.as_view(), name="step-attempts"),
    path("workflows/<durable_api_id:id>/attempts", Attempts.as_view(), name="attempts"),
    path("workflows/<durable_api_id:id>/events", Events.as_view(), name="events"),
    path("workflows/<durable_api_id:id>/messages", Messages.as_view(), name="messages"),
    path("workflows/<durable_api_id:id>/cancel", Cancel.as_view(), name="cancel"),
    path("workflows/<durable_api_id:id>/resume", Resume.as_view(), name="resume"),
    path("workflows/<durable_api_id:id>/restart", Restart.as_view(), name="restart"),
    path("workflows/<durable_api_id:id>/fork", Fork.as_view(), name="fork"),
    path("workflows/<durable_api_id:id>/rewind", Rewind.as_view(), name="rewind"),
    path("workflows/<durable_api_id:id>/export", Export.as_view(), name="export"),
    path("workflows/<durable_api_id:id>", WorkflowView.as_view(), name="workflow"),
    path("bulk", Bulk.as_view(), name="bulk"),
    path("import", Import.as_view(), name="import"),
    path("queues", Queues.as_view(), name="queues"),
    path("queues/<durable_api_id:id>/override", QueueOverride.as_view(), name="queue-override"),
    path("queues/<durable_api_id:id>/pause", PauseQueue.as_view(), name="pause-queue"),
    path("queues/<durable_api_id:id>/resume", ResumeQueue.as_view(), name="resume-queue"),
    path("queues/<durable_api_id:id>", QueueView.as_view(), name="queue"),
    path("schedules", Schedules.as_view(), name="schedules"),
    path("schedules/<durable_api_id:id>/override", ScheduleOverride.as_view(), name="schedule-override"),
    path("schedules/<durable_api_id:id>/pause", PauseSchedule.as_view(), name="pause-schedule"),
    path("schedules/<durable_api_id:id>/resume", ResumeSchedule.as_view(), name="resume-schedule"),
    path("schedules/<durable_api_id:id>/trigger", Trigger.as_view(), name="trigger-schedule"),
    path("schedules/<durable_api_id:id>/backfill", Backfill.as_view(), name="backfill-schedule"),
    path("schedules/<durable_api_id:id>/ticks", Ticks.as_view(), name="ticks"),
    path("schedules/<durable_api_id:id>", ScheduleView.as_view(), name="schedule"),
    path("versions", Versions.as_view(), name="versions"),
    path("versions/<durable_api_id:id>/promote", Promote.as_view(), name="promote-version"),
    path("versions/<durable_api_id:id>/move", Move.as_view(), name="move-to-version"),
    path("executors", Executors.as_view(), name="executors"),
    re_path(r"^(?P<path>(?s:.*))\Z", Missing.as_view(), name="missing"),
]
