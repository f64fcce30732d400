from django.urls import path

from . import views

app_name = "document_pipeline"
urlpatterns = [
    path("", views.index, name="index"),
    path("start/", views.start, name="start"),
    path("<str:workflow_id>/", views.run, name="run"),
]
