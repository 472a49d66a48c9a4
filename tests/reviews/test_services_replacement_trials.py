"""The successor's offers on trial with a share of members: who sees what, how it ends, and what is measured."""

from datetime import timedelta
from typing import Any

import pytest

from activity.models import Member
from offers.choices import OfferState
from offers.models import CatalogTrial, Offer
from offers.selectors import day_catalog, find_order, list_ranked, load_catalog
from offers.services import change_offer_state, save_ranking
from partners.choices import PartnerState
from partners.models import Partner, Program
from plum_site.lib.choices import Role
from plum_site.lib.draws import is_drawn
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed
from plum_site.lib.models import AuditEvent, User
from reviews.choices import ReplacementState
from reviews.models import Replacement
from reviews.rules.actions import ApprovalSpec, default_approvals
from reviews.rules.replacements import Pair
from reviews.services.replacements import trying
from reviews.services.replacements.approving import schedule_cutover
from reviews.services.replacements.candidates import add_prospect
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.ending import cancel_replacement, go_back, roll_back_replacement
from reviews.services.replacements.trying import end_replacement_trial, start_replacement_trial
from tests.factories.actions import AT, lower_approvals
from tests.factories.offers import make_offer, make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.replacements import CUT_OVER_AT, happens, lead, make_pair, make_replaceable_program, open_replacement

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

S = ReplacementState
TODAY = AT.date()


@pytest.fixture
def program() -> Program:
    return make_replaceable_program(members=60)


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def approved(program: Program, pair: tuple[User, User]) -> Replacement:
    return lead(open_replacement(program, *pair), *pair, S.APPROVED)


def start(replacement: Replacement, ben: User, share: int = 50, at: Any = AT) -> Replacement:
    return start_replacement_trial(replacement_id=replacement.pk, share_percent=share, actor=ben, at=at)


def end(replacement: Replacement, ben: User, at: Any = AT) -> Replacement:
    return end_replacement_trial(replacement_id=replacement.pk, actor=ben, at=at)


def seen_by_all(program: Program, segment_id: int | None = None) -> list[str]:
    return [one.offer.external_id for one in list_ranked(program.pk, None, TODAY, segment_id)]


def arms(program: Program) -> tuple[list[str], list[str], set[int], set[int]]:
    """What whoever tries sees, what everybody else sees, and who they are."""
    program.refresh_from_db()
    catalog = day_catalog(program, TODAY)
    shown: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    members: dict[bool, set[int]] = {True: set(), False: set()}
    for member in Member.objects.filter(program=program):
        tries = catalog.tried_by(bytes(member.key), {})
        line = tuple(one.offer.external_id for one in catalog.for_attributes({}, tries))
        shown[bool(tries)].add(line)
        members[bool(tries)].add(member.pk)
    [challenged], [champion] = shown[True], shown[False]
    return list(challenged), list(champion), members[True], members[False]


def state_of(external_id: str) -> str:
    return str(Offer.objects.get(external_id=external_id).state)


def test_a_share_of_members_sees_the_new_offers_in_the_places_of_the_old_ones(
    program: Program, approved: Replacement, pair: tuple[User, User]
) -> None:
    before = seen_by_all(program)
    trialling = start(approved, pair[1])
    challenged, champion, some, others = arms(program)

    assert trialling.state == S.TRIALLING
    assert champion == before == seen_by_all(program) == ["O1", "O2", "O3", "O4", "O9"]
    assert challenged == ["N1", "N2", "O4", "O9"], "as the cutover would leave it"
    assert some | others == set(Member.objects.values_list("pk", flat=True))
    assert not some & others
    assert (state_of("N1"), state_of("O1")) == (OfferState.PUBLISHED, OfferState.PUBLISHED)
    assert AuditEvent.objects.filter(action="offers.start_trial").count() == 1
    assert AuditEvent.objects.filter(action="reviews.start_trial_replacement").count() == 1


def test_the_cutover_shows_everybody_what_was_tried(program: Program, approved: Replacement, pair: tuple[User, User]) -> None:
    ids = {offer.external_id: offer.pk for offer in Offer.objects.all()}
    line = [ids[name] for name in ("O9", "O2", "O4", "O1", "O3")]
    save_ranking(program_id=program.pk, offer_ids=line, pinned={ids["O2"]: 3}, actor="system", at=AT)
    start(approved, pair[1])
    challenged, *_ = arms(program)
    done = lead(approved, *pair, S.CUT_OVER)
    assert done.trial is not None
    assert done.trial.ended_at == CUT_OVER_AT
    assert seen_by_all(program) == challenged


def test_a_trial_ends_and_everybody_sees_what_was_there(program: Program, approved: Replacement, pair: tuple[User, User]) -> None:
    before = seen_by_all(program)
    start(approved, pair[1])
    ended = end(approved, pair[1])
    assert ended.state == S.APPROVED
    assert seen_by_all(program) == before
    assert (state_of("N1"), state_of("N2")) == (OfferState.PAUSED, OfferState.PAUSED)
    program.refresh_from_db()
    assert not day_catalog(program, TODAY).trials
    happens(program, ("unlocked", "M1", "N1"), ("redeemed", "M1", "N1"))  # facts all the same
    assert lead(ended, *pair, S.VERIFIED).state == S.VERIFIED, "the replacement goes on"
    assert seen_by_all(program) == ["N1", "N2", "O4", "O9"]


