"""
Sign-in links: signed, good for ten minutes and for one use, and nothing is stored for them.

A link names the person, the instant of their last sign-in and a digest of their password. Using it sets the last
sign-in, in one compare-and-set, so it is void afterwards, as is every other link made before.
"""

from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from plum_site.lib.errors import NotAllowed
from plum_site.lib.models import User

LIFE = timedelta(minutes=10)
SALT = "plum.signin"


def make_link_token(user: User, at: datetime) -> str:
    """What a sign-in link carries; safe in a path."""
    last = user.last_login.isoformat() if user.last_login else ""
    claims = {"user": user.pk, "last": last, "until": (at + LIFE).isoformat(), "password": _password_mark(user)}
    return signing.dumps(claims, salt=SALT)


def make_link(user: User, at: datetime, base_url: str) -> str:
    """The whole link, as it is sent to the person."""
    return base_url.rstrip("/") + reverse("admin:sign_in_by_link", args=[make_link_token(user, at)])


def take_link_token(token: str, at: datetime) -> User:
    """
    The person whom a link signs in; of any number of uses, at once or in turn, only one succeeds.

    Raises: NotAllowed — code "link_invalid", the same whatever is wrong with it.
    Writes: plum_user (last_login).
    """
    claims = _read(token)
    until = parse_datetime(claims.get("until", "")) if claims else None
    if not claims or until is None or at >= until:
        raise _refusal()
    user = User.objects.filter(pk=claims["user"], is_active=True).first()
    if user is None or _password_mark(user) != claims["password"]:
        raise _refusal()
    unused = User.objects.filter(pk=user.pk, is_active=True)
    unused = (
        unused.filter(last_login=parse_datetime(claims["last"])) if claims["last"] else unused.filter(last_login__isnull=True)
    )
    # Two uses in one microsecond would leave last_login as the link has it; a link is therefore never used at that instant.
    if claims["last"] == at.isoformat() or not unused.update(last_login=at):
        raise _refusal()
    user.last_login = at
    return user


def _read(token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return {}
    return claims


def _password_mark(user: User) -> str:
    """Changes with the password, so that setting one voids the links."""
    return user.get_session_auth_hash()[:16]


def _refusal() -> NotAllowed:
    sentence = (
        "This sign-in link does not work: it was used already, is older than ten minutes, or is not complete. Ask for a new one."
    )
    return NotAllowed("link_invalid", sentence)
