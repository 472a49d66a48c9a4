"""The replacement workbench: the whole way through its pages by two people, where it is found, and who may what."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from offers.choices import OfferState
from offers.models import Offer
from partners.choices import PartnerState
from partners.models import Partner, Program
from partners.services import save_contact
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.models import Outbox, User
from reviews.choices import ReplacementState
from reviews.models import CorrectiveAction, Replacement
from reviews.rules.replacements import Pair
from reviews.selectors.replacements import list_replacements_waiting_for, read_pairs
from reviews.services.actions import approve_action, execute_action
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.holders import tell_holders
from reviews.services.replacements.planning import plan_step
from reviews.services.replacements.terms import add_file
from tests.factories.actions import AT
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.replacements import happens, lead, make_pair, make_replaceable_program, open_replacement
from tests.support.pages import list_inline, sign_in, text_of
from tests.support.replacement_pages import page_of, state_of, step, take

pytestmark = pytest.mark.slow
LIST = "admin:reviews_replacement_changelist"
S = ReplacementState


@pytest.fixture
def program(db: None) -> Program:
    return make_replaceable_program()


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def replacement(program: Program, pair: tuple[User, User]) -> Replacement:
    return open_replacement(program, *pair)


@pytest.fixture
def anna(pair: tuple[User, User]) -> Client:
    return sign_in(pair[0])


@pytest.fixture
def ben(pair: tuple[User, User]) -> Client:
    return sign_in(pair[1])


def test_the_whole_way_through_the_pages_by_two_people(
    program: Program, pair: tuple[User, User], anna: Client, ben: Client
) -> None:
    happens(program, ("unlocked", "M0", "O1"), ("unlocked", "M1", "O1"), ("unlocked", "M2", "O2"))
    partner = Partner.objects.get(program=program, external_id="P1")
    save_contact(partner_id=partner.pk, name="Paula", email="paula@example.org", role="account", actor="system", at=AT)
    sent = {"kind": "replace_partner", "partner": partner.pk, "category": "", "country": "", "segment": "", "do": "save"}
    proposed = anna.post(reverse("admin:reviews_correctiveaction_save_new"), {**sent, "reason": "Three bad months."}, follow=True)
    assert "Replace Partner P1" in text_of(proposed)
    action = CorrectiveAction.objects.get()
    approve_action(action_id=action.pk, actor=pair[1], at=now())
    action.refresh_from_db()
    execute_action(action_id=action.pk, revision=action.revision, at=now())
    replacement = Replacement.objects.get()
    assert "Replacement of Partner P1" in text_of(anna.get(reverse("admin:reviews_correctiveaction_change", args=[action.pk])))

    said = text_of(anna.get(page_of(replacement)))
    for words in ("Replace Partner P1: all its offers, for everyone", "Name candidates", "Three bad months.", "not compared yet"):
        assert words in said, words
    assert "M0" not in said
    [candidates, *_] = anna.get(page_of(replacement)).context["tables"]
    assert {len(row) for row in candidates.rows} == {len(candidates.headers)}
    anna.post(step(replacement, "prospect", "save"), {"name": "Newcomer", "external_id": "P7", "category": "", "country": "FR"})
    anna.post(step(replacement, "candidate", "save"), {"partner": "P9"})
    assert Partner.objects.get(program=program, external_id="P7").state == PartnerState.PROSPECT
    said = take(anna, replacement, "compare")
    for name in ("Partner P2", "Newcomer", "Partner P9", "Activation rate"):
        assert name in said, name
    assert "for everyone, by Partner P2." in take(anna, replacement, "choose", partner="P2")
    said = take(anna, replacement, "agree", terms="As P1 had them.", last_activation_days=21)
    assert "As P1 had them." in said
    assert "21 after the cutover" in said

    asked = text_of(anna.get(step(replacement, "mapping", "write")))
    assert "goes live at the cutover" in asked
    assert "Go live beside: O4" not in asked, "what is live already goes live no more"
    mapping = {"follows_0": "N1", "follows_1": "O4", "follows_2": "-", "beside": ["N1", "N2"], "replaces": replacement.revision}
    said = text_of(anna.post(step(replacement, "mapping", "save"), mapping, follow=True))
    assert "nothing follows" in said
    assert "goes live at the cutover" in said
    assert read_pairs(replacement) == [Pair("O1", "N1"), Pair("O2", "O4"), Pair("O3", None), Pair(None, "N2")]
    assert "nothing has to be accepted" in text_of(anna.get(step(replacement, "map", "do")))
    take(anna, replacement, "map")
    assert replacement.state == S.MAPPED
    assert "Approve…" not in text_of(anna.get(page_of(replacement)))

    asked = text_of(ben.get(step(replacement, "approve", "do")))
    for words in (
        "Which offer follows which",
        "What is lost",
        "Have unlocked one",
        "As P1 had them.",
        "take no new unlocks",
        "Paula",
    ):
        assert words in asked, words
    assert "Partner P2 has no contact written down" in asked
    assert "Say when the cutover is." in take(ben, replacement, "approve")
    when = timezone.localtime(now(), ZoneInfo(program.time_zone)) + timedelta(days=2)
    take(ben, replacement, "schedule", scheduled_at=f"{when:%Y-%m-%dT%H:%M}", tells_partners="on")
    assert replacement.state == S.SCHEDULED
    assert replacement.scheduled_at is not None
    assert Outbox.objects.filter(recipient__contains="paula").count() == 1

    at = replacement.scheduled_at
    cut_over(replacement_id=replacement.pk, revision=replacement.revision, at=at)
    said = text_of(anna.get(page_of(replacement)))
    assert "members who wait to be told" in said
    assert "does not hold" in said
    assert "It does not hold yet" in take(anna, replacement, "verify")
    assert replacement.state == S.CUT_OVER
    tell_holders(replacement_id=replacement.pk, at=at)
    assert "Everything holds." in take(anna, replacement, "verify")
    assert "Complete…" in text_of(ben.get(page_of(replacement)))
    take(ben, replacement, "complete")
    assert replacement.state == S.COMPLETED
    assert Offer.objects.get(external_id="N1").state == OfferState.PUBLISHED
    said = text_of(anna.get(page_of(replacement)))
    assert "It can be rolled back until" in said
    assert "What held when it was verified" in said
    for words in ("Opened", "Compare the candidates", "Offers are mapped", "Schedule the cutover", "Cut over", "Complete"):
        assert words in said.partition("What happened")[2], words
    assert not list_inline(anna.get(page_of(replacement)).content.decode())


def test_the_list_says_how_one_begins_and_what_is_overdue(program: Program, pair: tuple[User, User], anna: Client) -> None:
    said = text_of(anna.get(reverse(LIST)))
    assert "No partner is being replaced." in said
    assert "Propose a replacement" in said
    replacement = open_replacement(program, *pair)  # its days are past
    said = text_of(anna.get(reverse(LIST)))
    assert "Replace Partner P1: all its offers, for everyone" in said
    assert "Compare the candidates" in said
    assert "overdue" in said
    for shown in ({"due": "overdue"}, {"due": "due"}, {"state": "opened"}, {"state": "all"}, {"whose": "nobody"}):
        assert "Replace Partner P1" in text_of(anna.get(reverse(LIST), shown)), shown
    for hidden in ({"state": "completed"}, {"whose": "me"}, {"whose": "you"}):
        assert "Nothing fits" in text_of(anna.get(reverse(LIST), hidden)), hidden
    plan_step(
        replacement_id=replacement.pk,
        step="compare",
        owner=pair[0],
        due_date=now().date() + timedelta(days=9),
        actor=pair[1],
        at=AT,
    )
    assert "overdue" not in text_of(anna.get(reverse(LIST)))
    assert "Nothing fits" in text_of(anna.get(reverse(LIST), {"due": "due"}))
    assert "Replace Partner P1" in text_of(anna.get(reverse(LIST), {"whose": "you"}))


def test_home_and_the_list_say_whose_step_it_is(program: Program, pair: tuple[User, User], anna: Client, ben: Client) -> None:
    replacement = open_replacement(program, *pair, owner=pair[0])
    assert "1 replacement waits for your step" in text_of(anna.get(reverse("admin:index")))
    assert "for your step" not in text_of(ben.get(reverse("admin:index")))
    lead(replacement, *pair, S.MAPPED)  # by anna: she cannot approve it
    assert "for your step" not in text_of(anna.get(reverse("admin:index")))
    assert "1 replacement waits for your step" in text_of(ben.get(reverse("admin:index")))
    assert "Replace Partner P1" in text_of(ben.get(reverse(LIST), {"whose": "you"}))
    lead(replacement, *pair, S.SCHEDULED)  # its time is near: nobody has to do anything
    for person in pair:
        assert not list_replacements_waiting_for(program.pk, person.pk, may_approve=True).exists()
    assert "cutover" in text_of(anna.get(reverse(LIST)))
    lead(replacement, *pair, S.CUT_OVER)
    assert list_replacements_waiting_for(program.pk, pair[0].pk, may_approve=True).get() == replacement


def test_partners_and_actions_lead_to_it(program: Program, pair: tuple[User, User], anna: Client) -> None:
    pages = [
        reverse("admin:partners_partner_change", args=[Partner.objects.get(program=program, external_id=name).pk])
        for name in ("P1", "P2")
    ]
    assert "is replaced" not in text_of(anna.get(pages[0]))
    replacement = lead(open_replacement(program, *pair), *pair, S.CHOSEN)
    assert "is replaced" in text_of(anna.get(pages[0]))
    assert "takes the place" in text_of(anna.get(pages[1]))
    board = anna.get(reverse("admin:reviews_correctiveaction_changelist")).content.decode()
    assert reverse(LIST) in board
    action = anna.get(reverse("admin:reviews_correctiveaction_change", args=[replacement.action_id])).content.decode()
    assert page_of(replacement) in action


def test_proposing_offers_the_categories_of_the_partner(program: Program, anna: Client) -> None:
    partner = Partner.objects.get(program=program, external_id="P1")
    url = reverse("admin:reviews_correctiveaction_propose")
    chosen = anna.get(url, {"kind": "replace_partner"}).content.decode()
    assert 'name="kind" value="replace_partner"' in chosen
    said = text_of(anna.get(url, {"partner": partner.pk, "kind": "replace_partner"}))
    assert "The whole partner: all its offers" in said
    assert "Only its offers of wine" in said
    sent = {"kind": "replace_partner", "partner": partner.pk, "category": "wine", "country": "", "segment": "", "do": "look"}
    said = text_of(anna.post(reverse("admin:reviews_correctiveaction_save_new"), sent))
    assert "O3 Published replaced, at the cutover" in said
    assert "O1 Published" not in said
    assert "It needs two different people" in said


def test_who_only_reads_is_offered_nothing(program: Program, pair: tuple[User, User], replacement: Replacement) -> None:
    arno = sign_in(make_member_of_staff(program, Role.ANALYST, "arno"))
    said = text_of(arno.get(page_of(replacement)))
    assert "Replace Partner P1" in said
    for nothing in ("Compare the candidates…", "Add a candidate…", "Plan…", "Write down a contact…", "Call it off…"):
        assert nothing not in said, nothing
    for name in ("compare", "cancel", "approve"):
        assert arno.get(step(replacement, name, "do")).status_code == 403
        assert arno.post(step(replacement, name), {"comment": "No."}).status_code == 403
    assert arno.post(step(replacement, "candidate", "save"), {"partner": "P9"}).status_code == 403
    otis = sign_in(make_member_of_staff(program, Role.PARTNER_OPS, "otis"))
    lead(replacement, *pair, S.MAPPED)
    assert "Approve…" not in text_of(otis.get(page_of(replacement)))
    assert otis.post(step(replacement, "approve"), {"replaces": replacement.revision}).status_code == 403
    assert state_of(replacement) == S.MAPPED


def test_a_replacement_of_another_program_is_an_unknown_one(program: Program, pair: tuple[User, User]) -> None:
    replacement = lead(open_replacement(program, *pair), *pair, S.COMPARED)
    file = add_file(replacement_id=replacement.pk, name="a.pdf", content=b"x", actor=pair[0], at=AT)
    stranger = sign_in(make_member_of_staff(make_program("else"), Role.PROGRAM_ADMIN, "eve"))
    pages = [page_of(replacement), step(replacement, "cancel", "do"), step(replacement, "contact", "write")]
    pages += [reverse(f"admin:reviews_replacement_{name}", args=[replacement.pk]) for name in ("candidates", "losses", "holders")]
    pages.append(reverse("admin:reviews_replacement_file", args=[replacement.pk, file.pk]))
    for url in pages:
        assert stranger.get(url).status_code == 404, url
    for url in (step(replacement, "cancel"), step(replacement, "contact", "save")):
        assert stranger.post(url, {"comment": "No.", "partner": "P1", "kind": "call", "text": "x"}).status_code == 404, url
    assert state_of(replacement) == S.COMPARED
    assert "No partner is being replaced." in text_of(stranger.get(reverse(LIST)))


def test_a_trial_is_started_looked_at_and_ended_on_its_pages(
    replacement: Replacement, pair: tuple[User, User], anna: Client, ben: Client
) -> None:
    lead(replacement, *pair, S.APPROVED)
    asked = ben.get(step(replacement, "start_trial", "do")).content.decode()
    assert "Share of members in percent" in asked
    revision = Replacement.objects.get(pk=replacement.pk).revision
    refused = ben.post(step(replacement, "start_trial"), {"share_percent": "51", "comment": "", "replaces": revision})
    assert "less than or equal to 50" in refused.content.decode()
    ben.post(step(replacement, "start_trial"), {"share_percent": "20", "comment": "", "replaces": revision})
    assert state_of(replacement) == S.TRIALLING
    shown = text_of(anna.get(page_of(replacement)))
    assert "20 % of members see the new offers already" in shown
    assert "The trial has no whole day yet" in shown
    ben.post(step(replacement, "end_trial"), {"comment": ""})
    assert state_of(replacement) == S.APPROVED
