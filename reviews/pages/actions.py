"""Corrective actions as pages show them: the sentence, the state, who stands behind it, what it changes and what it did."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from offers.choices import OfferState
from offers.models import Offer
from offers.rules import Order, compare_orders
from offers.selectors import list_described_offers, list_offers, present_state
from partners.models import Partner
from plum_site.lib.admin import url_of
from plum_site.lib.models import User
from plum_site.lib.people import names_of
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, NO_DATA, Table, badge, count, day, instant, link, month, rate
from reviews.choices import ActionKind, ActionState, Verdict
from reviews.models import ActionNote, CorrectiveAction
from reviews.rules.actions import SOLO_HOURS, UNDO_DAYS, is_in_time, say_action, undo_until
from reviews.rules.effects import say_change
from reviews.selectors.replacements import find_replacement_of_action
from reviews.services.actions import HANDLINGS, Preview, UnableToExecute
from reviews.workflow import UNDOABLE_ACTIONS

STATE_TONES = {
    ActionState.PROPOSED: "info",
    ActionState.APPROVED: "fair",
    ActionState.SCHEDULED: "fair",
    ActionState.EXECUTING: "fair",
    ActionState.EXECUTED: "good",
    ActionState.MEASURING: "good",
    ActionState.MEASURED: "good",
    ActionState.REJECTED: "idle",
    ActionState.CANCELLED: "idle",
    ActionState.FAILED: "bad",
    ActionState.REVERTED: "warn",
}
VERDICT_TONES = {Verdict.WORKED: "good", Verdict.NO_EVIDENCE: "idle", Verdict.HARMED: "bad", Verdict.CANNOT_TELL: "idle"}
KIND_SENTENCES = {
    ActionKind.RERANK: "Its offers move in the catalog: up, down, pinned, hidden or shown, for everyone or for one segment.",
    ActionKind.REFRESH_LISTING: "Members read a new version of the title, text, picture and terms of one offer.",
    ActionKind.PAUSE_OFFER: "Offers take no new unlocks from now on; what members have activated is honoured.",
    ActionKind.CONTACT_PARTNER: "The partner gets a message with a link to its own card, and may answer.",
    ActionKind.PROMOTIONAL_PUSH: "A message about some of its offers goes to everyone or to one segment.",
    ActionKind.REPLACE_PARTNER: "Another partner takes its place: for everyone, or in one category, country or segment.",
}
LISTING_WORDS = {"title": "Title", "text": "Text", "creative_url": "Picture", "terms": "Terms"}
MOST_MOVED = 50
State = Mapping[str, Any]


def show_action_state(state: str) -> SafeString:
    """The state of an action as a badge."""
    return badge(ActionState(state).label, STATE_TONES[ActionState(state)])


def show_verdict(verdict: str) -> SafeString:
    """What the measurement says, as a badge; NO_DATA before there is one."""
    return badge(Verdict(verdict).label, VERDICT_TONES[Verdict(verdict)]) if verdict else NO_DATA


def say(action: CorrectiveAction) -> str:
    """What an action does, in one sentence."""
    return say_action(action.kind, action.params, action.partner.name, action.segment.name if action.segment else "")


def say_people_needed(action: CorrectiveAction) -> str:
    """How many people stand behind it, or have to."""
    if not action.needs_two:
        return "one person"
    return f"one person and {SOLO_HOURS} hours (solo mode)" if action.is_solo else "two different people"


def name_of(person: User | None) -> str:
    """A person as pages name them."""
    return (person.get_full_name() or person.username) if person else ""


def list_offer_choices(partner: Partner, at: datetime) -> list[tuple[str, str]]:
    """The offers of a partner that an action may be about: external id, and how they are told apart."""
    today = local_date(at, partner.program.time_zone)
    offers = list_described_offers(partner.program_id).filter(partner=partner).exclude(state=OfferState.RETIRED)
    return [(offer.external_id, say_offer(offer, today)) for offer in offers]


def say_offer(offer: Any, today: Any) -> str:
    """An offer by id, title and what it is today."""
    [*titles] = (listing.title for listing in offer.newest_listings)
    named = f"{offer.external_id}: {titles[0]}" if titles and titles[0] else offer.external_id
    return f"{named} ({present_state(offer, today).label.lower()})"


# --- what it changes ---


def preview_of(action: CorrectiveAction, at: datetime) -> tuple[Preview | None, str]:
    """What an action would do now; else why it could not."""
    try:
        return HANDLINGS[action.kind].preview(action, at), ""
    except UnableToExecute as error:
        return None, error.detail


def make_preview(preview: Preview, title: str = "What changes") -> Table:
    """Before and after, line by line."""
    rows = [
        [LISTING_WORDS.get(one.what, one.what.replace("_", " ")), plain(one.before), plain(one.after)] for one in preview.changes
    ]
    return Table(title, ["What", "Now", "Afterwards"], rows, "Nothing that can be shown as before and after.")


def say_whom(preview: Preview) -> list[str]:
    """Whom a preview concerns, and what else is to be known."""
    whom = (
        []
        if preview.members is None
        else [f"It reaches {count(preview.members)} {'person' if preview.members == 1 else 'people'}."]
    )
    return [*whom, *preview.notes]


def plain(value: Any) -> Any:
    """A stored value for a cell."""
    if value in (None, "", [], {}):
        return NO_DATA
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def make_versions(action: CorrectiveAction, versions: Mapping[str, State], title: str) -> Table:
    """Stored versions beside each other (column name to what the kind stored), in words."""
    states = list(versions.values())
    first = states[0]
    if "offers" in first and isinstance(first["offers"], dict):
        rows = [
            [offer, *(OfferState(s["offers"][offer]).label if offer in s["offers"] else NO_DATA for s in states)]
            for offer in first["offers"]
        ]
    elif "listing" in first:
        rows = [["Version", *(plain(s.get("listing")) for s in states)]]
        rows += [[label, *(plain(s.get(name)) for s in states)] for name, label in LISTING_WORDS.items()]
    elif "revision" in first:
        rows = _ranking_rows(action, states)
    else:
        keys = dict.fromkeys(key for state in states for key in state)
        rows = [[key.replace("_", " ").capitalize(), *(plain(state.get(key)) for state in states)] for key in keys]
    return Table(title, ["What", *versions], rows, "Nothing was stored that could be shown.")


def _ranking_rows(action: CorrectiveAction, states: Sequence[State]) -> list[list[Any]]:
    """The revision, then the offers of the action and those that were moved from version to version; not what made room."""
    named = set(action.params.get("offers", ()))
    offers = list(list_offers(action.program_id).only("id", "external_id", "partner"))
    by_row = {offer.pk: offer.external_id for offer in offers}
    rows = [["Revision of the ranking", *(plain(state.get("revision") or "none yet") for state in states)]]
    steps = [(before, after) for before, after in pairwise(map(_order_of, states)) if before.offers and after.offers]
    changed = {difference.offer for before, after in steps for difference in compare_orders(before, after)[0]}
    shown = [offer.pk for offer in offers if offer.external_id in named]
    shown += [pk for pk, name in by_row.items() if pk in changed and name not in named][:MOST_MOVED]
    places = [_places(state) for state in states]
    rows += [[by_row[pk], *((place.get(pk) or "at the end") if place else NO_DATA for place in places)] for pk in shown]
    return rows


def _order_of(state: State) -> Order:
    """A stored order as the rules of rankings know it."""
    pinned = {int(offer): place for offer, place in state.get("pinned", {}).items()}
    return Order(tuple(state.get("offer_ids", ())), pinned, frozenset(state.get("hidden", ())))


def _places(state: State) -> dict[int, str]:
    """Where each offer stands in a stored order; empty where there was none."""
    hidden, pinned = set(state.get("hidden", ())), state.get("pinned", {})
    places: dict[int, str] = {}
    number = 0
    for pk in state.get("offer_ids", ()):
        if pk in hidden:
            places[pk] = "hidden"
            continue
        number += 1
        places[pk] = f"pinned at place {pinned[str(pk)]}" if str(pk) in pinned else f"place {number}"
    return places


# --- its page ---


def list_facts(action: CorrectiveAction, names: Mapping[str, Offer]) -> list[tuple[str, Any]]:
    """What is to be known about an action beside what it changes."""
    facts: list[tuple[str, Any]] = [("Partner", link(url_of(action.partner), action.partner))]
    offers = [link(url_of(names[name]), name) if name in names else name for name in action.params.get("offers", ())]
    if offers:
        facts.append(("Offers", join(offers)))
    if action.segment:
        facts.append(("Segment", link(url_of(action.segment), action.segment.name)))
    facts.append(("Why", action.reason or NO_DATA))
    if action.case:
        facts.append(("Flag", link(url_of(action.case), action.case)))
    if action.cycle:
        facts.append(("Review", link(url_of(action.cycle), month(action.cycle.month_start_date))))
    if action.kind == ActionKind.REPLACE_PARTNER and (found := find_replacement_of_action(action.pk)):
        facts.append(("Replacement", format_html("{} {}", link(url_of(found), found), badge(found.get_state_display(), "info"))))
    facts += [
        ("Owner", name_of(action.owner) or NO_DATA),
        ("Due", day(action.due_date)),
        ("Carried out", instant(action.executed_at)) if action.executed_at else ("Not before", instant(action.scheduled_at)),
    ]
    return facts


def join(cells: Iterable[Any]) -> SafeString:
    """Cells one after the other."""
    joined = SafeString("")
    for index, cell in enumerate(cells):
        joined = format_html("{}{}{}", joined, ", " if index else "", cell)
    return joined


def list_people(action: CorrectiveAction) -> list[tuple[str, Any]]:
    """Who proposed, edited and approved an action, and how many it needs."""
    proposed = name_of(action.proposer) or "a rule of the playbook; nobody has taken it up"
    if action.proposal_key and action.proposer:
        proposed = f"a rule of the playbook, taken up by {name_of(action.proposer)}"
    people: list[tuple[str, Any]] = [
        ("Needs", say_people_needed(action)),
        ("Proposed by", format_html("{}, {}", proposed, instant(action.proposed_at))),
    ]
    if action.editor:
        edited = format_html("{}, {} (revision {})", name_of(action.editor), instant(action.edited_at), action.revision)
        people.append(("Edited by", edited))
    if action.approver:
        people.append(("Approved by", format_html("{}, {}", name_of(action.approver), instant(action.approved_at))))
    if action.reverted_by:
        reverter = names_of([action.reverted_by])[action.reverted_by]
        people.append(("Reverted by", format_html("{}, {}", reverter, instant(action.reverted_at))))
    return people


def say_what_next(action: CorrectiveAction, at: datetime) -> str:
    """What an action waits for, or until when it can be taken back; "" where there is nothing to say."""
    state = action.state
    if state == ActionState.PROPOSED:
        if action.needs_two and action.proposer_id is None:
            return "A rule proposed this. One person takes it up, and another one approves it."
        others = " other than who proposed or edited it" if action.needs_two else ""
        return f"It waits for somebody{others} to approve it. Nothing is done before."
    if state == ActionState.SCHEDULED and action.is_solo:
        return f"Approved by one person: it waits {SOLO_HOURS} hours, in which it can be cancelled."
    if state in UNDOABLE_ACTIONS and action.executed_at is not None:
        if HANDLINGS[action.kind].undo is None:
            return "What went out cannot be taken back."
        return say_until("reverted", action.executed_at, at)
    return ""


def say_until(done: str, since: datetime, at: datetime) -> str:
    """Until when something can be taken back, or could. done: "reverted" or "rolled back"; since: when it was carried out."""
    last = day(timezone.localtime(undo_until(since)).date())
    if is_in_time(since, at):
        return f"It can be {done} until {last}."
    return f"It could be {done} until {last}: its {UNDO_DAYS} days are over."


def show_effect(action: CorrectiveAction) -> dict[str, Any] | None:
    """How the effect is told and what it was, in words; None where nothing is measured."""
    design, effect = action.design or {}, action.effect or {}
    if not design and not effect:
        return None
    facts: list[tuple[str, Any]] = []
    if design.get("metric"):
        facts.append(("Measured by", METRICS[design["metric"]].label if design["metric"] in METRICS else design["metric"]))
    if design.get("window_days"):
        facts.append(("Over", f"{design['window_days']} days from the execution on"))
    if design.get("minimum_effect"):
        facts.append(("Smallest change worth knowing of", rate(design["minimum_effect"], 0)))
    if effect.get("estimate") is not None:
        facts.append(("Change", say_change(effect["estimate"])))
        low, high = (None if effect.get(end) is None else say_change(effect[end]) for end in ("low", "high"))
        if low is not None:
            facts.append(("Lies", f"{f'between {low} and {high}' if high else f'above {low}'}, 95 of 100 times"))
    return {
        "verdict": show_verdict(action.verdict) if action.verdict else "",
        "sentence": effect.get("sentence", "") or ("Not measured yet." if design.get("metric") else ""),
        "design": design.get("sentence", "") if design.get("sentence") != effect.get("sentence") else "",
        "facts": facts,
    }


def make_notes(notes: Iterable[ActionNote]) -> Table:
    """What people wrote about an action."""
    found = list(notes)
    names = names_of(note.made_by for note in found)
    rows = [
        [
            instant(note.made_at),
            names[note.made_by],
            format_html("{}{}{}", note.text, BREAK if note.url else "", evidence(note.url) if note.url else ""),
        ]
        for note in found
    ]
    return Table("Comments and evidence", ["When", "Who", "What"], rows, "Nobody has written anything yet.")


def evidence(url: str) -> SafeString:
    """A link that leads out of the console."""
    return format_html('<a href="{}" rel="noopener noreferrer nofollow">{}</a>', url, url)


def make_actions(title: str, actions: Sequence[CorrectiveAction], empty: str) -> Table:
    """Some actions as a table: what, state, when, verdict."""
    rows = [
        [
            link(url_of(action), say(action)),
            show_action_state(action.state),
            instant(action.proposed_at),
            day(action.due_date),
            show_verdict(action.verdict),
        ]
        for action in actions
    ]
    return Table(title, ["What", "State", "Proposed", "Due", "Verdict"], rows, empty)
