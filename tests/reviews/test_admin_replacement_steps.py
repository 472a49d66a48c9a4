"""The steps of a replacement in the console: what each shows, asks for and refuses, and what is kept and handed out."""

import csv
import io
from datetime import timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from offers.choices import OfferState
from offers.models import Offer
from partners.models import Partner, Program
from partners.services import save_contact, save_contract_terms
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.models import AuditEvent, Outbox, User
from reviews.choices import ReplacementState, ReplacementStep
from reviews.models import Replacement, ReplacementContact, ReplacementFile, ReplacementTask
from reviews.services.replacements.terms import add_file
from tests.factories.actions import AT
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.replacements import happens, lead, make_pair, make_replaceable_program, open_replacement
from tests.support.pages import sign_in, text_of
from tests.support.replacement_pages import page_of, state_of, step, take

pytestmark = pytest.mark.slow
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


def test_what_is_missing_has_to_be_ticked_line_by_line(
    program: Program, pair: tuple[User, User], anna: Client, ben: Client
) -> None:
    replacement = lead(open_replacement(program, *pair, category="wine"), *pair, S.COMPARED)
    asked = text_of(anna.get(step(replacement, "go_without", "do")))
    assert "Wine for everyone" in asked
    assert "If nothing followed." in asked
    sent = {"comment": "Nobody sells wine.", "replaces": replacement.revision}
    refused = text_of(anna.post(step(replacement, "go_without"), sent))
    assert "Nobody would offer this any more: wine for everyone" in refused
    assert state_of(replacement) == S.COMPARED
    keys = [value for value, _label in anna.get(step(replacement, "go_without", "do")).context["form"].fields["gaps"].choices]
    assert quote("\nwine") in keys
    said = text_of(anna.post(step(replacement, "go_without"), {**sent, "gaps": keys}, follow=True))
    assert state_of(replacement) == S.MAPPED
    assert "nobody takes the place" in said
    assert "left out" in said
    assert "wine for everyone" in said
    said = text_of(ben.get(page_of(replacement)))
    assert "Approve…" in said
    for nothing in ("Send back…", "Back to the terms…", "Back to the mapping…"):
        assert nothing not in said, nothing
    assert "wine for everyone" in text_of(ben.get(step(replacement, "approve", "do")))


def test_nobody_approves_what_they_mapped_or_what_they_have_not_seen(
    program: Program, pair: tuple[User, User], anna: Client, ben: Client
) -> None:
    replacement = lead(open_replacement(program, *pair), *pair, S.MAPPED)
    mine = anna.post(step(replacement, "approve"), {"replaces": replacement.revision, "comment": ""})
    assert "somebody else has to approve it" in text_of(mine)
    for seen in (replacement.revision - 1, ""):
        assert "Nothing was changed. Look at it." in text_of(ben.post(step(replacement, "approve"), {"replaces": seen}))
    assert state_of(replacement) == S.MAPPED
    assert "Sent back" in take(ben, replacement, "send_back", comment="O3 needs a successor.")
    assert replacement.state == S.AGREED
    assert "O3 needs a successor." in text_of(anna.get(page_of(replacement)))


def test_forms_say_what_is_wrong_beside_their_fields(program: Program, pair: tuple[User, User], anna: Client) -> None:
    replacement = lead(open_replacement(program, *pair), *pair, S.COMPARED)
    assert "required" in text_of(anna.post(step(replacement, "choose"), {}))
    assert "required" in text_of(anna.post(step(replacement, "cancel"), {"comment": ""}))
    taken = {"name": "Again", "external_id": "P2", "category": "", "country": ""}
    refused = anna.post(step(replacement, "prospect", "save"), taken)
    assert "There is a partner 'P2' already." in refused.context["form"].errors["external_id"][0]
    lead(replacement, *pair, S.AGREED)
    half = anna.post(step(replacement, "mapping", "save"), {"follows_0": "N1", "replaces": replacement.revision})
    assert set(half.context["form"].errors) == {"follows_1", "follows_2"}
    stale = {"follows_0": "N1", "follows_1": "N2", "follows_2": "-", "replaces": 1}
    assert "Nothing was changed. Look at it." in text_of(anna.post(step(replacement, "mapping", "save"), stale))
    assert not replacement.offers.exists()
    assert "Offers are mapped…" not in text_of(anna.get(page_of(replacement)))
    assert "O1: Say which offer follows this one" in text_of(
        anna.post(step(replacement, "map"), {"replaces": replacement.revision})
    )
    assert anna.get(step(replacement, "nonsense", "write")).status_code == 404
    assert anna.get(step(replacement, "nonsense", "do")).status_code == 404


