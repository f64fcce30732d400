"""The addresses of the console. Include them wherever it shall live."""

from django.urls import path

from . import converters  # noqa: F401  registers "durable_id"
from .actions import cancel, resume, theme
from .pages import executors, login, overview, queue, queues, workflow, workflows

app_name = "durable_dashboard"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("theme/", theme.theme, name="theme"),
    path("workflows/", workflows.workflows, name="workflows"),
    path("workflows/<durable_id:pk>/", workflow.show, name="workflow"),
    path("workflows/<durable_id:pk>/cancel/", cancel.cancel, name="cancel"),
    path("workflows/<durable_id:pk>/resume/", resume.resume, name="resume"),
    path("queues/", queues.queues, name="queues"),
    path("queues/<durable_id:name>/", queue.queue, name="queue"),
    path("executors/", executors.executors, name="executors"),
]