def test_a_larger_share_of_the_same_replacement_takes_in_the_smaller(
    program: Program, approved: Replacement, pair: tuple[User, User]
) -> None:
    start(approved, pair[1], share=30)
    *_, few, _ = arms(program)
    end(approved, pair[1])
    start(approved, pair[1], share=50)
    *_, many, _ = arms(program)
    assert few < many
    assert CatalogTrial.objects.count() == 2


def test_a_rollback_takes_back_what_the_trial_brought(program: Program, approved: Replacement, pair: tuple[User, User]) -> None:
    before = seen_by_all(program)
    start(approved, pair[1])
    done = lead(approved, *pair, S.VERIFIED)
    assert done.before is not None
    assert done.before["offers"]["N1"] == OfferState.DRAFT, "what was there before the trial"
    roll_back_replacement(replacement_id=done.pk, actor=pair[1], at=CUT_OVER_AT, comment="Back.")
    assert seen_by_all(program) == before
    assert (state_of("N1"), state_of("O1")) == (OfferState.PAUSED, OfferState.PUBLISHED)


def test_a_prospect_joins_with_the_trial_and_pauses_with_its_end(program: Program, pair: tuple[User, User]) -> None:
    opened = lead(open_replacement(program, *pair), *pair, S.COMPARED)
    add_prospect(replacement_id=opened.pk, external_id="P7", name="New", category="food", actor=pair[0], at=AT)
    make_offer(program, "F1", OfferState.DRAFT, partner_external_id="P7")
    mapping = (Pair("O1", "F1"), Pair("O2", None), Pair("O3", None))
    approved = lead(opened, *pair, S.APPROVED, successor="P7", mapping=mapping)
    start(approved, pair[1])
    challenged, champion, *_ = arms(program)
    assert (challenged, champion) == (["F1", "O4", "O9"], ["O1", "O2", "O3", "O4", "O9"])
    assert Partner.objects.get(external_id="P7").state == PartnerState.ACTIVE
    end(approved, pair[1])
    assert Partner.objects.get(external_id="P7").state == PartnerState.PAUSED
    done = lead(approved, *pair, S.CUT_OVER)
    assert Partner.objects.get(external_id="P7").state == PartnerState.ACTIVE
    assert "F1" in seen_by_all(program)
    assert done.before is not None
    assert done.before["successor"] == PartnerState.PAUSED


def test_calling_it_off_and_going_back_end_the_trial(program: Program, approved: Replacement, pair: tuple[User, User]) -> None:
    before = seen_by_all(program)
    start(approved, pair[1])
    back = go_back(replacement_id=approved.pk, name="back_to_mapping", actor=pair[0], at=AT, comment="Other offers.")
    assert (back.state, seen_by_all(program), state_of("N1")) == (S.AGREED, before, OfferState.PAUSED)
    again = lead(back, *pair, S.APPROVED)
    start(again, pair[1])
    schedule_cutover(replacement_id=again.pk, scheduled_at=CUT_OVER_AT, actor=pair[1], at=AT)
    assert arms(program)[0] == ["N1", "N2", "O4", "O9"], "it goes on until the cutover"
    cancel_replacement(replacement_id=again.pk, actor=pair[0], at=AT, comment="P1 stays.")
    assert (seen_by_all(program), state_of("N1")) == (before, OfferState.PAUSED)
    assert not CatalogTrial.objects.filter(ended_at__isnull=True).exists()


def test_a_cutover_that_fails_ends_the_trial(program: Program, approved: Replacement, pair: tuple[User, User]) -> None:
    start(approved, pair[1])
    waiting = schedule_cutover(replacement_id=approved.pk, scheduled_at=CUT_OVER_AT, actor=pair[1], at=AT)
    change_offer_state(
        offer_id=Offer.objects.get(external_id="N1").pk, name="pause", actor="system", at=AT, comment="A fault in it."
    )
    change_offer_state(
        offer_id=Offer.objects.get(external_id="N1").pk, name="retire", actor="system", at=AT, comment="A fault in it."
    )
    cut_over(replacement_id=approved.pk, revision=waiting.revision, at=CUT_OVER_AT)
    approved.refresh_from_db()
    assert (approved.state, state_of("N2")) == (S.MAPPED, OfferState.PAUSED)
    assert approved.failure
    assert seen_by_all(program) == ["O1", "O2", "O3", "O4", "O9"]