def test_a_cutover_shows_the_notice_period_and_what_both_partners_read(
    program: Program, pair: tuple[User, User], ben: Client
) -> None:
    for name in ("P1", "P2"):
        partner = Partner.objects.get(program=program, external_id=name)
        save_contact(partner_id=partner.pk, name=f"Ann of {name}", email=f"{name}@example.org", actor="system", at=AT)
    old = Partner.objects.get(program=program, external_id="P1")
    save_contract_terms(partner_id=old.pk, starts_date=AT.date(), summary="10 %", notice_days=60, actor="system", at=AT)
    replacement = lead(open_replacement(program, *pair), *pair, S.APPROVED)
    here = timezone.localtime(now(), ZoneInfo(program.time_zone))
    soon, late, past = (f"{here + timedelta(days=days):%Y-%m-%dT%H:%M}" for days in (10, 90, -1))
    sent = {"comment": "", "tells_partners": "on"}
    said = text_of(ben.post(step(replacement, "schedule"), {**sent, "scheduled_at": soon, "do": "look"}))
    assert "ask for 60 days' notice; this leaves 10" in said
    assert "these offers of Partner P1 take no new unlocks" in said
    assert "these offers of Partner P2 are live" in said
    assert state_of(replacement) == S.APPROVED
    assert not Outbox.objects.filter(dedup_key__startswith="replacement:").exists()
    said = text_of(ben.post(step(replacement, "schedule"), {**sent, "scheduled_at": late, "do": "look"}))
    assert "this leaves 90." in said
    refused = ben.post(step(replacement, "schedule"), {**sent, "scheduled_at": past, "do": "save"})
    assert "Choose a time from" in refused.context["form"].errors["scheduled_at"][0]
    assert state_of(replacement) == S.APPROVED


def test_rolling_back_shows_what_is_put_back_and_three_versions_where_it_refuses(
    program: Program, pair: tuple[User, User], ben: Client
) -> None:
    at = now()
    replacement = lead(open_replacement(program, *pair), *pair, S.CUT_OVER, cut_over_at=at)
    asked = text_of(ben.get(step(replacement, "roll_back", "do")))
    assert "Offer O1 Paused Published" in asked
    assert "Offer N1 Published Draft" in asked
    Offer.objects.filter(external_id="N1").update(state=OfferState.PAUSED)
    refused = text_of(ben.post(step(replacement, "roll_back"), {"comment": "Complaints."}))
    assert "Somebody changed since what the cutover left." in refused
    assert "The three versions" in refused
    assert "Offer N1 Draft Published Paused" in refused
    assert state_of(replacement) == S.CUT_OVER
    Offer.objects.filter(external_id="N1").update(state=OfferState.PUBLISHED)
    assert "Rolled back" in take(ben, replacement, "roll_back", comment="Complaints.")
    said = text_of(ben.get(page_of(replacement)))
    assert "Go back to an earlier step" in said
    assert "Back to the mapping…" in said
    assert "Back at an earlier step" in take(ben, replacement, "back_to_mapping", comment="Another try.")
    assert replacement.state == S.AGREED
    assert "Called off" in take(ben, replacement, "cancel", comment="They improved.")
    assert "It is over." in text_of(ben.get(page_of(replacement)))


def test_after_thirty_days_nobody_is_offered_a_rollback(program: Program, pair: tuple[User, User], ben: Client) -> None:
    replacement = lead(open_replacement(program, *pair), *pair, S.COMPLETED)  # in July
    said = text_of(ben.get(page_of(replacement)))
    assert "It is done." in said
    assert "Roll back…" not in said


def test_contacts_files_and_days_are_kept(
    program: Program, pair: tuple[User, User], anna: Client, replacement: Replacement
) -> None:
    kept = anna.post(
        step(replacement, "contact", "save"), {"partner": "P1", "kind": "call", "text": "They <b>know</b>."}, follow=True
    )
    assert "They <b>know</b>." in text_of(kept).replace("&lt;", "<").replace("&gt;", ">")
    assert "<b>know</b>" not in kept.content.decode()
    assert ReplacementContact.objects.get().made_by == f"user:{pair[0].pk}"
    paper = SimpleUploadedFile("terms 1.pdf", b"%PDF-1 signed")
    assert "terms 1.pdf" in text_of(anna.post(step(replacement, "file", "save"), {"file": paper}, follow=True))
    script = SimpleUploadedFile("run.html", b"<script>")
    refused = anna.post(step(replacement, "file", "save"), {"file": script})
    assert "A file of one of these kinds" in refused.context["form"].errors["file"][0]
    large = SimpleUploadedFile("large.pdf", b"x" * (5 * 1024 * 1024 + 1))
    refused = anna.post(step(replacement, "file", "save"), {"file": large})
    assert "at most 5 MB" in refused.context["form"].errors["file"][0]
    assert ReplacementFile.objects.count() == 1
    asked = anna.get(step(replacement, "plan", "write"), {"step": "agree"})
    assert "Agree the terms" in text_of(asked)
    sent = {"step": "agree", "owner": pair[1].pk, "due_date": "2026-09-01"}
    assert "ben" in text_of(anna.post(step(replacement, "plan", "save"), sent, follow=True))
    task = ReplacementTask.objects.get(replacement=replacement, step=ReplacementStep.AGREE)
    assert task.owner == pair[1]


