"""Whose catalog it is: what the vault knows of the member who browses."""

from dataclasses import dataclass
from datetime import datetime

from activity.models import VaultEntry
from activity.services.vault import lookup_of
from partners.models import Program
from plum_site.lib.errors import NotFound


@dataclass(frozen=True, slots=True)
class Browser:
    """A member who browses. attributes: those in force; {} for one of whom nothing is known."""

    key: bytes
    attributes: dict[str, str]


def find_browser(*, program: Program, external_id: str, at: datetime) -> Browser:
    """
    A member, with the attributes that are in force at `at`, in one statement.

    Raises: NotFound.
    Writes: nothing.
    """
    entry = VaultEntry.objects.filter(program=program, lookup=lookup_of(program.uuid, external_id))
    columns = ("member__key", "member__versions__valid_from", "member__versions__values")
    rows = list(entry.order_by("member__versions__id").values_list(*columns))
    if not rows:
        raise NotFound("member", external_id)
    begun = [values for _, valid_from, values in rows if values is not None and (valid_from is None or valid_from <= at)]
    return Browser(bytes(rows[0][0]), begun[-1] if begun else {})