def test_what_is_live_already_stays_for_everybody(program: Program, pair: tuple[User, User]) -> None:
    mapping = (Pair("O1", "O4"), Pair("O2", "N2"), Pair("O3", None))
    approved = lead(open_replacement(program, *pair), *pair, S.APPROVED, mapping=mapping)
    start(approved, pair[1])
    challenged, champion, *_ = arms(program)
    assert (challenged, champion) == (["O4", "N2", "O9"], ["O1", "O2", "O3", "O4", "O9"])
    end(approved, pair[1])
    assert state_of("O4") == OfferState.PUBLISHED


def test_the_replacement_of_one_segment_is_tried_by_its_members_alone(program: Program, pair: tuple[User, User]) -> None:
    north = make_segment(program, "north", "region", ("north",))
    approved = lead(open_replacement(program, *pair, segment="north"), *pair, S.APPROVED)
    start(approved, pair[1])
    program.refresh_from_db()
    catalog = day_catalog(program, TODAY)
    [trial] = catalog.trials
    keys = [bytes(key) for key in Member.objects.values_list("key", flat=True)]
    drawn = next(key for key in keys if is_drawn(key, trial.salt, trial.share))
    assert catalog.tried_by(drawn, {"region": "north"}) == (trial.id,)
    assert catalog.tried_by(drawn, {"region": "south"}) == ()
    shown = [one.offer.external_id for one in catalog.for_attributes({"region": "north"}, (trial.id,))]
    assert shown == ["N1", "N2", "O4", "O9"]
    assert seen_by_all(program, north.pk) == ["O1", "O2", "O3", "O4", "O9"]


class KilledError(Exception):
    """The process ended here."""


@pytest.mark.parametrize("point", ["trial.started", "trial.brought_in", "trial.taken_out", "trial.ended"])
def test_a_death_anywhere_leaves_all_of_it_or_nothing(
    program: Program, approved: Replacement, pair: tuple[User, User], monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(name: str) -> None:
        if name == point:
            raise KilledError

    def stands() -> tuple[str, str, int]:
        state = str(Replacement.objects.get(pk=approved.pk).state)
        return state, state_of("N1"), CatalogTrial.objects.filter(ended_at__isnull=True).count()

    steps = [start, end]
    if point in ("trial.taken_out", "trial.ended"):
        steps.pop(0)(approved, pair[1])
    before = stands()
    with monkeypatch.context() as patch:
        patch.setattr(trying, "crashpoint", die)
        with pytest.raises(KilledError):
            steps[0](approved, pair[1])
    assert stands() == before
    for step in steps:
        step(approved, pair[1])
    assert stands() == (S.APPROVED, OfferState.PAUSED, 0)


def test_what_only_some_try_counts_as_live_for_nobody_else(
    program: Program, approved: Replacement, pair: tuple[User, User]
) -> None:
    start(approved, pair[1])
    facts = load_catalog(program.pk)
    assert facts["N1"].live
    assert not facts["N1"].for_all
    assert facts["O1"].for_all == facts["O1"].live
    assert Offer.objects.get(external_id="N1").pk in find_order(program.pk, None, TODAY).absent
    lead(approved, *pair, S.CUT_OVER)
    assert load_catalog(program.pk)["N1"].for_all == ((CUT_OVER_AT.date(), None),)


@pytest.mark.parametrize("share", [0, 51, 100])
def test_a_share_that_is_none_or_too_large(approved: Replacement, pair: tuple[User, User], share: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 50"):
        start(approved, pair[1], share=share)
    assert state_of("N1") == OfferState.DRAFT


def test_only_what_is_approved_is_tried_and_only_by_who_may(program: Program, pair: tuple[User, User]) -> None:
    mapped = lead(open_replacement(program, *pair), *pair, S.MAPPED)
    with pytest.raises(DomainError, match="apped"):
        start(mapped, pair[1])
    approved = lead(mapped, *pair, S.APPROVED)
    owner = make_member_of_staff(program, Role.ANALYST, "carl")
    with pytest.raises(NotAllowed):
        start(approved, owner)
    assert not CatalogTrial.objects.exists()
    start(approved, pair[1])
    with pytest.raises(DomainError):
        start(approved, pair[1])
    with pytest.raises(NotAllowed):
        end(approved, owner)


def test_without_a_successor_nothing_is_tried(program: Program, pair: tuple[User, User]) -> None:
    nothing = tuple(Pair(name, None) for name in ("O1", "O2", "O3"))
    approved = lead(open_replacement(program, *pair), *pair, S.APPROVED, mapping=nothing)
    with pytest.raises(InvalidInput, match="nothing to try"):
        start(approved, pair[1])


def test_one_person_alone_waits_a_day_for_the_trial_too(program: Program, pair: tuple[User, User]) -> None:
    spec = ApprovalSpec(default_approvals().approvals, solo_mode=True)
    lower_approvals(program, spec)
    anna = pair[0]
    approved = lead(open_replacement(program, *pair), anna, anna, S.APPROVED)
    assert approved.is_solo
    with pytest.raises(InvalidInput, match="24 hours"):
        start(approved, anna, at=AT + timedelta(hours=23))
    assert start(approved, anna, at=AT + timedelta(hours=24)).state == S.TRIALLING
