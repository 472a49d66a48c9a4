"""The replacement workbench: the whole way through its pages by two people, what it refuses, and what it never shows."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from offers.choices import OfferState
from offers.models import Offer
from partners.choices import PartnerState
from partners.models import Partner, Program
from partners.services import save_contact
from plum_site.lib.clock import now
from plum_site.lib.models import Outbox, User
from reviews.choices import ReplacementState
from reviews.models import CorrectiveAction, Replacement
from reviews.rules.replacements import Pair
from reviews.selectors.replacements import read_pairs
from reviews.services.actions import approve_action, execute_action
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.holders import tell_holders
from tests.factories.actions import AT
from tests.factories.replacements import happens, make_pair, make_replaceable_program, open_replacement
from tests.support.pages import list_inline, sign_in, text_of

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


def page_of(replacement: Replacement) -> str:
    return reverse("admin:reviews_replacement_change", args=[replacement.pk])


def step(replacement: Replacement, name: str, part: str = "done") -> str:
    return reverse(f"admin:reviews_replacement_{part}", args=[replacement.pk, name])


def state_of(replacement: Replacement) -> str:
    replacement.refresh_from_db()
    return replacement.state


def take(client: Client, replacement: Replacement, name: str, **fields: object) -> str:
    """Look at the page of a step, take it, and what the page afterwards says."""
    asked = client.get(step(replacement, name, "do"))
    assert asked.status_code == 200, text_of(asked)
    assert not list_inline(asked.content.decode())
    replacement.refresh_from_db()
    answer = client.post(step(replacement, name), {"replaces": replacement.revision, "comment": "", **fields}, follow=True)
    replacement.refresh_from_db()
    return text_of(answer)


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
    anna.post(step(replacement, "prospect", "save"), {"name": "Newcomer", "external_id": "P7", "category": "", "country": "FR"})
    anna.post(step(replacement, "candidate", "save"), {"partner": "P9"})
    assert Partner.objects.get(program=program, external_id="P7").state == PartnerState.PROSPECT
    said = take(anna, replacement, "compare")
    for name in ("Partner P2", "Newcomer", "Partner P9", "Activation rate"):
        assert name in said, name
    assert "Partner P2 chosen" in take(anna, replacement, "choose", partner="P2")
    said = take(anna, replacement, "agree", terms="As P1 had them.", last_activation_days=21)
    assert "As P1 had them." in said
    assert "21 after the cutover" in said

    asked = text_of(anna.get(step(replacement, "mapping", "write")))
    assert "goes live at the cutover" in asked
    mapping = {"follows_0": "N1", "follows_1": "N2", "follows_2": "-", "beside": ["O4"], "replaces": replacement.revision}
    said = text_of(anna.post(step(replacement, "mapping", "save"), mapping, follow=True))
    assert "nothing follows" in said
    assert "goes live at the cutover" in said
    assert read_pairs(replacement) == [Pair("O1", "N1"), Pair("O2", "N2"), Pair("O3", None), Pair(None, "O4")]
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
    when = timezone.localtime(now(), timezone.get_fixed_timezone(0)) + timedelta(days=2)
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
    assert not list_inline(anna.get(page_of(replacement)).content.decode())
