"""API tokens and clients that carry them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from partners.models import Program
from plum_site.lib.choices import Scope
from plum_site.lib.models import ApiToken
from plum_site.lib.tokens import create_token

LIFE = timedelta(days=30)


def make_token(program: Program, *scopes: str, at: datetime | None = None, **values: Any) -> tuple[ApiToken, str]:
    """A token with these scopes (none: all of them) and what its holder sends; in force from `at` on (now)."""
    at = at or datetime.now(UTC)
    settings = {"name": "test", "is_sandbox": False, "expires_at": at + LIFE, "actor": "system"} | values
    return create_token(program_id=program.pk, scopes=list(scopes or Scope.values), at=at, **settings)


class TokenClient(Client):
    """Django's test client with a bearer token; server errors come back as answers, as they do in production."""

    def __init__(self, secret: str = "") -> None:
        super().__init__(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"} if secret else None)


def make_client(program: Program, *scopes: str, **values: Any) -> TokenClient:
    """A client with a new token of the program."""
    return TokenClient(make_token(program, *scopes, **values)[1])
