"""Replacements for tests: a program with a partner that goes and others that could come, led by services to a state."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from offers.choices import OfferState
from offers.models import Offer
from offers.selectors import list_ranked
from partners.choices import PartnerState
from partners.models import Partner, Program
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.choices import ActionKind, ReplacementState
from reviews.models import Replacement
from reviews.rules.replacements import Pair
from reviews.selectors.replacements import find_gaps_left
from reviews.services.actions import propose_action
from reviews.services.replacements.approving import approve_replacement, schedule_cutover
from reviews.services.replacements.candidates import choose_candidate, compare_replacement
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.ending import complete_replacement, verify_replacement
from reviews.services.replacements.holders import tell_holders
from reviews.services.replacements.mapping import map_offers, save_mapping
from reviews.services.replacements.terms import agree_terms
from tests.factories.actions import AT, carry_out, propose
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.pushes import add_people

MAPPING = (Pair("O1", "N1"), Pair("O2", "N2"), Pair("O3", None))
S = ReplacementState
WAY = (S.OPENED, S.COMPARED, S.CHOSEN, S.AGREED, S.MAPPED, S.APPROVED, S.SCHEDULED, S.CUT_OVER, S.VERIFIED, S.COMPLETED)
CUT_OVER_AT = AT + timedelta(days=1)


def make_replaceable_program(members: int = 12) -> Program:
    """
    P1 of three live offers O1 to O3 (O3 of category "wine"), P2 of O4 and the drafts N1 and N2, P3 without an offer, all of
    food; P9 of shoes with O9. Members M0, M1, ... with addresses, even ones in the north.
    """
    program = make_program(recorded_stages=["viewed", "unlocked", "activated", "redeemed"], minimum_group=2)
    for partner in ("P1", "P2"):
        make_partner(program, partner)
    make_partner(program, "P3", state=PartnerState.PROSPECT)
    make_partner(program, "P9", category="shoes")
    make_offer(program, "O1")
    make_offer(program, "O2")
    make_offer(program, "O3", category="wine")
    make_offer(program, "O4", partner_external_id="P2")
    make_offer(program, "O9", partner_external_id="P9")
    for name in ("N1", "N2"):
        make_offer(program, name, OfferState.DRAFT, partner_external_id="P2")
    add_people(program, [f"M{number}" for number in range(members)])
    return program


def make_pair(program: Program) -> tuple[User, User]:
    """Two people who may decide."""
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna"), make_member_of_staff(program, Role.PROGRAM_ADMIN, "ben")


def happens(program: Program, *facts: tuple[str, str, str], at: str = "2026-07-01T10:00:00Z") -> None:
    """What members did: (kind, member, offer), each."""
    rows = [
        event(f"{kind}-{member}-{offer}-{at}", kind, member=member, offer=offer, occurred_at=at) for kind, member, offer in facts
    ]
    assert record(program, rows, at=CUT_OVER_AT + timedelta(days=40)).rejected == 0


def open_replacement(program: Program, anna: User, ben: User, **fields: Any) -> Replacement:
    """A replacement of P1 that an approved action opened."""
    params = {"category": fields.pop("category", ""), "country": fields.pop("country", "")}
    action = propose(program, anna, ActionKind.REPLACE_PARTNER, params=params, **fields)
    return Replacement.objects.get(action=carry_out(action, ben))


def open_for(partner: Partner, anna: User, ben: User, *, at: datetime, **fields: Any) -> Replacement:
    """A replacement of any partner that an action opened, which anna proposed and ben approved."""
    params = {"category": "", "country": ""}
    action = propose_action(partner_id=partner.pk, kind=ActionKind.REPLACE_PARTNER, params=params, actor=anna, at=at, **fields)
    return Replacement.objects.get(action=carry_out(action, ben, at))


def lead_on(
    replacement: Replacement, anna: User, ben: User, state: str, *, successor: str, pairs: Sequence[Pair], **times: datetime
) -> Replacement:
    """As lead, with a mapping whose gaps are accepted as they are found."""
    led = lead(replacement, anna, ben, S.AGREED, successor=successor, at=times["at"])
    gaps = [gap.key for gap in find_gaps_left(led, pairs, times["at"])]
    return lead(led, anna, ben, state, mapping=pairs, gaps=gaps, **times)


def lead(
    replacement: Replacement,
    anna: User,
    ben: User,
    state: str,
    *,
    successor: str = "P2",
    mapping: Sequence[Pair] = MAPPING,
    gaps: Sequence[str] = (),
    at: datetime = AT,
    cut_over_at: datetime = CUT_OVER_AT,
) -> Replacement:
    """The same replacement, led on to a state by the usual way: anna maps, ben approves."""
    pk = replacement.pk
    for step in WAY[WAY.index(S(replacement.state)) + 1 : WAY.index(S(state)) + 1]:
        replacement.refresh_from_db()
        match step:
            case S.COMPARED:
                compare_replacement(replacement_id=pk, actor=anna, at=at)
            case S.CHOSEN:
                choose_candidate(replacement_id=pk, partner=successor, actor=anna, at=at)
            case S.AGREED:
                agree_terms(replacement_id=pk, terms="As P1 had them.", actor=anna, at=at)
            case S.MAPPED:
                save_mapping(replacement_id=pk, pairs=mapping, actor=anna, at=at)
                map_offers(replacement_id=pk, gaps=gaps, actor=anna, at=at)
            case S.APPROVED:
                approve_replacement(replacement_id=pk, actor=ben, at=at)
            case S.SCHEDULED:
                schedule_cutover(replacement_id=pk, scheduled_at=cut_over_at, actor=ben, at=at)
            case S.CUT_OVER:
                cut_over(replacement_id=pk, revision=replacement.revision, at=cut_over_at)
            case S.VERIFIED:
                tell_holders(replacement_id=pk, at=cut_over_at)
                verify_replacement(replacement_id=pk, actor=anna, at=cut_over_at)
            case S.COMPLETED:
                complete_replacement(replacement_id=pk, actor=ben, at=cut_over_at)
    replacement.refresh_from_db()
    assert replacement.state == state, replacement.failure
    return replacement


def catalog(program: Program, segment_id: int | None = None, at: datetime = CUT_OVER_AT) -> list[str]:
    """External ids of what everyone, or a segment, is shown, in order."""
    return [ranked.offer.external_id for ranked in list_ranked(program.pk, None, at.date(), segment_id)]


def partner_state(external_id: str) -> str:
    """The state of a partner."""
    return str(Partner.objects.get(external_id=external_id).state)


def offer_state(external_id: str) -> str:
    """The state of an offer."""
    return str(Offer.objects.get(external_id=external_id).state)
