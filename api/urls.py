"""The routes. No address ends in a slash; ids are written as `converters` says."""

from django.urls import path, re_path

from . import converters  # noqa: F401  registers the converter
from .views.events import Events
from .views.executors import Executors
from .views.health import Health
from .views.missing import Missing
from .views.queues import Queues, QueueView
from .views.schema import Docs, Schema
from .views.steps import Steps
from .views.workflows import Cancel, Resume, Workflows, WorkflowView

app_name = "durable_api"

urlpatterns = [
    path("healthz", Health.as_view(), name="health"),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(), name="docs"),
    path("workflows", Workflows.as_view(), name="workflows"),
    # The actions before the workflow itself: a plain slash belongs to an id only where no action follows it.
    path("workflows/<durable_api_id:id>/steps", Steps.as_view(), name="steps"),
    path("workflows/<durable_api_id:id>/events", Events.as_view(), name="events"),
    path("workflows/<durable_api_id:id>/cancel", Cancel.as_view(), name="cancel"),
    path("workflows/<durable_api_id:id>/resume", Resume.as_view(), name="resume"),
    path("workflows/<durable_api_id:id>", WorkflowView.as_view(), name="workflow"),
    path("queues", Queues.as_view(), name="queues"),
    path("queues/<durable_api_id:id>", QueueView.as_view(), name="queue"),
    path("executors", Executors.as_view(), name="executors"),
    re_path(r"^(?P<path>(?s:.*))\Z", Missing.as_view(), name="missing"),
]
