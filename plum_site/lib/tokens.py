"""
API tokens: a machine's key to one program, shown once. Only a keyed digest of the secret is stored.

Written as `plum_<prefix>_<secret>_<check>`: prefix finds the row, secret is 256 random bits, check is a CRC-32 by
which scanners (and typing errors) are told from real tokens without asking the database.
"""

import hmac
import logging
import re
import secrets
import zlib
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q

from plum_site.lib import audit, keys
from plum_site.lib.choices import Scope
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import ApiToken, User

logger = logging.getLogger("plum.tokens")

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 12, 43, 6  # 62^43 > 2^256
WRITTEN = re.compile(rf"plum_([0-9A-Za-z]{{{PREFIX_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})_([0-9A-Za-z]{{{CHECK_LENGTH}}})")
LONGEST_LIFE = timedelta(days=365)
USE_NOTED_EVERY = timedelta(minutes=1)

# How long a process trusts what it read: a revocation made in another process takes effect within this time.
REVOCATION_BOUND = timedelta(seconds=5)
CACHE_SIZE = 1000
_cache: dict[str, tuple[datetime, ApiToken]] = {}


def create_token(
    *, program_id: int, name: str, scopes: list[str], is_sandbox: bool, expires_at: datetime, actor: User | str, at: datetime
) -> tuple[ApiToken, str]:
    """
    Make a token for one program; the second value is what its holder sends, and it cannot be shown again.

    Raises: InvalidInput — code "invalid_token", fields name, scopes or expires_at.
    Writes: plum_apitoken, plum_auditevent; one transaction.
    """
    fields = {}
    if not name.strip() or len(name) > 100:
        fields["name"] = "Give the token a name of 1 to 100 characters, by which people recognise what uses it."
    if not scopes or not set(scopes) <= set(Scope.values):
        fields["scopes"] = f"Choose one or more of {', '.join(Scope.values)}."
    if not at < expires_at <= at + LONGEST_LIFE:
        fields["expires_at"] = f"A token lives at most {LONGEST_LIFE.days} days, and its end lies in the future."
    if fields:
        raise InvalidInput("invalid_token", "No token was made. " + " ".join(fields.values()), fields)
    prefix, secret = draw(PREFIX_LENGTH), draw(SECRET_LENGTH)
    with transaction.atomic():
        token = ApiToken.objects.create(
            program_id=program_id,
            name=name.strip(),
            prefix=prefix,
            secret_digest=digest(prefix, secret),
            scopes=sorted(set(scopes)),
            is_sandbox=is_sandbox,
            created_at=at,
            created_by=actor if isinstance(actor, User) else None,
            expires_at=expires_at,
        )
        audit.record(
            program_id=program_id,
            actor=actor,
            action="plum.create_token",
            row=token,
            at=at,
            after={"name": token.name, "scopes": token.scopes, "is_sandbox": is_sandbox, "expires_at": expires_at.isoformat()},
        )
    return token, f"plum_{prefix}_{secret}_{checksum(prefix, secret)}"


def revoke_token(*, token_id: int, actor: User, at: datetime, comment: str = "") -> ApiToken:
    """
    End a token for ever; doing it again changes nothing. Other processes refuse it within REVOCATION_BOUND.

    Raises: NotFound.
    Writes: plum_apitoken, plum_auditevent; locks the token; one transaction.
    """
    with transaction.atomic():
        token = ApiToken.objects.select_for_update(of=("self",)).filter(pk=token_id).first()
        if token is None:
            raise NotFound("token", token_id)
        if token.revoked_at is None:
            token.revoked_at, token.revoked_by = at, actor
            token.save(update_fields=["revoked_at", "revoked_by"])
            audit.record(
                program_id=token.program_id,
                actor=actor,
                action="plum.revoke_token",
                row=token,
                at=at,
                before={"revoked_at": None},
                after={"revoked_at": at.isoformat()},
                comment=comment,
            )
    _cache.pop(token.prefix, None)
    return token


def find_token(secret: str, at: datetime) -> ApiToken | None:
    """
    The token that `secret` is, if it may be used at `at`: not expired, not revoked, its maker not deactivated.

    Read at most once in REVOCATION_BOUND per process. Writes: last_used_at, at most once a minute.
    """
    match = WRITTEN.fullmatch(secret)
    if match is None or not hmac.compare_digest(match[3], checksum(match[1], match[2])):
        return None
    prefix = match[1]
    read_at, token = _cache.get(prefix, (None, None))
    if read_at is None or not timedelta(0) <= at - read_at < REVOCATION_BOUND:
        token = ApiToken.objects.select_related("created_by").filter(prefix=prefix).first()
        if len(_cache) >= CACHE_SIZE:
            _cache.clear()
        if token is not None:
            _cache[prefix] = (at, token)
    stored = bytes(token.secret_digest) if token is not None else bytes(32)  # the same work for a prefix that is unknown
    if not hmac.compare_digest(stored, digest(prefix, match[2])) or token is None or not is_usable(token, at):
        return None
    note_use(token, at)
    return token


def is_usable(token: ApiToken, at: datetime) -> bool:
    """Whether a token is in force; one whose maker was deactivated is not, so that leavers keep no key."""
    maker_left = token.created_by is not None and not token.created_by.is_active
    return token.revoked_at is None and at < token.expires_at and not maker_left


def note_use(token: ApiToken, at: datetime) -> None:
    """Remember when the token was last used, to the minute; a database that cannot write now does not stop the reading."""
    if token.last_used_at is not None and at - token.last_used_at < USE_NOTED_EVERY:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=at - USE_NOTED_EVERY)
    try:
        with transaction.atomic():
            ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=at)
    except DatabaseError:
        logger.warning("The use of token %s could not be noted", token.pk, exc_info=True)
    token.last_used_at = at


def digest(prefix: str, secret: str) -> bytes:
    """What is stored of a secret: HMAC-SHA256 under a key that lies outside the database."""
    return keys.digest(keys.derive("api-tokens"), prefix, secret)


def checksum(prefix: str, secret: str) -> str:
    """CRC-32 of prefix and secret in six characters."""
    number = zlib.crc32(f"{prefix}_{secret}".encode())
    written = ""
    for _ in range(CHECK_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        written = ALPHABET[rest] + written
    return written


def draw(length: int) -> str:
    """`length` random characters of the alphabet."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
