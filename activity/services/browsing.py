"""The catalog as one member sees it: what the vault and the catalog know together."""

from datetime import date, datetime

from activity.models import MemberVersion
from activity.services.people import find_member
from offers.selectors import RankedOffer, list_ranked
from partners.models import Program
from plum_site.lib.errors import NotFound


def list_ranked_for_member(*, program: Program, external_id: str, on: date, at: datetime) -> list[RankedOffer]:
    """
    The ranked live offers that are open to a member, by the attributes in force at `at`.

    Raises: NotFound.
    Writes: nothing.
    """
    member = find_member(program=program, external_id=external_id)
    if member is None:
        raise NotFound("member", external_id)
    attributes: dict[str, str] = {}
    for version in MemberVersion.objects.filter(member=member).order_by("id"):
        if version.valid_from is None or version.valid_from <= at:
            attributes = version.values
    return list_ranked(program.pk, attributes, on)
