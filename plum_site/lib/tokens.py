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
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q

from plum_site.lib import audit, keys
from plum_site.lib.choices import Scope
from plum_site.lib.errors import InvalidInput, NotAllowed, NotFound
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

# Whoever tries out tokens costs the database nothing beyond this: so many prefixes that were not read before are looked
# up one by one in a minute, the others in a list of all prefixes that is read again after a second. Everybody gets the
# same 401, and no good token is ever refused, but one that was made within that second.
LOOK_UPS = 600
LIST_AGE = timedelta(seconds=1)
TRIED_WINDOW = timedelta(minutes=1)


@dataclass
class Strangers:
    """What this process was asked with tokens that it did not know, in the minute that began at `since`."""

    since: datetime | None = None
    looked_up: int = 0
    refused: int = 0
    listed_at: datetime | None = None
    prefixes: frozenset[str] = frozenset()


_strangers = Strangers()


def create_token(
    *,
    program_id: int,
    name: str,
    scopes: list[str],
    is_sandbox: bool,
    expires_at: datetime,
    actor: User | str,
    at: datetime,
    created_by: User | None = None,
) -> tuple[ApiToken, str]:
    """
    Make a token for one program; the second value is what its holder sends, and it cannot be shown again.

    created_by: who answers for it where the actor is no person: it ends with their access.

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
            created_by=actor if isinstance(actor, User) else created_by,
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


def pass_on_token(
    *, maker: ApiToken, name: str, scopes: list[str], is_sandbox: bool, expires_at: datetime, at: datetime
) -> tuple[ApiToken, str]:
    """
    Make a token with the rights of another, or fewer. The person behind that one answers for this one too.

    Raises: NotAllowed (code "scopes_exceeded"; "sandbox_only" where a sandbox token wants one whose events count), and as
    create_token.
    Writes: as create_token.
    """
    beyond = sorted(set(scopes) & set(Scope.values) - set(maker.scopes))
    if beyond:
        sentence = f"This token has not the right {', '.join(beyond)} itself. No token was made. Ask for less."
        raise NotAllowed("scopes_exceeded", sentence, {"scopes": sentence})
    if maker.is_sandbox and not is_sandbox:
        sentence = "A sandbox token makes sandbox tokens alone. No token was made. Set sandbox to true."
        raise NotAllowed("sandbox_only", sentence, {"sandbox": sentence})
    return create_token(
        program_id=maker.program_id,
        name=name,
        scopes=scopes,
        is_sandbox=is_sandbox,
        expires_at=expires_at,
        actor=f"token:{maker.pk}",
        at=at,
        created_by=maker.created_by,
    )


def revoke_token(*, token_id: int, actor: User | ApiToken, at: datetime, comment: str = "") -> ApiToken:
    """
    End a token for ever; doing it again changes nothing. Other processes refuse it within REVOCATION_BOUND.

    Raises: NotFound, NotAllowed (code "sandbox_only": a sandbox token ends no other kind).
    Writes: plum_apitoken, plum_auditevent; locks the token; one transaction.
    """
    with transaction.atomic():
        token = ApiToken.objects.select_for_update(of=("self",)).filter(pk=token_id).first()
        if token is None:
            raise NotFound("token", token_id)
        if isinstance(actor, ApiToken) and actor.is_sandbox and not token.is_sandbox:
            raise NotAllowed("sandbox_only", "A sandbox token revokes sandbox tokens alone. Nothing was changed.")
        if token.revoked_at is None:
            token.revoked_at = at
            token.revoked_by, token.revoked_by_token = (None, actor) if isinstance(actor, ApiToken) else (actor, None)
            token.save(update_fields=["revoked_at", "revoked_by", "revoked_by_token"])
            audit.record(
                program_id=token.program_id,
                actor=f"token:{actor.pk}" if isinstance(actor, ApiToken) else actor,
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
    token = look_up(secret, at)
    if token is None:
        count_refusal(at)
    else:
        note_use(token, at)
    return token


def look_up(secret: str, at: datetime) -> ApiToken | None:
    """As find_token, without a trace."""
    match = WRITTEN.fullmatch(secret)
    if match is None or not hmac.compare_digest(match[3], checksum(match[1], match[2])):
        return None
    prefix = match[1]
    read_at, token = _cache.get(prefix, (None, None))
    if read_at is None or not timedelta(0) <= at - read_at < REVOCATION_BOUND:
        token = ApiToken.objects.select_related("created_by").filter(prefix=prefix).first() if may_exist(prefix, at) else None
        if len(_cache) >= CACHE_SIZE:
            _cache.clear()
        if token is not None:
            _cache[prefix] = (at, token)
    stored = bytes(token.secret_digest) if token is not None else bytes(32)  # the same work for a prefix that is unknown
    if not hmac.compare_digest(stored, digest(prefix, match[2])) or token is None or not is_usable(token, at):
        return None
    return token


def may_exist(prefix: str, at: datetime) -> bool:
    """Whether it is worth asking the database for this prefix; after LOOK_UPS unknown ones in a minute a list says so."""
    begin_minute(at)
    if prefix in _cache or _strangers.looked_up < LOOK_UPS:
        _strangers.looked_up += prefix not in _cache
        return True
    if _strangers.listed_at is None or not timedelta(0) <= at - _strangers.listed_at < LIST_AGE:
        _strangers.prefixes, _strangers.listed_at = frozenset(ApiToken.objects.values_list("prefix", flat=True)), at
    return prefix in _strangers.prefixes


def begin_minute(at: datetime) -> None:
    """Start counting anew once the minute is over, and say in the log how many tokens were refused in it."""
    if _strangers.since is not None and timedelta(0) <= at - _strangers.since < TRIED_WINDOW:
        return
    if _strangers.refused:
        logger.warning("%s requests came with an API token that is not in force", _strangers.refused)
    _strangers.since, _strangers.looked_up, _strangers.refused = at, 0, 0


def count_refusal(at: datetime) -> None:
    """One more request with a token that is not in force; the log says how many, once a minute."""
    begin_minute(at)
    _strangers.refused += 1


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