def test_reading_a_file_is_logged_and_only_ever_a_download(
    program: Program, pair: tuple[User, User], replacement: Replacement
) -> None:
    file = add_file(replacement_id=replacement.pk, name="größe.pdf", content=b"%PDF-1", actor=pair[0], at=AT)
    reader = sign_in(make_member_of_staff(program, Role.ANALYST, "arno"))
    before = AuditEvent.objects.count()
    reader.get(page_of(replacement))
    assert AuditEvent.objects.count() == before
    answer = reader.get(reverse("admin:reviews_replacement_file", args=[replacement.pk, file.pk]))
    assert answer.content == b"%PDF-1"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert AuditEvent.objects.latest("pk").action == "reviews.read_replacement_file"
    assert reader.get(reverse("admin:reviews_replacement_file", args=[replacement.pk, file.pk + 1])).status_code == 404


def test_holders_are_listed_without_saying_who_they_are(program: Program, pair: tuple[User, User], anna: Client) -> None:
    happens(program, *(("unlocked", f"M{number}", "O1") for number in range(5)))
    replacement = lead(open_replacement(program, *pair), *pair, S.VERIFIED)
    url = reverse("admin:reviews_replacement_holders", args=[replacement.pk])
    assert url in anna.get(page_of(replacement)).content.decode()
    said = text_of(anna.get(url))
    assert "5 offers held; page 1 of 1." in said
    assert "E-mail sent off" in said
    assert "M3" not in said
    assert "Nobody is in this state." in text_of(anna.get(url, {"state": "waiting", "page": "99"}))


def test_comparison_and_losses_are_tables_to_keep(program: Program, pair: tuple[User, User], anna: Client) -> None:
    replacement = lead(open_replacement(program, *pair), *pair, S.COMPARED)
    Partner.objects.filter(program=program, external_id="P2").update(name="=cmd()")
    lead_again = anna.post(step(replacement, "compare"), {"comment": ""})
    assert lead_again.status_code == 302
    answer = anna.get(reverse("admin:reviews_replacement_candidates", args=[replacement.pk]))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row["partner"] for row in rows} == {"P2", "P3"}
    assert "'=cmd()" in {row["name"] for row in rows}
    assert "activation_rate_low" in rows[0]
    losses = anna.get(reverse("admin:reviews_replacement_losses", args=[replacement.pk]))
    first = next(iter(csv.DictReader(io.StringIO(losses.content.decode()))))
    assert (first["label"], first["offers_before"], first["offers_after"]) == ("Everyone", "5", "2")


def test_a_hidden_rate_looks_unlike_one_of_which_nothing_was_seen(
    program: Program, pair: tuple[User, User], anna: Client
) -> None:
    make_segment(program, "north", "region", ("north",))
    facts = [(kind, f"M{number}", "O4") for number in (0, 2) for kind in ("unlocked", "activated")]
    happens(program, *facts, at="2026-06-15T10:00:00Z")
    Program.objects.filter(pk=program.pk).update(minimum_group=5)
    replacement = lead(open_replacement(program, *pair, segment="north"), *pair, S.COMPARED)
    assert replacement.comparison is not None
    seen = {row["partner"]: row["metrics"]["activation_rate"] for row in replacement.comparison["candidates"]}
    assert (seen["P3"], seen["P2"]["status"], seen["P2"]["rate"]) == (None, "suppressed", None)

    page = anna.get(page_of(replacement)).content.decode()
    rows = {name: page.split(f">{name}</a>")[1].split("</tr>")[0] for name in ("Partner P2", "Partner P3")}
    assert {name: "suppressed</span>" in row for name, row in rows.items()} == {"Partner P2": True, "Partner P3": False}
    answer = anna.get(reverse("admin:reviews_replacement_candidates", args=[replacement.pk])).content.decode()
    kept = {row["partner"]: row for row in csv.DictReader(io.StringIO(answer))}
    assert (kept["P2"]["activation_rate"], kept["P2"]["activation_rate_status"]) == ("", "suppressed")


def test_a_replacement_for_one_segment_shows_its_own_catalog(program: Program, pair: tuple[User, User], ben: Client) -> None:
    make_segment(program, "north", "region", ("north",))
    replacement = lead(open_replacement(program, *pair, segment="north"), *pair, S.CUT_OVER, cut_over_at=now())
    said = text_of(ben.get(page_of(replacement)))
    assert "all its offers, for the members of North, by Partner P2." in said
    assert "Places in the catalog of North." in said
    assert "Offer O1 is open to everyone but North everyone" in text_of(ben.get(step(replacement, "roll_back", "do")))


def test_a_cutover_of_long_ago_is_not_offered_to_be_rolled_back(
    program: Program, pair: tuple[User, User], anna: Client, ben: Client
) -> None:
    late = lead(open_replacement(program, *pair), *pair, S.VERIFIED, cut_over_at=now() - timedelta(days=31))
    said = text_of(ben.get(page_of(late)))
    assert "It could be rolled back until" in said
    assert "Roll back…" not in said
    assert "Complete…" in said
