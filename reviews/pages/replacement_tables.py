"""The tables of a replacement: candidates, losses, the mapping with its places, holders, checks, contacts, files, versions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from offers.choices import OfferState
from offers.selectors import list_described_offers, list_segments
from partners.choices import PartnerState
from partners.models import Partner
from plum_site.lib.admin import url_of
from plum_site.lib.people import names_of
from plum_site.lib.periods import parse_month
from plum_site.lib.present import BREAK, NO_DATA, SUPPRESSED, Table, as_written, badge, count, day, instant, link, month, rate
from reviews.choices import HolderState
from reviews.models import Replacement, ReplacementCandidate, ReplacementContact, ReplacementFile
from reviews.pages import show_standing
from reviews.pages.actions import say_offer
from reviews.rules.replacements import Gap
from reviews.selectors.replacements import Loss, read_pairs
from reviews.services.replacements.gaps import say_gap

MOST_GAPS_SHOWN = 6
NOT_LIVE_YET = (OfferState.DRAFT, OfferState.IN_REVIEW)
State = Mapping[str, Any]


# --- candidates and losses ---


def make_candidates(
    replacement: Replacement, possible: Sequence[Partner], named: Sequence[ReplacementCandidate], partners: Mapping[str, Partner]
) -> Table:
    """Those that were compared, the best first; those that came since; those that refused. partners: by external id."""
    compared = replacement.comparison or {"candidates": [], "metrics": []}
    metrics = compared["metrics"]
    refused = {one.partner.external_id: one for one in named if one.refused_at is not None}
    rows = [
        _candidate_row(replacement, row, metrics, partners.get(row["partner"]))
        for row in compared["candidates"]
        if row["partner"] not in refused
    ]
    seen = {row["partner"] for row in compared["candidates"]} | set(refused)
    empty = [""] * (3 + len(metrics))
    for partner in possible:
        if partner.external_id not in seen:
            rows.append([_name(replacement, partner), badge("not compared yet", "idle"), *empty])
    for one in refused.values():
        why = format_html("{}{}{}", badge("refused", "bad"), BREAK, one.refusal)
        rows.append([_name(replacement, one.partner), why, *empty])
    note = ""
    if replacement.comparison:
        first, last = month(parse_month(compared["from"])), month(parse_month(compared["to"]))
        whose = f"members of {replacement.segment.name}" if replacement.segment else "all members"
        note = (
            f"{first} to {last}, of {whose}. Covered: the share of the old offers' redemptions by groups of members to whom the "
            "candidate has an offer. Rates with the interval in which they lie 95 of 100 times, and the rank in the category."
        )
    headers = ["Candidate", "Standing", "Offers", "Covered", "Would be missing", *(METRICS[name].label for name in metrics)]
    text = "No other partner is of this category. Add one that is there already, or create a prospect."
    return Table("Candidates", headers, rows, text, note=note)


def _candidate_row(replacement: Replacement, row: State, metrics: Sequence[str], partner: Partner | None) -> list[Any]:
    drafts = format_html("{}{} more in draft", BREAK, row["drafts"]) if row["drafts"] else ""
    covered = rate(row["coverage"], 0)
    if row["uncovered"]:
        covered = format_html('{}{}<span class="plum-note">not: {}</span>', covered, BREAK, shorten(row["uncovered"]))
    gaps = shorten([say_gap(Gap(group, category)) for group, category in row["gaps"]])
    return [
        _name(replacement, partner) if partner else row["name"],
        show_standing(row["standing"]) if row["standing"] else NO_DATA,
        format_html("{}{}", row["offers"], drafts),
        covered,
        gaps or "nothing",
        *(_rate(row["metrics"].get(name)) for name in metrics),
    ]


def _name(replacement: Replacement, partner: Partner) -> SafeString:
    chosen = format_html(" {}", badge("chosen", "good")) if replacement.successor_id == partner.pk else ""
    return format_html(
        '{}{}{}<span class="plum-note">{}</span>',
        link(url_of(partner), partner.name),
        chosen,
        BREAK,
        PartnerState(partner.state).label.lower(),
    )


def _rate(one: State | None) -> SafeString | str:
    if one is None or one["rate"] is None:
        return SUPPRESSED if one is not None and one.get("status") == "suppressed" else NO_DATA
    lines = [f"{rate(one['rate_low'])} – {rate(one['rate_high'])}"] if one["rate_low"] is not None else []
    lines += [f"rank {one['rank']} of {one['of']}"] if one["rank"] else []
    said = format_html('{}<span class="plum-note">{}</span>', BREAK, ", ".join(lines)) if lines else ""
    return format_html('<span class="plum-line">{}</span>{}', rate(one["rate"]), said)


def shorten(lines: Sequence[str]) -> str:
    """A few of some lines in words, and how many more there are."""
    more = len(lines) - MOST_GAPS_SHOWN
    return "; ".join(lines[:MOST_GAPS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def make_losses(replacement: Replacement, losses: Sequence[Loss], by: str = "") -> Table:
    """What each group of members loses. by: by which mapping, where it is not the one that is saved."""
    rows = [
        [
            loss.label,
            SUPPRESSED if loss.members is None else count(loss.members),
            SUPPRESSED if loss.redemptions is None else count(loss.redemptions),
            count(loss.before),
            count(loss.after),
            badge(", ".join(category or "no category" for category in loss.categories), "bad") if loss.categories else "nothing",
        ]
        for loss in losses
    ]
    is_mapped = replacement.offers.exists()
    note = by or ("By the mapping as it stands." if is_mapped else "If nothing followed: no offer is mapped yet.")
    note += " Redemptions are those of the old offers in the last 90 days."
    headers = ["Who", "Members", "Redemptions", "Can choose now", "Afterwards", "Lose all of"]
    return Table("What is lost", headers, rows, "No group of members sees any of the old offers.", frozenset({1, 2, 3, 4}), note)


# --- the mapping ---


def make_mapping(replacement: Replacement, places: tuple[Mapping[str, int], Mapping[str, int]], today: date) -> Table:
    """Which offer follows which, and where each stands before and after."""
    pairs = read_pairs(replacement)
    names = {name for pair in pairs for name in (pair.old, pair.new) if name is not None}
    offers = {offer.external_id: offer for offer in list_described_offers(replacement.program_id).filter(external_id__in=names)}
    before, after = places
    rows: list[list[Any]] = []
    for pair in pairs:
        old = link(url_of(offers[pair.old]), say_offer(offers[pair.old], today)) if pair.old else "beside, for no old one"
        new: Any = badge("nothing follows", "warn")
        if pair.new:
            offer = offers[pair.new]
            new = link(url_of(offer), say_offer(offer, today))
            if offer.state in NOT_LIVE_YET:
                new = format_html("{} {}", new, badge("goes live at the cutover", "info"))
        rows.append([old, before.get(pair.old or "") or NO_DATA, new, (after.get(pair.new) if pair.new else None) or NO_DATA])
    where = f"the catalog of {replacement.segment.name}" if replacement.segment else "everyone's catalog"
    note = f"Places in {where}. Every segment's own ranking passes its places on in the same way." if rows else ""
    headers = ["Old offer", "Place before", "Followed by", "Place after"]
    return Table("Which offer follows which", headers, rows, "No offer is mapped yet.", frozenset({1, 3}), note)


def make_gaps(keys: Iterable[str]) -> Table:
    """What nobody offers any more, as somebody accepted it."""
    rows: list[list[Any]] = [[say_gap(key)] for key in keys]
    return Table("What is missing then, and was accepted", ["Nobody offers any more"], rows, "Nothing is missing.")


# --- members ---


def make_holdings(numbers: Mapping[str, int], days: int) -> Table:
    """How many members hold what goes, before the cutover."""
    rows: list[list[Any]] = [
        [
            "Have unlocked one and not used it",
            count(numbers["unlocked"]),
            f"are told that they can activate it for {days} more days",
        ],
        ["Have activated one and not redeemed it", count(numbers["activated"]), "are honoured, without an end"],
    ]
    return Table("Members who hold offers that go", ["Who", "Members", "What happens"], rows, numeric=frozenset({1}))


def make_told(replacement: Replacement, numbers: Mapping[str, int]) -> Table:
    """What became of telling the holders."""
    rows: list[list[Any]] = [[HolderState(state).label, count(number)] for state, number in numbers.items() if number]
    if recalled := replacement.holders.filter(recalled_at__isnull=False).count():
        rows.append(["Of these: told again, that the offer stays", count(recalled)])
    note = "Members who had unlocked an old offer at the cutover and not used it. Who they are is not shown."
    url = reverse("admin:reviews_replacement_holders", args=[replacement.pk]) if rows else ""
    empty = "Nobody held an unlocked offer at the cutover."
    return Table("Holders", ["What became of telling them", "Offers held"], rows, empty, frozenset({1}), note, url, "One by one")


# --- after the cutover, and the log ---


def make_checks(checks: Iterable[State], title: str = "What must hold") -> Table:
    """Each check with what does not hold."""
    rows = [
        [
            check["sentence"],
            badge("holds", "good") if check["holds"] else badge("does not hold", "bad"),
            count(check["counted"]),
            "; ".join(check["faults"]) or NO_DATA,
        ]
        for check in checks
    ]
    return Table(title, ["What", "Now", "Looked at", "At fault"], rows, "Nothing was verified yet.", frozenset({2}))


def make_contacts(contacts: Iterable[ReplacementContact]) -> Table:
    """What was spoken with partners."""
    found = list(contacts)
    names = names_of(one.made_by for one in found)
    rows = [
        [
            instant(one.made_at),
            one.get_kind_display(),
            one.partner.name,
            names[one.made_by],
            as_written(one.text),
        ]
        for one in found
    ]
    return Table("Contacts", ["When", "How", "With", "Who", "What was said"], rows, "Nobody has written down a contact yet.")


def make_files(replacement: Replacement, files: Iterable[ReplacementFile]) -> Table:
    """The files, each to download."""
    found = list(files)
    names = names_of(one.brought_by for one in found)
    rows = [
        [
            link(reverse("admin:reviews_replacement_file", args=[replacement.pk, one.pk]), one.name),
            filesizeformat(one.size_bytes),
            instant(one.brought_at),
            names[one.brought_by],
        ]
        for one in found
    ]
    return Table("Files", ["File", "Size", "Kept", "By"], rows, "No file is kept yet.", frozenset({1}))


def make_state_versions(replacement: Replacement, versions: Mapping[str, State], title: str) -> Table:
    """What a cutover changes, in some versions beside each other; only what differs between them."""
    states = list(versions.values())
    segments = {segment.pk: segment.name for segment in list_segments(replacement.program_id)}
    rows: list[list[Any]] = []
    named = (("partner", replacement.partner.name), ("successor", replacement.successor and replacement.successor.name))
    for key, name in named:
        cells = [PartnerState(state[key]).label if state.get(key) else NO_DATA for state in states]
        rows.append([name, *cells])
    for offer in states[0]["offers"]:
        rows.append(
            [f"Offer {offer}", *(OfferState(s["offers"][offer]).label if offer in s["offers"] else NO_DATA for s in states)]
        )
    for offer in states[0]["audiences"]:
        cells = [_say_audiences(state["audiences"].get(offer, ()), segments) for state in states]
        rows.append([f"Offer {offer} is open to", *cells])
    for key in dict.fromkeys(key for state in states for key in state["rankings"]):
        whose = f"Ranking of {segments.get(int(key), key)}" if key else "Everyone's ranking"
        numbers = [state["rankings"].get(key, 0) for state in states]
        rows.append([whose, *(f"revision {number}" if number else "none" for number in numbers)])
    rows = [row for row in rows if len(set(map(str, row[1:]))) > 1]
    return Table(title, ["What", *versions], rows, "Nothing differs.")


def _say_audiences(said: Sequence[State], segments: Mapping[int, str]) -> str:
    """Whom an offer is open to, from day to day."""
    first, *later = [_say_audience(one, segments) for one in said] or ["everyone"]
    days = [day(date.fromisoformat(one["starts_date"])) for one in said[1:]]
    return "; ".join([first, *(f"{whom} from {since} on" for whom, since in zip(later, days, strict=True))])


def _say_audience(said: State, segments: Mapping[int, str]) -> str:
    whom = segments.get(said["segment"], "everyone") if said["segment"] else "everyone"
    countries = f" in {', '.join(said['countries'])}" if said["countries"] else ""
    without = ", ".join(segments.get(pk, str(pk)) for pk in said["excluded_segments"])
    return f"{whom}{countries}{f' but {without}' if without else ''}"
