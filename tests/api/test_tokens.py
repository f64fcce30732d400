"""Tokens for machines: hashed, expiring, with the rights of their user."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from durable.models import AuditEntry

LIST = "/api/v1/workflows"


def create_token(username: str, *options: str) -> tuple[str, str]:
    """What the command writes: the token, and what it says of it."""
    out, err = StringIO(), StringIO()
    call_command("createdurabletoken", username, *options, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def bearer(token: str) -> Client:
    return Client(headers={"authorization": f"Token {token}"}, enforce_csrf_checks=True)


def test_a_token_opens_what_its_user_may_see(user_with: Callable[..., Any]):
    token, _ = create_token(user_with("view_workflow").username)
    assert bearer(token).get(LIST).status_code == 200
    assert bearer(token).post(LIST, {"name": "x"}, content_type="application/json").status_code == 403


def test_a_token_needs_no_csrf_token(user_with: Callable[..., Any]):
    token, _ = create_token(user_with("operate_workflow").username)
    answer = bearer(token).post(LIST, {"name": "no.such"}, content_type="application/json")
    assert answer.status_code == 422


def test_a_token_is_printed_once_and_stored_as_a_hash(user_with: Callable[..., Any]):
    token, said = create_token(user_with().username)
    row = AuthToken.objects.get()
    assert len(token) >= 64
    assert token not in said
    assert token not in str(list(AuthToken.objects.values()))
    assert token.startswith(row.token_key)
    assert len(row.digest) == 128


def test_a_token_expires_after_90_days_or_as_told(user_with: Callable[..., Any]):
    for options, days in (((), 90), (("--days", "1"), 1)):
        AuthToken.objects.all().delete()
        create_token(user_with().username, *options)
        assert abs(AuthToken.objects.get().expiry - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)


def test_an_expired_token_opens_nothing(user_with: Callable[..., Any]):
    token, _ = create_token(user_with("view_workflow").username)
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert bearer(token).get(LIST).status_code == 401


def test_a_revoked_token_opens_nothing(user_with: Callable[..., Any]):
    token, _ = create_token(user_with("view_workflow").username)
    AuthToken.objects.all().delete()
    assert bearer(token).get(LIST).status_code == 401


def test_a_token_of_a_user_who_left_opens_nothing(user_with: Callable[..., Any]):
    user = user_with("view_workflow")
    token, _ = create_token(user.username)
    user.is_active = False
    user.save()
    assert bearer(token).get(LIST).status_code == 401


@pytest.mark.parametrize(
    "header",
    ["Token", "Token ", "Token x", "Token x y", "Token \xff", "Token \0", "token é", "Basic eDp5", "Bearer x", "x"],
)
def test_a_wrong_credential_is_answered_with_how_to_authenticate(database: str, header: str):
    answer = Client(headers={"authorization": header}).get(LIST)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Token")
    assert answer.json()["type"] in ("authentication-failed", "not-authenticated")


def test_making_a_token_leaves_an_audit_row_without_the_token(user_with: Callable[..., Any]):
    user = user_with()
    token, _ = create_token(user.username)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.kind, entry.target, entry.source) == ("create_token", "token", user.username, "command")
    assert token not in str(vars(entry))


@pytest.mark.parametrize("days", ["0", "-1", "3651"])
def test_a_token_that_never_expires_cannot_be_made(user_with: Callable[..., Any], days: str):
    with pytest.raises(CommandError, match="1 to 3650"):
        create_token(user_with().username, "--days", days)


def test_no_token_is_made_for_nobody_or_for_a_user_who_left(user_with: Callable[..., Any]):
    with pytest.raises(CommandError, match="no user"):
        create_token("nobody")
    with pytest.raises(CommandError, match="not active"):
        create_token(user_with(is_active=False).username)
    assert not AuthToken.objects.exists()
