"""Whose catalog it is: what the vault knows of the member who browses."""

from datetime import datetime

from activity.models import VaultEntry
from activity.services.vault import lookup_of
from partners.models import Program
from plum_site.lib.errors import NotFound


def find_attributes(*, program: Program, external_id: str, at: datetime) -> dict[str, str]:
    """
    The attributes of a member that are in force at `at`, in one statement; {} for one of whom nothing is known.

    Raises: NotFound.
    Writes: nothing.
    """
    entry = VaultEntry.objects.filter(program=program, lookup=lookup_of(program.uuid, external_id))
    versions = entry.order_by("member__versions__id").values_list("member__versions__valid_from", "member__versions__values")
    rows = list(versions)
    if not rows:
        raise NotFound("member", external_id)
    begun = [values for valid_from, values in rows if values is not None and (valid_from is None or valid_from <= at)]
    return begun[-1] if begun else {}
