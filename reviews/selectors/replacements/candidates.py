"""Which partners could take a place: what each covers, how it does elsewhere, and what would be missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from activity.selectors import count_by
from offers.choices import OfferState
from offers.models import Audience, Offer
from offers.selectors import audience_in_force, takes_in
from partners.choices import PartnerState
from partners.models import Partner
from partners.selectors import list_partners
from plum_site.lib.periods import local_date, month_start, month_text, next_month
from reviews.models import Replacement
from reviews.rules import RATES
from reviews.rules.replacements import Gap, Pair
from reviews.selectors.compare import CATEGORY, Group, Row, compare_partners, list_comparable
from reviews.selectors.replacements.losses import Group as MemberGroup
from reviews.selectors.replacements.losses import find_gaps_left, list_groups
from reviews.selectors.replacements.scope import list_new_offers, list_old_offers
from reviews.selectors.worklist import find_newest_cards

MONTHS = 3  # whole months that candidates are compared over
MOST = 50
SHOWN = ("activation_rate", "redemption_rate", "redemptions_per_unlock", "reversal_rate")
POSSIBLE = (
    PartnerState.PROSPECT,
    PartnerState.ONBOARDING,
    PartnerState.ACTIVE,
    PartnerState.ON_NOTICE,
    PartnerState.IMPROVEMENT_PLAN,
)


@dataclass(frozen=True)
class Candidate:
    """
    A partner that could take a place, or that refused. is_possible: whether it can be chosen. added_by: who named it; "" where
    its category alone made it one.
    """

    partner: Partner
    is_possible: bool
    added_by: str = ""
    added_at: datetime | None = None
    refused_at: datetime | None = None
    refusal: str = ""


def list_candidates(replacement: Replacement) -> list[Candidate]:
    """
    Every partner that could take the place, and those that were named and cannot: because they refused, or are not there for it
    any more.

    Shape: Candidates: those that can be chosen first, as list_possible has them, then the others in the order of their naming.
    """
    named = {row.partner_id: row for row in replacement.candidates.select_related("partner").order_by("id")}
    possible = list_possible(replacement)
    known = {partner.pk for partner in possible}
    return [
        *(
            Candidate(one, True, row.added_by, row.added_at) if (row := named.get(one.pk)) else Candidate(one, True)
            for one in possible
        ),
        *(
            Candidate(row.partner, False, row.added_by, row.added_at, row.refused_at, row.refusal)
            for pk, row in named.items()
            if pk not in known
        ),
    ]


def list_possible(replacement: Replacement) -> list[Partner]:
    """
    The partners that could take the place: of the same category, and those that somebody named; not those that refused.

    Shape: Partners with category, those that were named first, then by name.
    """
    named = replacement.candidates.filter(refused_at__isnull=True).values_list("partner_id", flat=True)
    refused = set(replacement.candidates.filter(refused_at__isnull=False).values_list("partner_id", flat=True))
    wanted, peers = set(named), []
    for partner in list_partners(replacement.program_id).filter(state__in=POSSIBLE).exclude(pk=replacement.partner_id):
        is_peer = partner.category_id == replacement.partner.category_id
        if partner.pk not in refused and (is_peer or partner.pk in wanted):
            peers.append(partner)
    return sorted(peers, key=lambda partner: partner.pk not in wanted)[:MOST]


def compare_candidates(replacement: Replacement, at: datetime) -> dict[str, Any]:
    """
    The candidates beside each other, over the last whole months, from the metric layer.

    coverage: the share of the old offers' redemptions that came from groups of members (values of the first reporting attribute)
    to whom the candidate has an offer. gaps: groups and categories that would be left without an offer if all its offers came in
    the place of the old ones. metrics: of its members everywhere, or in the segment that the replacement is for; the rate that
    is drawn towards its category's, its interval and its rank there; null for a partner that did nothing, and with the status
    "suppressed" and no figure where too few members are behind it. standing: of the newest review, "" where there is none.

    Shape: {"from", "to", "metrics": [names], "candidates": [{"partner", "name", "state", "category", "country", "offers",
    "drafts", "standing", "coverage", "uncovered", "gaps", "metrics": {name: {...} or null}}]}; the best first: by coverage,
    then by the first metric.
    Source: docs/rules/replacement.md
    """
    program, today = replacement.program, local_date(at, replacement.program.time_zone)
    ends_date = month_start(today)
    starts_date = next_month(ends_date, -MONTHS)
    names = [name for name in SHOWN if name in list_comparable(program)]
    where = {"segment": [replacement.segment.code]} if replacement.segment else {}
    placed: dict[str, dict[str, Any]] = {}
    for name in names:
        compared = compare_partners(
            program=program, metric=name, starts_date=starts_date, ends_date=ends_date, by=CATEGORY, where=where
        )
        placed[name] = {
            row.partner: _describe(group, row, status)
            for group in compared.groups
            for status, rows in (("ranked", group.ranked), ("too_little_data", group.apart), ("suppressed", group.suppressed))
            for row in rows
        }
    partners = list_possible(replacement)
    cards = find_newest_cards(program.pk, [partner.pk for partner in partners])
    redeemed, groups = _redemptions_by_value(replacement, starts_date, ends_date), list_groups(replacement, today)
    rows = []
    for partner in partners:
        offers = list(list_new_offers(program.pk, partner))
        coverage, uncovered = _coverage(redeemed, offers, at, replacement)
        card = cards.get(partner.pk)
        rows.append(
            {
                "partner": partner.external_id,
                "name": partner.name,
                "state": str(partner.state),
                "category": partner.category.code,
                "country": partner.country,
                "offers": sum(offer.state == OfferState.PUBLISHED for offer in offers),
                "drafts": sum(offer.state in (OfferState.DRAFT, OfferState.IN_REVIEW) for offer in offers),
                "standing": str(card.standing) if card is not None else "",
                "coverage": coverage,
                "uncovered": uncovered,
                "gaps": [[gap.group, gap.category] for gap in _gaps_with(replacement, partner, offers, groups, at)],
                "metrics": {name: placed[name].get(partner.external_id) for name in names},
            }
        )
    return {
        "from": month_text(starts_date),
        "to": month_text(next_month(ends_date, -1)),
        "metrics": names,
        "candidates": sorted(rows, key=lambda row: _order(row, names)),
    }


def _describe(group: Group, row: Row, status: str) -> dict[str, Any]:
    """One rate of one partner; its figures are None where the group of members behind it is too small to show."""
    one = row.placed
    low, high = (one.interval if one else None) or (None, None)
    return {
        "status": status,
        "rate": one.rate if one else None,
        "rate_low": low,
        "rate_high": high,
        "shrunken": one.shrunken if one else None,
        "rank": one.rank if one else None,
        "of": len(group.ranked) if one else None,
        "denominator": one.sample.denominator if one else None,
    }


def _order(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """By coverage in tenths, then by the rate; who has none comes last."""
    first = (row["metrics"].get(names[0]) or {}).get("shrunken") if names else None
    better = 0.0 if first is None else first if RATES[names[0]].is_loss else -first
    coverage = -round(row["coverage"], 1) if row["coverage"] is not None else 1
    return coverage, first is None, better, row["name"], row["partner"]


def _redemptions_by_value(replacement: Replacement, starts_date: date, ends_date: date) -> tuple[str, dict[str, int]]:
    """Redemptions of the old offers by value of the first reporting attribute; of everybody where there is none."""
    program = replacement.program
    attribute = next(iter(program.reporting_attributes), "")
    olds = list_old_offers(program.pk, replacement.partner, replacement.category).values_list("external_id", flat=True)
    where = {"offer": list(olds)} | ({"segment": [replacement.segment.code]} if replacement.segment else {})
    by = [f"member.{attribute}"] if attribute else []
    if not where["offer"]:
        return attribute, {}
    counted = count_by(program=program, starts_date=starts_date, ends_date=ends_date, by=by, where=where)
    return attribute, {key[0] if key else "": counts["redemptions"] for key, counts in counted.items() if counts["redemptions"]}


def _coverage(
    redeemed: tuple[str, dict[str, int]], offers: Sequence[Offer], at: datetime, replacement: Replacement
) -> tuple[float | None, list[str]]:
    """The share of those redemptions whose members could choose one of some offers, and the values that could not."""
    attribute, numbers = redeemed
    today = local_date(at, replacement.program.time_zone)
    total = sum(numbers.values())
    if not total:
        return None, []
    audiences: list[Audience | None] = [audience_in_force(offer.audiences.all(), today) for offer in offers]
    known = {condition["attribute"]: condition["values"][0] for condition in _rule(replacement)}
    covered, uncovered = 0, []
    for value, number in sorted(numbers.items()):
        attributes = known | ({attribute: value} if attribute else {})
        if any(takes_in(audience, attributes) for audience in audiences):
            covered += number
        else:
            uncovered.append(value or "unknown")
    return round(covered / total, 4), uncovered


def _rule(replacement: Replacement) -> list[dict[str, Any]]:
    rule = replacement.segment.rule if replacement.segment else []
    return [condition for condition in rule if condition["operator"] == "is"]


def _gaps_with(
    replacement: Replacement, partner: Partner, offers: Sequence[Offer], groups: Sequence[MemberGroup], at: datetime
) -> list[Gap]:
    """What would be missing if the first of its offers followed every old one."""
    olds = list_old_offers(replacement.program_id, replacement.partner, replacement.category)
    first = next((offer.external_id for offer in offers), None)
    draft = Replacement(
        program=replacement.program,
        partner=replacement.partner,
        category=replacement.category,
        segment=replacement.segment,
        successor=partner,
    )
    return find_gaps_left(draft, [Pair(old.external_id, first) for old in olds], at, groups)
