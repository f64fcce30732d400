from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST API. Its name follows the folder, which the wheel ships as `durable_api`."""

    name = __package__
    label = "durable_api"
    verbose_name = "Durable REST API"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers the system checks
