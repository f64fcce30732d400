"""The demo operator: a superuser with a random password that is kept between starts."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models

NAME = "demo"


@dataclass(frozen=True)
class Operator:
    """Who may sign in. `password` is None when rundev does not know it: then it was changed by hand."""

    name: str
    password: str | None


def home() -> Path:
    """The folder for what rundev keeps: DURABLE_HOME, or `.durable` beside manage.py."""
    return Path(os.environ.get("DURABLE_HOME") or Path(getattr(settings, "BASE_DIR", Path.cwd())) / ".durable")


def demo_operator() -> Operator:
    """The demo operator, made at the first start; later starts find the same name and password."""
    users = get_user_model()
    name = f"{NAME}@example.org" if is_email(users) else NAME
    file = home() / "demo_password"
    password = file.read_text().strip() if file.exists() else None
    user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()
    if user is None:
        password = password or secrets.token_urlsafe(12)
        keep(file, password)
        given = dict.fromkeys(users.REQUIRED_FIELDS, f"{NAME}@example.org")
        users._default_manager.create_superuser(**given | {users.USERNAME_FIELD: name, "password": password})
    elif password is None or not user.check_password(password):
        return Operator(name, None)
    return Operator(name, password)


def is_email(users: type[models.Model]) -> bool:
    return isinstance(users._meta.get_field(users.USERNAME_FIELD), models.EmailField)  # type: ignore[attr-defined]


def keep(file: Path, password: str) -> None:
    """Write the password where only its owner can read it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(password + "\n")
