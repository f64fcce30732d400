from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """The console. Its name follows the folder, which the wheel ships as `durable_dashboard`."""

    name = __package__
    label = "durable_dashboard"
    verbose_name = "Durable console"

    def ready(self) -> None:
        from . import converters  # noqa: F401  registers the converter that urls.py uses
