"""What each group of members loses when a partner goes: offers, and whole categories where it was the only choice."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from activity.selectors import summarise
from activity.selectors.groups import count_by
from offers.models import Segment
from offers.rules import matches
from offers.selectors import list_ranked, list_segments
from offers.selectors.catalog import RankedOffer
from plum_site.lib.periods import local_date
from reviews.models import Replacement
from reviews.rules.replacements import Choice, Gap, Pair, find_gaps
from reviews.rules.replacements.gaps import EVERYONE
from reviews.selectors.replacements.scope import list_old_offers, read_pairs, successors_of

LOOK_BACK = timedelta(days=90)


@dataclass(frozen=True)
class Group:
    """Members that are looked at together: a segment, all with one value of an attribute, or everyone."""

    key: str
    label: str
    members: int
    segment: Segment | None = None
    attribute: str = ""
    value: str = ""


@dataclass(frozen=True)
class Loss:
    """
    What one group of members loses. members: of today, None where they are too few to be told. before, after: offers that they
    can choose. categories: in which they can choose nothing afterwards. redemptions: of old offers in the last 90 days by them,
    None where that is hidden.
    """

    group: str
    label: str
    members: int | None
    before: int
    after: int
    categories: tuple[str, ...]
    redemptions: int | None


def find_gaps_left(
    replacement: Replacement, pairs: Collection[Pair], at: datetime, groups: Sequence[Group] | None = None
) -> list[Gap]:
    """
    The categories in which some group of members has an offer today and none once the pairs are carried out.

    groups: as list_groups gave them, for whoever asks several times.
    Shape: Gaps, by group and category.
    Source: docs/rules/replacement.md
    """
    today = local_date(at, replacement.program.time_zone)
    found = list_groups(replacement, today) if groups is None else groups
    return find_gaps(_read_choices(replacement, found, pairs, today))


def list_losses(replacement: Replacement, at: datetime, pairs: Collection[Pair] | None = None) -> list[Loss]:
    """
    What each group of members loses, by the mapping as it is or by other pairs.

    Shape: Losses: everyone first (or the segment that the replacement is for), then segments, then attribute values; groups
    that see none of the old offers are left out.
    Source: docs/rules/replacement.md
    """
    program, today = replacement.program, local_date(at, replacement.program.time_zone)
    groups = list_groups(replacement, today)
    choices = _read_choices(replacement, groups, read_pairs(replacement) if pairs is None else pairs, today)
    lost = find_gaps(choices)
    redeemed = _count_redemptions(replacement, groups, today)
    return [
        Loss(
            group=group.key,
            label=group.label,
            members=group.members if group.members >= program.minimum_group else None,
            before=len(choices[group.key]),
            after=sum(not choice.is_old or choice.successor is not None for choice in choices[group.key]),
            categories=tuple(gap.category for gap in lost if gap.group == group.key),
            redemptions=redeemed.get(group.key),
        )
        for group in groups
        if any(choice.is_old for choice in choices[group.key])
    ]


def list_categories(replacement: Replacement, on: date) -> dict[str, list[str]]:
    """
    The categories in which each group of members can choose something on a day.

    Shape: {group key: categories}; JSON.
    """
    choices = _read_choices(replacement, list_groups(replacement, on), (), on)
    return {group: sorted({choice.category for choice in own}) for group, own in choices.items()}


def list_groups(replacement: Replacement, today: date) -> list[Group]:
    """
    The groups of members that a replacement is looked at for: its segment, or everyone, each segment and each attribute value.

    Shape: Groups, in this order.
    """
    program = replacement.program
    segments = [replacement.segment] if replacement.segment else list(list_segments(program.pk))
    attributes = () if replacement.segment else program.reporting_attributes
    names = sorted({*attributes, *(condition["attribute"] for segment in segments for condition in segment.rule)})
    known = [(dict(zip(names, values, strict=True)), number) for values, number in count_by(program, names, today).items()]
    groups = [] if replacement.segment else [Group(EVERYONE, "Everyone", sum(number for _, number in known))]
    for segment in segments:
        inside = sum(number for values, number in known if matches(segment.rule, values))
        groups.append(Group(segment.code, segment.name, inside, segment))
    for name in attributes:
        for value in sorted({values[name] for values, _ in known}):
            label = f"{name.replace('_', ' ').capitalize()}: {value or 'unknown'}"
            inside = sum(number for values, number in known if values[name] == value)
            groups.append(Group(f"{name}={value}", label, inside, None, name, value))
    return groups


def _read_choices(
    replacement: Replacement, groups: Sequence[Group], pairs: Collection[Pair], today: date
) -> dict[str, list[Choice]]:
    """What each group can choose today, and what becomes of it."""
    olds = list_old_offers(replacement.program_id, replacement.partner, replacement.category)
    names = set(olds.values_list("external_id", flat=True))
    followers = successors_of(list(pairs))
    categories = _categories_of(replacement, [new for new in followers.values() if new is not None])

    def read(one: RankedOffer) -> Choice:
        name, described = one.offer.external_id, one.offer.described
        category = _category(replacement, described["category"], described["partner_category"])
        return Choice(category, name in names, categories.get(followers.get(name) or ""))

    return {group.key: [read(one) for one in _catalog_of(replacement.program_id, group, today)] for group in groups}


def _catalog_of(program_id: int, group: Group, today: date) -> list[RankedOffer]:
    if group.segment is not None:
        return list_ranked(program_id, None, today, group.segment.pk)
    return list_ranked(program_id, {group.attribute: group.value} if group.attribute else None, today)


def _categories_of(replacement: Replacement, names: Collection[str]) -> dict[str, str]:
    """The category of each of some offers of the successor, as gaps count them."""
    if replacement.successor is None:
        return {}
    own = replacement.successor.category.code
    rows = replacement.successor.offers.filter(external_id__in=names).values_list("external_id", "category")
    return {name: _category(replacement, category, own) for name, category in rows}


def _category(replacement: Replacement, of_offer: str, of_partner: str) -> str:
    """What counts as the category: the offer's own where the replacement is of one of them, else the partner's."""
    return of_offer if replacement.category else of_partner


def _count_redemptions(replacement: Replacement, groups: Sequence[Group], today: date) -> dict[str, int | None]:
    """Redemptions of the old offers by group, from the metric layer, which hides what is told of too few."""
    olds = list_old_offers(replacement.program_id, replacement.partner, replacement.category)
    where = {"offer": list(olds.values_list("external_id", flat=True))}
    found: dict[str, int | None] = {}
    if not where["offer"]:
        return found
    keys = {group.key for group in groups}
    for by in ["", "segment", *sorted({f"member.{group.attribute}" for group in groups if group.attribute})]:
        summary = summarise(
            program=replacement.program,
            starts_date=today - LOOK_BACK,
            ends_date=today,
            by=[by] if by else [],
            where=where,
        )
        for row in summary.rows:
            value = row[by] if by else ""
            key = f"{by.removeprefix('member.')}={value}" if by.startswith("member.") else value
            if key in keys:
                found[key] = None if row["suppressed"] else row["redemptions"]
    return found
