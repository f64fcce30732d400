from django.conf import settings
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("durable/", include("dashboard.urls")),
    path("api/v1/", include("api.urls")),
]
if settings.EXAMPLES:
    urlpatterns += [
        path("", RedirectView.as_view(pattern_name="widget_store:shop")),
        path("shop/", include("examples.widget_store.urls")),
        path("documents/", include("examples.document_pipeline.urls")),
    ]
else:
    urlpatterns += [path("", RedirectView.as_view(pattern_name="durable_dashboard:overview"))]
