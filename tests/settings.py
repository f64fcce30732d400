"""The server's own settings, but for what tests need: small times, a database that tests swap, cheap passwords.

A process that a test starts reads the same file; the environment tells it which database and which settings.
"""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

if "DURABLE_TEST_FOLDER" not in os.environ:
    _folder = TemporaryDirectory(prefix="durable-tests-")
    os.environ["DURABLE_TEST_FOLDER"] = _folder.name
FOLDER = Path(os.environ["DURABLE_TEST_FOLDER"])

_SERVER = {
    "DURABLE_DATABASE_URL": f"sqlite:///{FOLDER}/nobody-asked-for-a-database.sqlite3",
    "DURABLE_SECRET_KEY": "for tests only, as long as a real one has to be",
    "DURABLE_DEBUG": "0",
    "DURABLE_EXAMPLES": "1",
    "DURABLE_HTTPS": "0",
    "DURABLE_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
}
with patch.dict(os.environ, _SERVER):
    from config.settings import *  # noqa: F403
    from config.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.app"]

if described := os.environ.get("DURABLE_TEST_DATABASE"):
    DATABASES["default"] = json.loads(described)

DURABLE = {
    "APPLICATION_NAME": "tests",
    "CONCURRENCY": 10,
    "LEASE_SECONDS": 4,
    "POLL_SECONDS": 0.1,
    "PARK_AFTER_SECONDS": 0.2,
    "SHUTDOWN_GRACE_SECONDS": 5,
    **json.loads(os.environ.get("DURABLE_TEST_SETTINGS", "{}")),
}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = FOLDER / "staticfiles"
STATIC_ROOT.mkdir(exist_ok=True)
