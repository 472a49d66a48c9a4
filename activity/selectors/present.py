"""The members of a program as they are now: who can be written to, with which attributes. Nothing here opens the vault."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce

from activity.choices import MemberState
from activity.models import Member, MemberVersion
from partners.models import Program
from plum_site.lib.periods import local_date


class PresentMember(NamedTuple):
    """
    One active member. attributes: those in force, shared with others who have the same. is_known: whether anything outside
    leads to them (False after an erasure); has_address: whether the vault holds an e-mail address; has_opted_out: whether the
    people file says so.
    """

    id: int
    key: bytes
    attributes: Mapping[str, str]
    is_known: bool
    has_address: bool
    has_opted_out: bool


def list_present_members(program: Program, at: datetime) -> Iterator[PresentMember]:
    """
    Everybody who belongs to a program at an instant.

    Shape: PresentMembers, by row id, read as they are taken.
    """
    today = local_date(at, program.time_zone)
    rows = _described(Member.objects.filter(program=program), at).filter(
        Q(joined_date__isnull=True) | Q(joined_date__lte=today), state=MemberState.ACTIVE
    )
    return _read(rows)


def find_present_members(program: Program, member_ids: Iterable[int], at: datetime) -> dict[int, PresentMember]:
    """
    Those of some members who are still active.

    Shape: row id to PresentMember.
    """
    rows = _described(Member.objects.filter(program=program, pk__in=list(member_ids)), at).filter(state=MemberState.ACTIVE)
    return {member.id: member for member in _read(rows)}


def _described(members: QuerySet[Member], at: datetime) -> QuerySet[Member]:
    versions = MemberVersion.objects.filter(Q(valid_from__isnull=True) | Q(valid_from__lte=at), member=OuterRef("pk"))
    newest = versions.order_by(F("valid_from").desc(nulls_last=True)).values("values")[:1]
    return members.annotate(
        now=Cast(Subquery(newest), TextField()),
        is_known=_holds(vault_entry__isnull=False),
        has_address=_holds(vault_entry__email_sealed__isnull=False),
        has_opted_out=Coalesce(F("vault_entry__push_opt_out"), False),
    ).order_by("pk")


def _holds(**condition: bool) -> ExpressionWrapper:
    return ExpressionWrapper(Q(**condition), BooleanField())


def _read(rows: QuerySet[Member]) -> Iterator[PresentMember]:
    read = lru_cache(maxsize=4096)(json.loads)  # few combinations, many members
    columns = ("pk", "key", "now", "is_known", "has_address", "has_opted_out")
    for pk, key, attributes, is_known, has_address, has_opted_out in rows.values_list(*columns).iterator(chunk_size=5000):
        yield PresentMember(pk, bytes(key), read(attributes or "{}"), is_known, has_address, has_opted_out)
