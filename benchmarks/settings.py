"""The smallest Django project that runs Durable, with its defaults."""

import os

from config.environment import database

DATABASES = {"default": database(os.environ["BENCHMARK_DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["durable"]
SECRET_KEY = "nothing is signed here"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
