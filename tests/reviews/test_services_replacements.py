"""The replacement of a partner: step by step to a cutover, with nobody stranded, and every way back."""

from datetime import timedelta

import pytest

from offers.choices import OfferState
from offers.models import Offer
from offers.selectors import list_ranked
from offers.services import change_offer_state, save_ranking
from partners.choices import PartnerState
from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed
from plum_site.lib.models import Job, Outbox, User
from plum_site.lib.workflow import available
from reviews.choices import ActionState, HolderState, ReplacementState
from reviews.models import CorrectiveAction, Replacement, ReplacementTransition
from reviews.rules.actions import ApprovalSpec, default_approvals
from reviews.rules.replacements import Pair
from reviews.selectors.replacements import check_replacement, list_holdings, list_losses, read_pairs
from reviews.services.actions.kinds import HANDLINGS, UnableToExecute
from reviews.services.actions.people import UnableToDecideAction
from reviews.services.replacements.approving import approve_replacement, schedule_cutover
from reviews.services.replacements.candidates import (
    add_candidate,
    add_prospect,
    choose_candidate,
    compare_replacement,
    go_without,
    refuse_terms,
)
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.ending import (
    complete_replacement,
    roll_back_replacement,
    verify_replacement,
)
from reviews.services.replacements.holders import tell_holders
from reviews.services.replacements.mapping import map_offers, save_mapping
from reviews.services.replacements.opening import UnableToReplace
from reviews.services.replacements.terms import add_contact, add_file, agree_terms, read_file
from reviews.workflow import REPLACEMENT_TRANSITIONS
from tests.factories.actions import AT, carry_out, lower_approvals, propose
from tests.factories.offers import make_offer, make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.replacements import (
    CUT_OVER_AT,
    MAPPING,
    catalog,
    happens,
    lead,
    make_pair,
    make_replaceable_program,
    offer_state,
    open_replacement,
    partner_state,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

S = ReplacementState


@pytest.fixture
def program() -> Program:
    return make_replaceable_program()


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def anna(pair: tuple[User, User]) -> User:
    return pair[0]


@pytest.fixture
def ben(pair: tuple[User, User]) -> User:
    return pair[1]


@pytest.fixture
def opened(program: Program, anna: User, ben: User) -> Replacement:
    return open_replacement(program, anna, ben)


def code_of(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.code


def test_an_approved_action_opens_the_workflow_and_changes_nothing_for_members(program: Program, opened: Replacement) -> None:
    assert (opened.state, partner_state("P1")) == (S.OPENED, PartnerState.REPLACING)
    assert opened.action.state == ActionState.EXECUTING
    assert catalog(program) == ["O1", "O2", "O3", "O4", "O9"]
    assert [task.step for task in opened.tasks.all()] == [
        "compare",
        "choose",
        "agree",
        "map",
        "approve",
        "cut_over",
        "verify",
        "complete",
    ]
    with pytest.raises(UnableToExecute) as refused:
        HANDLINGS["replace_partner"].preview(opened.action, AT)
    assert code_of(refused) == "opened_already"


def test_the_whole_way_to_a_completed_replacement(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    happens(program, ("unlocked", "M1", "O1"), ("unlocked", "M2", "O1"), ("activated", "M2", "O1"), ("unlocked", "M3", "O4"))
    done = lead(opened, anna, ben, S.CUT_OVER)

    assert catalog(program) == ["N1", "N2", "O4", "O9"], "new offers stand where the old ones stood"
    assert (offer_state("O1"), offer_state("O3"), offer_state("N1")) == ("paused", "paused", "published")
    assert done.last_activation_date == (CUT_OVER_AT + timedelta(days=30)).date()
    assert list(done.holders.values_list("offer__external_id", "state")) == [("O1", HolderState.WAITING)]

    assert tell_holders(replacement_id=done.pk, at=CUT_OVER_AT) == 1
    assert tell_holders(replacement_id=done.pk, at=CUT_OVER_AT) == 0, "once"
    assert Outbox.objects.filter(channel="holder_notice").count() == 1

    done = lead(done, anna, ben, S.COMPLETED)
    assert (partner_state("P1"), offer_state("O1")) == (PartnerState.RETIRED, OfferState.RETIRED)
    action = CorrectiveAction.objects.get(pk=done.action_id)
    assert action.executed_at == CUT_OVER_AT
    assert action.state in (ActionState.MEASURING, ActionState.MEASURED)
    happens(program, ("redeemed", "M2", "O1"), at="2026-08-01T10:00:00Z")  # honoured, though the partner is retired


def test_every_check_holds_after_a_cutover_and_says_what_does_not(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    happens(program, ("unlocked", "M1", "O1"))
    done = lead(opened, anna, ben, S.CUT_OVER)
    by_name = {check.name: check for check in check_replacement(done, CUT_OVER_AT)}
    assert [name for name, check in by_name.items() if not check.holds] == ["nobody_stranded"], "not told yet"
    with pytest.raises(UnableToReplace, match="wait to be told"):
        verify_replacement(replacement_id=done.pk, actor=anna, at=CUT_OVER_AT)

    tell_holders(replacement_id=done.pk, at=CUT_OVER_AT)
    happens(program, ("unlocked", "M4", "O2"))  # before the cutover, but it comes late
    [fault] = [check for check in check_replacement(done, CUT_OVER_AT) if not check.holds]
    assert fault.faults == ("1 unlocks of members who were not told",)

    tell_holders(replacement_id=done.pk, at=CUT_OVER_AT)
    assert all(check.holds for check in check_replacement(done, CUT_OVER_AT))

    change_offer_state(offer_id=Offer.objects.get(external_id="N2").pk, name="pause", actor=anna, at=CUT_OVER_AT, comment="!")
    names = {check.name for check in check_replacement(done, CUT_OVER_AT) if not check.holds}
    assert names == {"successors_live", "ranks_continuous", "rollback_intact"}


def test_a_cutover_happens_once_however_often_it_runs(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    done = lead(opened, anna, ben, S.SCHEDULED)
    [job] = Job.objects.filter(name="reviews.cut_over")
    assert job.due_at == CUT_OVER_AT
    for _ in range(2):
        cut_over(**job.arguments, at=CUT_OVER_AT)
    assert ReplacementTransition.objects.filter(replacement=done, name="cut_over").count() == 1
    cut_over(replacement_id=done.pk, revision=1, at=CUT_OVER_AT)
    assert ReplacementTransition.objects.filter(replacement=done, name="cut_over").count() == 1


def test_one_category_goes_and_the_rest_of_the_partner_stays(program: Program, anna: User, ben: User) -> None:
    opened = open_replacement(program, anna, ben, category="wine")
    assert partner_state("P1") == PartnerState.ACTIVE
    done = lead(opened, anna, ben, S.COMPLETED, mapping=[Pair("O3", "N1")], gaps=WINE)
    assert catalog(program) == ["O1", "O2", "N1", "O4", "O9"]
    assert (partner_state("P1"), offer_state("O3"), offer_state("O1")) == ("active", "retired", "published")
    assert done.ended_at == CUT_OVER_AT


WINE = ["\nwine", "business_unit=\nwine", "region=north\nwine", "region=south\nwine"]


def test_one_segment_gets_the_successor_and_everybody_else_keeps_the_partner(program: Program, anna: User, ben: User) -> None:
    north = make_segment(program, "north", "region", ("north",))
    before = catalog(program)
    happens(program, ("unlocked", "M0", "O1"), ("unlocked", "M1", "O1"))
    opened = open_replacement(program, anna, ben, segment="north")
    done = lead(opened, anna, ben, S.COMPLETED)

    assert catalog(program, north.pk) == ["N1", "N2", "O4", "O9"]
    south = [one.offer.external_id for one in list_ranked(program.pk, {"region": "south"}, CUT_OVER_AT.date())]
    assert south == before
    assert (partner_state("P1"), offer_state("O1")) == ("active", "published")
    assert done.holders.count() == 1, "only members of the segment lose it"

    roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT, comment="Back.")
    assert catalog(program, north.pk) == before


def test_one_country_is_the_segment_of_its_members(program: Program, anna: User, ben: User) -> None:
    opened = open_replacement(program, anna, ben, country="FR")
    assert opened.segment is not None
    assert opened.segment.rule == [{"attribute": "country", "operator": "is", "values": ["FR"]}]
    lead(opened, anna, ben, S.CUT_OVER)
    french = [one.offer.external_id for one in list_ranked(program.pk, {"country": "FR"}, CUT_OVER_AT.date())]
    assert french == ["N1", "N2", "O4", "O9"]


def test_a_partner_goes_without_a_successor_once_the_gaps_are_accepted(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    change_offer_state(
        offer_id=Offer.objects.get(external_id="O4").pk, name="pause", actor=anna, at=AT, comment="Only P1 is food."
    )
    lead(opened, anna, ben, S.COMPARED)
    with pytest.raises(InvalidInput, match="food for everyone") as refused:
        go_without(replacement_id=opened.pk, gaps=[], actor=anna, at=AT, comment="Nobody wants it.")
    assert code_of(refused) == "gaps_not_accepted"
    gaps = ["\nfood", "business_unit=\nfood", "region=north\nfood", "region=south\nfood"]
    go_without(replacement_id=opened.pk, gaps=gaps, actor=anna, at=AT, comment="Nobody wants it.")
    opened.refresh_from_db()
    with pytest.raises(UnableToDecideAction):
        approve_replacement(replacement_id=opened.pk, actor=anna, at=AT)
    done = lead(opened, anna, ben, S.COMPLETED)
    assert (catalog(program), partner_state("P1"), done.successor) == (["O9"], PartnerState.RETIRED, None)


def test_the_one_who_mapped_cannot_approve_and_a_new_gap_stops_the_cutover(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    done = lead(opened, anna, ben, S.MAPPED)
    with pytest.raises(UnableToDecideAction) as refused:
        approve_replacement(replacement_id=done.pk, actor=anna, at=AT)
    assert code_of(refused) == "same_person"
    clerk = make_member_of_staff(program, Role.PARTNER_OPS, "carl")
    with pytest.raises(NotAllowed):
        approve_replacement(replacement_id=done.pk, actor=clerk, at=AT)
    done = lead(done, anna, ben, S.SCHEDULED)
    for name in ("N1", "N2"):
        change_offer_state(offer_id=Offer.objects.get(external_id=name).pk, name="retire", actor=anna, at=AT, comment="Gone.")
    cut_over(replacement_id=done.pk, revision=done.revision, at=CUT_OVER_AT)
    done.refresh_from_db()
    assert (done.state, done.approver) == (S.MAPPED, None)
    assert done.failure
    assert catalog(program) == ["O1", "O2", "O3", "O4", "O9"], "nothing was changed"
    assert Outbox.objects.filter(dedup_key__startswith="cutover_failed").count() == 0, "nobody has an address"


def test_refused_terms_lead_back_to_the_candidates_without_the_one_that_refused(
    opened: Replacement, anna: User, ben: User
) -> None:
    lead(opened, anna, ben, S.AGREED)
    refuse_terms(replacement_id=opened.pk, actor=anna, at=AT, comment="Too dear.")
    opened.refresh_from_db()
    assert (opened.state, opened.successor, opened.terms) == (S.COMPARED, None, "")
    with pytest.raises(InvalidInput):
        choose_candidate(replacement_id=opened.pk, partner="P2", actor=anna, at=AT)
    add_candidate(replacement_id=opened.pk, partner="P2", actor=anna, at=AT)  # asked again
    choose_candidate(replacement_id=opened.pk, partner="P2", actor=anna, at=AT)


def test_a_prospect_made_on_the_spot_joins_at_the_cutover(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    lead(opened, anna, ben, S.COMPARED)
    add_prospect(replacement_id=opened.pk, external_id="NEW", name="A new one", actor=anna, at=AT)
    make_offer(program, "X1", OfferState.DRAFT, partner_external_id="NEW")
    compared = compare_replacement(replacement_id=opened.pk, actor=anna, at=AT).comparison
    assert compared is not None
    assert [row["partner"] for row in compared["candidates"]] == ["NEW", "P2", "P3"] or {
        row["partner"] for row in compared["candidates"]
    } == {"NEW", "P2", "P3"}
    mapping = [Pair("O1", "X1"), Pair("O2", None), Pair("O3", None)]
    done = lead(opened, anna, ben, S.CUT_OVER, successor="NEW", mapping=mapping)
    assert (partner_state("NEW"), catalog(program)) == (PartnerState.ACTIVE, ["X1", "O4", "O9"])
    roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT, comment="Back.")
    assert (partner_state("NEW"), catalog(program)) == (PartnerState.PAUSED, ["O1", "O2", "O3", "O4", "O9"])


def test_a_mapping_names_every_old_offer_and_only_offers_of_the_successor(opened: Replacement, anna: User, ben: User) -> None:
    lead(opened, anna, ben, S.AGREED)
    with pytest.raises(InvalidInput) as refused:
        save_mapping(replacement_id=opened.pk, pairs=[Pair("O1", "O9"), Pair("O4", None)], actor=anna, at=AT)
    assert set(refused.value.fields) == {"O1", "O2", "O3", "O4", "O9"} - {"O1"}
    save_mapping(replacement_id=opened.pk, pairs=MAPPING, actor=anna, at=AT)
    opened.refresh_from_db()
    assert read_pairs(opened) == list(MAPPING)
    with pytest.raises(InvalidInput) as stale:
        map_offers(replacement_id=opened.pk, actor=anna, at=AT, replaces=1)
    assert code_of(stale) == "changed_since"


def test_one_replacement_of_the_same_offers_at_a_time(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    action = propose(program, anna, "replace_partner", params={"category": "wine"})
    with pytest.raises(UnableToExecute):
        carry_out(action, ben)


def test_solo_mode_waits_a_day(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    lower_approvals(program, ApprovalSpec(default_approvals().approvals, solo_mode=True))
    done = lead(opened, anna, anna, S.APPROVED)
    assert done.is_solo
    with pytest.raises(InvalidInput) as refused:
        schedule_cutover(replacement_id=done.pk, scheduled_at=AT + timedelta(hours=23), actor=anna, at=AT)
    assert code_of(refused) == "invalid_time"
    schedule_cutover(replacement_id=done.pk, scheduled_at=AT + timedelta(hours=24), actor=anna, at=AT)


def test_the_order_of_every_ranking_goes_over(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    north = make_segment(program, "north", "region", ("north",))
    ids = {offer.external_id: offer.pk for offer in Offer.objects.all()}
    save_ranking(
        program_id=program.pk,
        segment_id=north.pk,
        offer_ids=[ids[name] for name in ("O9", "O2", "O1", "O4")],
        pinned={ids["O1"]: 1},
        actor=anna,
        at=AT,
    )
    before = catalog(program, north.pk)
    assert before == ["O1", "O9", "O2", "O4", "O3"]
    done = lead(opened, anna, ben, S.VERIFIED)
    assert catalog(program, north.pk) == ["N1", "O9", "N2", "O4"]
    roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT, comment="Back.")
    assert catalog(program, north.pk) == before


def test_files_and_contacts_are_kept_as_they_came(opened: Replacement, anna: User) -> None:
    add_contact(replacement_id=opened.pk, partner="P2", kind="call", text="They would.", actor=anna, at=AT)
    row = add_file(replacement_id=opened.pk, name="C:\\terms.pdf", content=b"%PDF", actor=anna, at=AT)
    assert add_file(replacement_id=opened.pk, name="again.pdf", content=b"%PDF", actor=anna, at=AT) == row
    assert (row.name, bytes(read_file(replacement_id=opened.pk, file_id=row.pk, actor=anna, at=AT).content)) == (
        "terms.pdf",
        b"%PDF",
    )
    for name, content in (("terms.exe", b"MZ"), ("empty.pdf", b""), ("large.pdf", bytes(6_000_000))):
        with pytest.raises(InvalidInput):
            add_file(replacement_id=opened.pk, name=name, content=content, actor=anna, at=AT)
    with pytest.raises(InvalidInput):
        add_contact(replacement_id=opened.pk, partner="P2", kind="telegram", text=" ", actor=anna, at=AT)
    with pytest.raises(DomainError):
        agree_terms(replacement_id=opened.pk, terms="Yes.", actor=anna, at=AT)


def test_what_each_segment_loses(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    happens(program, *((kind, f"M{number}", "O1") for number in range(6) for kind in ("unlocked", "activated", "redeemed")))
    losses = {loss.group: loss for loss in list_losses(opened, AT, [Pair(name, None) for name in ("O1", "O2", "O3")])}
    assert (losses[""].before, losses[""].after, losses[""].members, losses[""].redemptions) == (5, 2, 12, 6)
    assert losses["region=north"].redemptions == 3
    assert losses[""].categories == (), "P2 still offers food"


def test_members_who_used_an_offer_hold_nothing(program: Program, opened: Replacement) -> None:
    happens(
        program,
        ("unlocked", "M1", "O1"),
        ("unlocked", "M2", "O1"),
        ("redeemed", "M2", "O1"),
        ("unlocked", "M3", "O9"),
    )
    happens(program, ("unlocked", "M2", "O1"), at="2026-07-02T10:00:00Z")  # unlocked once more
    ids = list(Offer.objects.filter(partner__external_id="P1").values_list("pk", flat=True))
    assert len(list(list_holdings(opened, ids, CUT_OVER_AT, CUT_OVER_AT))) == 2


def test_every_state_says_what_can_be_done(opened: Replacement, anna: User) -> None:
    assert [step.name for step in available(REPLACEMENT_TRANSITIONS, S.OPENED)] == ["compare", "cancel"]
    assert [step.name for step in available(REPLACEMENT_TRANSITIONS, S.COMPLETED)] == ["roll_back"]
    with pytest.raises(DomainError):
        complete_replacement(replacement_id=opened.pk, actor=anna, at=AT)


def test_approvals_of_one_person_let_the_mapper_approve(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    one = dict.fromkeys(default_approvals().approvals, "one")
    lower_approvals(program, ApprovalSpec(one))
    assert lead(opened, anna, anna, S.APPROVED).approver == anna
