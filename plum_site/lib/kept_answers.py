"""
Idempotency-Key: the same POST sent again is answered with the answer that was kept, and changes nothing.

A key belongs to the token that sent it. It is claimed first, in a transaction of its own, so that a second request that
arrives meanwhile is told so on both engines; the answer is written in the transaction of the change, so that there is
never one without the other. Only answers that succeeded are kept: whoever was refused may try again with the same key.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import ApiToken, KeptAnswer

KEPT_FOR = timedelta(hours=24)
# A request that has not ended after so long has died with its process: its key may be claimed by another.
UNDER_WAY_AT_MOST = timedelta(seconds=60)
PRUNED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Claim:
    """That this request, and no other, may carry out what the key stands for."""

    row_id: int
    fence: int


@dataclass(frozen=True)
class Answer:
    """An answer as it was given: status, headers that carry meaning, and the JSON text of its body."""

    status: int
    headers: Mapping[str, str]
    body: str


class StillUnderWay(DomainError):
    """Another request with this key has not ended yet."""

    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__(
            "request_under_way",
            "A request with this Idempotency-Key is under way. Nothing was changed by this one. Send it again in a moment.",
        )


def claim(*, token: ApiToken, key: str, fingerprint: str, at: datetime) -> Claim | Answer:
    """
    Claim a key for a request, or find the answer that it got before.

    Raises: InvalidInput (code "key_reused": the key came with another request), StillUnderWay.
    Writes: plum_keptanswer.
    """
    fresh = {"program_id": token.program_id, "fingerprint": fingerprint, "claimed_at": at, "fence": secrets.randbelow(2**30) + 1}
    row, is_new = KeptAnswer.objects.get_or_create(token=token, key_digest=digest(key), defaults=fresh)
    if is_new:
        return Claim(row.pk, row.fence)
    is_dead = row.status is None and row.claimed_at <= at - UNDER_WAY_AT_MOST
    if is_dead or row.claimed_at <= at - KEPT_FOR:
        return take_over(row, fingerprint, at)
    if row.fingerprint != fingerprint:
        sentence = "This Idempotency-Key came with another request before. Nothing was changed. Choose a new key for each change."
        raise InvalidInput("key_reused", sentence)
    if row.status is None:
        raise StillUnderWay
    return Answer(row.status, row.headers, row.body)


def take_over(row: KeptAnswer, fingerprint: str, at: datetime) -> Claim:
    """Claim a key whose request died or is forgotten; StillUnderWay if somebody else was faster."""
    mine = KeptAnswer.objects.filter(pk=row.pk, fence=row.fence)
    values = {"fingerprint": fingerprint, "claimed_at": at, "status": None, "headers": {}, "body": ""}
    if not mine.update(fence=F("fence") + 1, **values):
        raise StillUnderWay
    return Claim(row.pk, row.fence + 1)


def keep(*, claimed: Claim, answer: Answer) -> None:
    """
    Keep the answer, in the transaction of the change that it tells of.

    Raises: StillUnderWay if the key was claimed by another request meanwhile; the change must be rolled back then.
    Writes: plum_keptanswer.
    """
    mine = KeptAnswer.objects.filter(pk=claimed.row_id, fence=claimed.fence, status__isnull=True)
    if not mine.update(status=answer.status, headers=dict(answer.headers), body=answer.body):
        raise StillUnderWay


def release(*, claimed: Claim) -> None:
    """
    Give a key back after a request that changed nothing.

    Raises: nothing.
    Writes: plum_keptanswer.
    """
    KeptAnswer.objects.filter(pk=claimed.row_id, fence=claimed.fence, status__isnull=True).delete()


def prune(*, at: datetime) -> int:
    """
    Remove what was claimed longer ago than KEPT_FOR; how many rows.

    Raises: nothing.
    Writes: plum_keptanswer.
    """
    removed = 0
    while ids := list(KeptAnswer.objects.filter(claimed_at__lte=at - KEPT_FOR).values_list("pk", flat=True)[:PRUNED_AT_ONCE]):
        removed += KeptAnswer.objects.filter(pk__in=ids).delete()[0]
    return removed


def digest(text: str) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
