from django.apps import AppConfig

from durable.contrib.dev import preparing


class WidgetStoreConfig(AppConfig):
    name = "examples.widget_store"
    label = "widget_store"
    verbose_name = "Widget store"

    def ready(self) -> None:
        from .catalogue import prepare

        preparing.connect(prepare, dispatch_uid="widget_store")
