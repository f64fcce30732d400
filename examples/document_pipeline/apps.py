from typing import Any

from django.apps import AppConfig
from django.urls import reverse

from durable.contrib.dev import preparing


class DocumentPipelineConfig(AppConfig):
    name = "examples.document_pipeline"
    label = "document_pipeline"
    verbose_name = "Document pipeline"

    def ready(self) -> None:
        preparing.connect(prepare, dispatch_uid="document_pipeline")


def prepare(**_: Any) -> tuple[str, str]:
    """Where rundev says that the pipeline is."""
    return "Documents", reverse("document_pipeline:index")
