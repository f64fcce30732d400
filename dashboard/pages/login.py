"""Signing in and out."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import reverse_lazy

from ..armour import armoured

login = armoured(
    LoginView.as_view(template_name="durable/login.html", next_page=reverse_lazy("durable_dashboard:overview"))
)
logout = armoured(LogoutView.as_view(next_page=reverse_lazy("durable_dashboard:login"), http_method_names=["post"]))
