from django.apps import AppConfig


class SteeringConfig(AppConfig):
    name = "tests.browser.steering"
    label = "steering"
