"""Where counts are read from: the ledger, or one of the rollups. Every grain is read as a table `e` with its own columns."""

from collections.abc import Mapping
from dataclasses import dataclass

from activity.selectors.dimensions import CATALOG, COHORTS, SEGMENT, SIGNATURE, TIME

OFFERS = "JOIN offers_offer o ON o.id = e.offer_id"
NEEDS_OFFER = frozenset({"partner", "offer_type", "category", "country"})
NEEDS_PARTNER = frozenset({"category", "country"})
OF_PARTNER = {"category": "p.category_id", "country": "p.country"}
OF_OFFER = {"day": "e.local_date", "partner": "o.partner_id", "offer": "e.offer_id", "offer_type": "o.offer_type", **OF_PARTNER}
OF_MEMBERS = frozenset({SEGMENT, SIGNATURE, *COHORTS})


@dataclass(frozen=True)
class Grain:
    """
    A table that counts can be made from.

    expressions: what stands for each dimension of the catalog and of time. joins: the names that need a join, and the
    join, in order. members: the table of the sets of members at the same grain, "" where there is none.
    """

    table: str
    expressions: Mapping[str, str]
    joins: tuple[tuple[frozenset[str], str], ...] = ()
    members: str = ""
    has_sets: bool = False
    is_ledger: bool = False

    def answers(self, names: frozenset[str]) -> bool:
        """Whether its cells tell these dimensions apart; `sets` stands for whatever follows from attribute sets."""
        return all(name in self.expressions or name in TIME or (name == "sets" and self.has_sets) for name in names)


LEDGER = Grain(
    "activity_event",
    OF_OFFER | {"source": "e.source_id"},
    ((NEEDS_OFFER, OFFERS), (NEEDS_PARTNER, "JOIN partners_partner p ON p.id = o.partner_id")),
    has_sets=True,
    is_ledger=True,
)
BY_SEGMENT = Grain(
    "activity_daysegmentrollup",
    {"day": "e.local_date", "offer_type": "e.offer_type"},
    members="activity_daysegmentmembers",
    has_sets=True,
)
BY_PARTNER = Grain(
    "activity_daypartnerrollup",
    {"day": "e.local_date", "partner": "e.partner_id", **OF_PARTNER},
    ((NEEDS_PARTNER, "JOIN partners_partner p ON p.id = e.partner_id"),),
    members="activity_daypartnermembers",
)
BY_OFFER = Grain("activity_dayofferrollup", OF_OFFER, LEDGER.joins)
BY_SOURCE = Grain("activity_daysourcerollup", {"day": "e.local_date", "source": "e.source_id"})
ROLLUPS = (BY_SEGMENT, BY_PARTNER, BY_SOURCE, BY_OFFER)  # the one with the fewest cells that can answer goes first
KNOWN = frozenset({*TIME, *CATALOG})
