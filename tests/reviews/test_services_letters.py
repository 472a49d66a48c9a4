"""Letters to partners: once to each contact, with a link that shows the partner's own card and nothing else, until it ends."""

from datetime import datetime, timedelta

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from partners.models import Contact, Program
from partners.services import save_contact
from plum_site.lib import clock
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.models import AuditEvent, Outbox, User
from reviews.choices import ActionKind, RuleTarget
from reviews.models import ActionNote, CorrectiveAction, Flag, PartnerAnswer, PartnerLink, Scorecard
from reviews.pages.partner_card import say_why
from reviews.services import consolidate_cycle
from reviews.services.actions import (
    HANDLINGS,
    UnableToDecideAction,
    UnableToExecute,
    answer_letter,
    approve_action,
    letter_url,
    propose_action,
    read_letter_token,
    renew_letter,
    revert_action,
    withdraw_letter,
)
from reviews.services.actions.letters import LONGEST_ANSWER, MOST_ANSWERS, SALT
from tests.factories.actions import AT, carry_out, make_correctable_program, propose
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import IN_JULY, JUNE, make_reviewable_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


LETTER = {"subject": "Your offers in June", "text": "Members activate <b>less</b>.\n\nWhat happened?"}


@pytest.fixture
def program() -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The instant at which pages are opened, a day after the letter."""
    monkeypatch.setattr("plum_site.console.partner_card.now", lambda: AT + timedelta(days=1))
    return AT + timedelta(days=1)


def add_contact(program: Program, email: str, role: str = "account", partner: str = "P1") -> Contact:
    found = program.partners.get(external_id=partner)
    return save_contact(
        partner_id=found.pk, name=email.partition("@")[0].title(), email=email, role=role, language="en", actor="system", at=AT
    )


def write(program: Program, anna: User) -> CorrectiveAction:
    """A letter to partner P1, carried out."""
    return carry_out(propose(program, anna, ActionKind.CONTACT_PARTNER, params=LETTER), anna)


def the_token(link: PartnerLink) -> str:
    return letter_url(link=link).rstrip("/").rpartition("/")[2]


def mails() -> list[Outbox]:
    return list(Outbox.objects.filter(dedup_key__regex="^(letter|answer):").order_by("id"))


def test_account_managers_are_written_to_before_all_others(program: Program, anna: User) -> None:
    for email, role in (("law@p1.example", "legal"), ("ann@p1.example", "account"), ("bob@p1.example", "account")):
        add_contact(program, email, role)
    action = write(program, anna)

    assert action.executed_at == AT
    assert [mail.recipient for mail in mails()] == ["ann@p1.example", "bob@p1.example"]
    [first, _] = mails()
    link = PartnerLink.objects.get(contact__email="ann@p1.example")
    assert letter_url(link=link) in first.payload["text"]
    assert "works until 24 July 2026" in first.payload["text"]
    assert "&lt;b&gt;less&lt;/b&gt;" in first.payload["html"]
    assert action.after == {"letters": list(PartnerLink.objects.order_by("contact__name").values_list("pk", flat=True))}
    told = " ".join(str(row) for row in AuditEvent.objects.values_list("before", "after", "comment"))
    assert "p1.example" not in told


def test_where_there_is_no_account_manager_everybody_is_written_to(program: Program, anna: User) -> None:
    add_contact(program, "law@p1.example", "legal")
    add_contact(program, "pay@p1.example", "finance")
    write(program, anna)

    assert {mail.recipient for mail in mails()} == {"law@p1.example", "pay@p1.example"}


def test_a_partner_without_contacts_cannot_be_written_to(program: Program, anna: User) -> None:
    add_contact(program, "else@p2.example", partner="P2")
    action = propose(program, anna, ActionKind.CONTACT_PARTNER, params=LETTER)

    with pytest.raises(UnableToExecute, match="has no contact"):
        approve_action(action_id=action.pk, actor=anna, at=AT)
    assert mails() == []


def test_the_preview_shows_who_reads_what(program: Program, anna: User) -> None:
    add_contact(program, "ann@p1.example")
    shown = HANDLINGS[ActionKind.CONTACT_PARTNER].preview(propose(program, anna, ActionKind.CONTACT_PARTNER, params=LETTER), AT)

    assert [(change.what, change.after) for change in shown.changes] == [("Ann <ann@p1.example>", "Your offers in June")]
    assert shown.notes[0] == LETTER["text"]


def test_what_went_out_is_not_taken_back(program: Program, anna: User) -> None:
    add_contact(program, "ann@p1.example")
    action = write(program, anna)

    with pytest.raises(UnableToDecideAction, match="cannot be taken back"):
        revert_action(action_id=action.pk, actor=anna, at=AT, comment="No.")


def test_the_page_shows_the_letter_and_takes_an_answer(program: Program, anna: User, at: datetime) -> None:
    """A GET changes nothing; an answer, also one that is sent twice, is one note of the action, and the owner is told."""
    otis = make_member_of_staff(program, Role.PARTNER_OPS, "otis")
    User.objects.filter(pk=otis.pk).update(email="otis@example.org")
    program.partners.update(owner=otis)
    add_contact(program, "ann@p1.example")
    action = write(program, anna)
    path = reverse("partner_card", args=[the_token(PartnerLink.objects.get())])
    client = Client(enforce_csrf_checks=True)

    shown = client.get(path)
    assert shown.status_code == 200
    assert (shown.headers["X-Robots-Tag"], shown.headers["Referrer-Policy"]) == ("noindex, nofollow", "no-referrer")
    assert "no-store" in shown.headers["Cache-Control"]
    page = shown.content.decode()
    assert "Your offers in June" in page
    assert "&lt;b&gt;less" in page
    assert "was not reviewed yet" in page
    assert not PartnerAnswer.objects.exists()

    for _ in range(2):
        answer = client.post(path, {"text": "Our till was broken.\r\nIt works again. <script>"})
        assert answer.status_code == 302
    page = client.get(answer.headers["Location"]).content.decode()
    assert "Your answer was sent" in page
    assert "&lt;script&gt;" in page

    [kept] = PartnerAnswer.objects.all()
    [note] = ActionNote.objects.filter(action=action)
    assert (kept.note, note.text, note.made_by) == (note, "Our till was broken.\nIt works again. <script>", "partner P1")
    [_, told] = mails()
    assert (told.recipient, told.payload["headers"]["Subject"]) == ("otis@example.org", "Acme: Partner P1 answered")
    assert "Our till was broken." in told.payload["text"]
    assert AuditEvent.objects.filter(action="reviews.answer_letter", actor="partner P1").count() == 1


@pytest.mark.parametrize("text", ["", "   ", "x" * (LONGEST_ANSWER + 1), "a\0b"])
def test_an_answer_is_words_of_some_length(program: Program, anna: User, at: datetime, text: str) -> None:
    add_contact(program, "ann@p1.example")
    write(program, anna)

    answer = Client().post(reverse("partner_card", args=[the_token(PartnerLink.objects.get())]), {"text": text})

    assert answer.status_code == 200
    assert "at most 4,000 characters" in answer.content.decode()
    assert not ActionNote.objects.exists()


def test_a_link_takes_so_many_answers_and_no_more(program: Program, anna: User) -> None:
    add_contact(program, "ann@p1.example")
    write(program, anna)
    token = the_token(PartnerLink.objects.get())
    for number in range(MOST_ANSWERS):
        answer_letter(token=token, text=f"Answer {number}", at=AT)

    with pytest.raises(InvalidInput, match="20 answers came"):
        answer_letter(token=token, text="One more", at=AT)
    assert PartnerAnswer.objects.count() == MOST_ANSWERS


def test_a_link_ends_after_two_weeks(program: Program, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    add_contact(program, "ann@p1.example")
    write(program, anna)
    token, ends = the_token(PartnerLink.objects.get()), AT + timedelta(days=14)
    read_letter_token(token=token, at=ends - timedelta(microseconds=1))
    monkeypatch.setattr("plum_site.console.partner_card.now", lambda: ends)

    for answer in (Client().get(f"/mail/partner/{token}/"), Client().post(f"/mail/partner/{token}/", {"text": "Late"})):
        assert answer.status_code == 404
        assert "This link worked until 24 July 2026. Ask whoever runs Acme for a new one." in answer.content.decode()
        assert "Your offers" not in answer.content.decode()
    assert not ActionNote.objects.exists()


def test_a_forged_link_opens_nothing(program: Program, anna: User, at: datetime) -> None:
    """Not the link of another purpose, nor another row, nor another version under an old signature, nor a cut one."""
    add_contact(program, "ann@p1.example")
    write(program, anna)
    link = PartnerLink.objects.get()
    token = the_token(link)
    _, _, signature = token.partition(":")
    other_row = signing.dumps([link.pk + 1, 1], salt=SALT).partition(":")[0]
    forged = [
        signing.dumps([link.pk, 1], salt="reviews.unsubscribe"),
        f"{other_row}:{signature}",
        signing.dumps([link.pk + 1, 1], salt=SALT),
        signing.dumps([link.pk], salt=SALT),
        token[:-1],
        "x",
    ]
    for wrong in forged:
        with pytest.raises(NotAllowed) as refusal:
            read_letter_token(token=wrong, at=at)
        assert refusal.value.code == "link_invalid"
        assert Client().get(f"/mail/partner/{wrong}/").status_code == 404


def test_renewing_voids_the_link_before_and_withdrawing_every_one(program: Program, anna: User) -> None:
    add_contact(program, "ann@p1.example")
    write(program, anna)
    link = PartnerLink.objects.get()
    first = the_token(link)

    later = AT + timedelta(days=20)
    renewed = renew_letter(link_id=link.pk, actor=anna, at=later)
    second = the_token(renewed)
    assert renewed.expires_at == later + timedelta(days=14)
    assert second in mails()[1].payload["text"]
    read_letter_token(token=second, at=later)
    with pytest.raises(NotAllowed, match="withdrawn or replaced"):
        read_letter_token(token=first, at=later)

    withdraw_letter(link_id=link.pk, actor=anna, at=later)
    with pytest.raises(NotAllowed, match="withdrawn or replaced"):
        read_letter_token(token=second, at=later)
    with pytest.raises(DomainError, match="does not work any more"):
        withdraw_letter(link_id=link.pk, actor=anna, at=later)
    assert AuditEvent.objects.filter(action="reviews.renew_letter", actor=f"user:{anna.pk}").count() == 1
    assert AuditEvent.objects.filter(action="reviews.withdraw_letter").count() == 1
    with pytest.raises(NotFound):
        renew_letter(link_id=4711, actor=anna, at=later)


def test_a_contact_that_left_gets_nothing_more(program: Program, anna: User) -> None:
    contact = add_contact(program, "ann@p1.example")
    write(program, anna)
    contact.delete()

    with pytest.raises(DomainError, match="was deleted"):
        renew_letter(link_id=PartnerLink.objects.get().pk, actor=anna, at=AT)
    assert len(mails()) == 1


def test_the_console_lists_letters_and_withdraws_them(program: Program, anna: User, client: Client) -> None:
    add_contact(program, "ann@p1.example")
    action = write(program, anna)
    link = PartnerLink.objects.get()
    PartnerLink.objects.update(expires_at=clock.now() + timedelta(days=1))
    answer_letter(token=the_token(link), text="We fix it.", at=AT)
    client.force_login(anna)

    assert "Letter to Ann" in client.get(reverse("admin:reviews_partnerlink_changelist")).content.decode()
    page = client.get(reverse("admin:reviews_partnerlink_change", args=[link.pk])).content.decode()
    assert "We fix it." in page
    assert "Withdraw the link" in page
    assert "We fix it." in client.get(reverse("admin:partners_partner_change", args=[action.partner_id])).content.decode()

    page = client.post(reverse("admin:reviews_partnerlink_withdraw", args=[link.pk]), follow=True).content.decode()
    assert "no longer opens the card" in page
    page = client.post(reverse("admin:reviews_partnerlink_renew", args=[link.pk]), follow=True).content.decode()
    assert "Sent again" in page


class TestCard:
    """What of a review a partner is shown."""

    @pytest.fixture
    def link(self) -> PartnerLink:
        program = make_reviewable_program("P1", "P2")
        make_partner(program, "P1")
        anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
        consolidate_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY, by_hand=True)
        add_contact(program, "ann@p1.example")
        partner = program.partners.get(external_id="P1")
        action = propose_action(partner_id=partner.pk, kind=ActionKind.CONTACT_PARTNER, params=LETTER, actor=anna, at=AT)
        carry_out(action, anna)
        return PartnerLink.objects.get()

    def test_its_own_figures_and_nobody_elses(self, link: PartnerLink, at: datetime) -> None:
        page = Client().get(f"/mail/partner/{the_token(link)}/").content.decode()

        assert "Partner P1 in June 2026" in " ".join(page.split())
        assert "Month before" in page
        assert "P2" not in page
        assert "/console/" not in page.replace('href="/console/jsi18n/"', "")

    def test_what_is_about_groups_of_members_is_left_out(self, link: PartnerLink, at: datetime) -> None:
        card = Scorecard.objects.get(partner=link.action.partner)
        flag = {"evidence": {}, "metric": "activation_rate", "observed": "0.1", "threshold": "0.4", "opened_at": AT}
        version = link.action.program.rules.first().versions.first()
        Flag.objects.create(
            scorecard=card, rule_version=version, target=RuleTarget.PARTNER_SEGMENT, target_key="region=north", **flag
        )
        Flag.objects.create(scorecard=card, rule_version=version, target=RuleTarget.OFFER, target_key="O1", **flag)
        carrier = {"target": "partner_segment", "key": "region=north", "share": 0.6}
        told = {"cause": "relevance", "sentence": "Most of it in region north (60 %).", "evidence": [], "carriers": [carrier]}
        Scorecard.objects.filter(pk=card.pk).update(diagnosis=told)

        page = Client().get(f"/mail/partner/{the_token(link)}/").content.decode()

        assert "north" not in page
        assert "O1" in page
        assert "single groups of members" in page
        assert "Members see the offers and do not want them." in page

    def test_a_sentence_about_offers_is_told_whole(self) -> None:
        carrier = {"target": "offer", "key": "O1", "share": 0.6}
        told = {"cause": "relevance", "sentence": "Most of it by O1.", "evidence": [], "carriers": [carrier]}

        assert say_why(Scorecard(diagnosis=told)) == "Most of it by O1."
        assert say_why(Scorecard(diagnosis=None)) == ""
