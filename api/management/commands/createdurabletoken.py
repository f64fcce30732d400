"""Make a token for the REST API."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from durable.audit import audited

MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Make a token for the REST API. It is printed once and stored only as a hash."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="The token may do what this user may do.")
        parser.add_argument("--days", type=int, default=90, help="Until it expires, 1 to 3650 (default: 90).")

    def handle(self, *, username: str, days: int, **options: Any) -> None:
        if not apps.is_installed("knox"):
            raise CommandError("Tokens need django-rest-knox: add 'knox' to INSTALLED_APPS and migrate.")
        if not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days {days}: give 1 to {MAX_DAYS}.")
        user = self.find_user(username)
        from knox.models import get_token_model  # here, because without the app its models cannot be imported

        with audited("create_token", username, actor="manage.py", source="command", kind="token", days=days) as detail:
            row, token = get_token_model().objects.create(user=user, expiry=timedelta(days=days))
            detail["key"] = row.token_key[:8]
        # The token alone goes to stdout, so that it can be piped into a secret store.
        self.stderr.write(f"A token of {username}, valid until {row.expiry:%Y-%m-%d %H:%M %Z}. It is not shown again:")
        self.stdout.write(token)

    def find_user(self, username: str) -> Any:
        users = get_user_model()
        try:
            user = users._default_manager.get_by_natural_key(username)
        except users.DoesNotExist:
            raise CommandError(f"There is no user {username!r}.") from None
        if not user.is_active:
            raise CommandError(f"User {username!r} is not active, so a token of theirs would open nothing.")
        return user
