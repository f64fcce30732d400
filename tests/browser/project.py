"""The server's own settings with workflows to steer."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.browser.steering"]
ROOT_URLCONF = "tests.browser.steering.urls"
