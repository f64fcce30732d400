"""The site, and addresses at which a test starts what a person then steers."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

import durable


def start(request: HttpRequest, name: str, pk: str) -> HttpResponse:
    options = {key: value for key, value in request.GET.items() if key in ("queue", "partition_key")}
    durable.start_by_name(name, request.GET.getlist("arg"), workflow_id=pk, **options)
    return HttpResponse(pk)


def send(request: HttpRequest, pk: str) -> HttpResponse:
    durable.send(pk, request.GET["message"], request.GET["topic"])
    return HttpResponse(pk)


urlpatterns = [
    path("start/<str:name>/<str:pk>/", start),
    path("send/<str:pk>/", send),
    path("", include("config.urls")),
]
