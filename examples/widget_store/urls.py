from django.urls import path

from . import views

app_name = "widget_store"
urlpatterns = [
    path("", views.shop, name="shop"),
    path("buy/<slug:slug>/", views.buy, name="buy"),
    path("orders/<uuid:pk>/", views.order, name="order"),
    path("pay/<str:token>/", views.pay, name="pay"),
    path("pay/<str:token>/webhook/", views.webhook, name="webhook"),
    path("restock/", views.restock, name="restock"),
    path("crash/", views.crash, name="crash"),
]
