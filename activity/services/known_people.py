"""What is known of the people whom a file names: most files say of most people what is known, which is found out here cheaply."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from django.db.models import TextField
from django.db.models.functions import Cast

from activity.choices import MemberState
from activity.models import MemberVersion, VaultEntry
from activity.rules import MemberRow
from activity.services.vault import AT_ONCE, lookup_of
from partners.models import Program


class KnownPerson(NamedTuple):
    """A member as far as it can be read without opening the vault. values: the latest attributes; None if there are none yet."""

    member_id: int
    state: str
    joined_date: date | None
    language: str
    push_opt_out: bool
    values: Mapping[str, str] | None


def find_known(*, program: Program, external_ids: Iterable[str]) -> dict[str, KnownPerson]:
    """
    The members behind outside ids; unknown ids are left out.

    Raises: nothing of its own.
    Writes: nothing.
    """
    by_lookup = {lookup_of(program.uuid, external_id): external_id for external_id in external_ids}
    columns = ("lookup", "member_id", "member__state", "member__joined_date", "language", "push_opt_out")
    entries = VaultEntry.objects.filter(program=program).values_list(*columns)
    found: dict[str, KnownPerson] = {}
    lookups = list(by_lookup)
    for start in range(0, len(lookups), AT_ONCE):
        rows = list(entries.filter(lookup__one_of=lookups[start : start + AT_ONCE]))
        versions = MemberVersion.objects.filter(member__id__one_of=[row[1] for row in rows]).order_by("member_id", "id")
        texts = versions.annotate(text=Cast("values", TextField())).values_list("member_id", "text")
        latest = {member_id: _values_of(text) for member_id, text in texts}  # of each member the last one stays
        for lookup, member_id, state, joined_date, language, push_opt_out in rows:
            known = KnownPerson(member_id, state, joined_date, language, push_opt_out, latest.get(member_id))
            found[by_lookup[bytes(lookup)]] = known
    return found


@lru_cache(maxsize=4096)
def _values_of(text: str) -> Mapping[str, str]:
    """Attribute values from their JSON: many members have the same."""
    values: Mapping[str, str] = json.loads(text)
    return values


def says_nothing_new(*, row: MemberRow, known: KnownPerson, attributes: Sequence[str]) -> bool:
    """
    Whether a row about an active member changes nothing. False also where only the vault could tell: it says
    an address or a name.

    attributes: those that the program keeps.
    """
    person, values = row.person, known.values
    if values is None or known.state != MemberState.ACTIVE or row.is_active is False:
        return False
    if person.email is not None or person.display_name is not None:
        return False
    if person.language not in (None, known.language) or person.push_opt_out not in (None, known.push_opt_out):
        return False
    if row.joined_date not in (None, known.joined_date):
        return False
    return all(row.attributes.get(name) in (None, values.get(name, "")) for name in attributes)
