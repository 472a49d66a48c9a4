"""A trial is told to the partner that comes, once when it starts and once when it ends, and never to the one that may go."""

from datetime import timedelta
from unittest.mock import patch

import pytest

from offers.models import Offer
from offers.services import change_offer_state
from partners.models import Partner, Program
from partners.services import save_contact
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import Outbox, User
from reviews.choices import ReplacementState, Verdict
from reviews.models import Replacement
from reviews.rules.replacements import say_outcome
from reviews.services.replacements import trying
from reviews.services.replacements.approving import schedule_cutover
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.ending import cancel_replacement, go_back
from reviews.services.replacements.notices import render_trial_notice
from reviews.services.replacements.trying import end_replacement_trial, start_replacement_trial
from tests.factories.actions import AT
from tests.factories.offers import make_segment
from tests.factories.replacements import CUT_OVER_AT, happens, lead, make_pair, make_replaceable_program, open_replacement

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

S = ReplacementState
OLD, NEW = "old@example.org", "new@example.org"
DAYS_LATER = AT + timedelta(days=12)
STARTED, ENDED = "Acme: your offers are on trial", "Acme: the trial of your offers has ended"


@pytest.fixture
def program() -> Program:
    """Both partners can be written to."""
    made = make_replaceable_program(members=60)
    for external_id, email in (("P1", OLD), ("P2", NEW)):
        partner = Partner.objects.get(external_id=external_id)
        save_contact(partner_id=partner.pk, name=f"Contact of {external_id}", email=email, actor="system", at=AT)
    return made


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def approved(program: Program, pair: tuple[User, User]) -> Replacement:
    return lead(open_replacement(program, *pair), *pair, S.APPROVED)


def start(replacement: Replacement, ben: User, share: int = 30) -> Replacement:
    return start_replacement_trial(replacement_id=replacement.pk, share_percent=share, actor=ben, at=AT)


def end(replacement: Replacement, ben: User) -> Replacement:
    return end_replacement_trial(replacement_id=replacement.pk, actor=ben, at=DAYS_LATER)


def told() -> list[tuple[str, str]]:
    """Whom a mail about a trial goes to, and its subject, in the order in which they were put."""
    mails = Outbox.objects.filter(dedup_key__startswith="trial:").order_by("id")
    return [(mail.payload["to"][1], mail.payload["headers"]["Subject"]) for mail in mails]


def text_of_the_newest() -> str:
    return str(Outbox.objects.filter(dedup_key__startswith="trial:").latest("id").payload["text"])


def test_the_partner_that_comes_hears_of_the_start_and_of_the_end(approved: Replacement, pair: tuple[User, User]) -> None:
    start(approved, pair[1])
    assert told() == [(NEW, STARTED)]
    text = text_of_the_newest()
    assert "Hello Contact of P2," in text
    assert "Since 10 July 2026 these offers of Partner P2 are on trial in Acme: 30 % of members, drawn by chance" in text
    assert [f"- {name}" in text for name in ("N1", "N2", "O1", "O4")] == [True, True, False, False]
    assert "Partner P1" not in text

    end(approved, pair[1])

    assert told() == [(NEW, STARTED), (NEW, ENDED)]
    text = text_of_the_newest()
    assert "with 30 % of members since 10 July 2026, ended on 22 July 2026." in text
    assert "- Activations: Too little data to tell." in text
    assert "- Redemptions: Too little data to tell." in text
    assert "Partner P1" not in text
    assert not Outbox.objects.filter(recipient=OLD).exists(), "who may go hears nothing"


def test_another_trial_is_told_anew(approved: Replacement, pair: tuple[User, User]) -> None:
    start(approved, pair[1])
    end(approved, pair[1])
    start(approved, pair[1], share=50)
    assert [subject for _, subject in told()] == [STARTED, ENDED, STARTED]
    assert "50 % of members" in text_of_the_newest()


def test_every_way_in_which_it_ends_without_a_cutover_is_told(
    program: Program, approved: Replacement, pair: tuple[User, User]
) -> None:
    start(approved, pair[1])
    back = go_back(replacement_id=approved.pk, name="back_to_mapping", actor=pair[0], at=DAYS_LATER, comment="Other offers.")
    assert told() == [(NEW, STARTED), (NEW, ENDED)]
    again = lead(back, *pair, S.APPROVED)
    start(again, pair[1])
    cancel_replacement(replacement_id=again.pk, actor=pair[0], at=DAYS_LATER, comment="P1 stays.")
    assert told() == [(NEW, STARTED), (NEW, ENDED)] * 2


def test_a_cutover_that_fails_ends_it_too(approved: Replacement, pair: tuple[User, User]) -> None:
    start(approved, pair[1])
    waiting = schedule_cutover(replacement_id=approved.pk, scheduled_at=CUT_OVER_AT, actor=pair[1], at=AT)
    for name in ("pause", "retire"):
        offer = Offer.objects.get(external_id="N1")
        change_offer_state(offer_id=offer.pk, name=name, actor="system", at=AT, comment="A fault in it.")
    cut_over(replacement_id=approved.pk, revision=waiting.revision, at=CUT_OVER_AT)
    assert told() == [(NEW, STARTED), (NEW, ENDED)]
    assert "- Nothing: it was too short, or cannot be compared." in text_of_the_newest(), "no whole day"


def test_a_cutover_is_told_by_its_own_mails(approved: Replacement, pair: tuple[User, User]) -> None:
    start(approved, pair[1])
    lead(approved, *pair, S.CUT_OVER)
    assert told() == [(NEW, STARTED)]
    subjects = {mail.payload["headers"]["Subject"] for mail in Outbox.objects.filter(dedup_key__startswith="replacement:")}
    assert "Acme: your offers are live" in subjects


def test_what_was_found_is_said_without_figures(program: Program, approved: Replacement, pair: tuple[User, User]) -> None:
    trying_one = start(approved, pair[1])
    happens(program, *((kind, "M1", "O1") for kind in ("unlocked", "activated")))
    words = render_trial_notice(trying_one, "Ann", DAYS_LATER, {"activations": Verdict.WORKED, "redemptions": Verdict.HARMED})
    for part in ("text", "html"):
        assert "Activations: The new offers do better." in words[part]
        assert "Redemptions: The new offers do worse." in words[part]
    assert [say_outcome(verdict) for verdict in (Verdict.NO_EVIDENCE, Verdict.CANNOT_TELL)] == [
        "No difference is seen.",
        "Too little data to tell.",
    ]


def test_a_segment_is_named(program: Program, pair: tuple[User, User]) -> None:
    make_segment(program, "north", "region", ("north",))
    start(lead(open_replacement(program, *pair, segment="north"), *pair, S.APPROVED), pair[1])
    assert "30 % of members (North), drawn by chance" in text_of_the_newest()


def test_what_cannot_be_compared_keeps_nobody_from_ending_it(approved: Replacement, pair: tuple[User, User]) -> None:
    start(approved, pair[1])
    with patch.object(trying, "compare_arms", side_effect=InvalidInput("period_too_long", "Too long.")):
        assert end(approved, pair[1]).state == S.APPROVED
    assert "- Nothing: it was too short, or cannot be compared." in text_of_the_newest()


def test_a_start_that_is_refused_is_told_to_nobody(approved: Replacement, pair: tuple[User, User]) -> None:
    with pytest.raises(DomainError):
        start(approved, pair[1], share=99)
    assert told() == []


def test_without_a_contact_nobody_is_written_to(approved: Replacement, pair: tuple[User, User]) -> None:
    Partner.objects.get(external_id="P2").contacts.all().delete()
    start(approved, pair[1])
    end(approved, pair[1])
    assert told() == []
