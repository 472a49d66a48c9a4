"""The made-up sample program, small: believable, made once, finished after an interruption."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from random import Random

import pytest
from django.core.management import call_command

from activity.choices import Kind, Status
from activity.models import Event, IngestBatch, Member, MemberVersion, Seal
from offers.choices import OfferState, PresentState
from offers.models import Audience, Listing, Offer, RankingRevision
from offers.rules import OfferFacts
from offers.selectors import list_offers, load_catalog
from partners.choices import PartnerState
from partners.models import Contact, ContractTerms, Partner, Program, SeasonalIndex
from plum_site.demo import catalog, profiles, seeding
from plum_site.demo.journeys import World, chances_on, draw_count, draw_journeys, make_arrivals
from plum_site.demo.profiles import PARTNERS
from plum_site.lib.models import AuditEvent, RoleGrant, User
from tests.factories.programs import make_program

NOW = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
EVENTS = 1500


@pytest.fixture(autouse=True)
def few_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MEMBER_COUNT", 150)
    monkeypatch.setattr(profiles, "MOVED_MEMBERS", 5)


def seed(at: datetime = NOW, number: int = 1) -> Program:
    return seeding.seed_demo(code="demo", event_count=EVENTS, seed=number, at=at)


def contents() -> Counter[str]:
    """How many rows of everything there are, and what happened to them."""
    models = (Partner, Offer, Listing, Audience, RankingRevision, Contact, ContractTerms, SeasonalIndex, Member, MemberVersion)
    counts = Counter({model.__name__: model.objects.count() for model in models})
    counts["events"], counts["audit"], counts["seals"] = Event.objects.count(), AuditEvent.objects.count(), Seal.objects.count()
    return counts


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.both_engines
def test_a_believable_program() -> None:
    program = seed()

    assert (program.recorded_stages, program.is_demo) == ([kind.label for kind in Kind], True)
    assert Counter(Partner.objects.values_list("state", flat=True))[PartnerState.ACTIVE] >= 30
    assert set(Partner.objects.values_list("state", flat=True)) == {partner.state for partner in PARTNERS}
    assert Offer.objects.count() == 160
    states = Counter(offer.state for offer in list_offers(program.pk))
    assert (states[OfferState.PAUSED], states[OfferState.RETIRED], states[OfferState.DRAFT]) == (2, 2, 8)
    for state in (PresentState.LIVE, PresentState.EXPIRED):
        assert list_offers(program.pk).in_present_state(state, NOW.date()).exists()
    assert Partner.objects.filter(contacts__isnull=True).count() == 0
    assert ContractTerms.objects.filter(commission_percent__lt=1).count() == 0
    assert not Listing.objects.filter(offer__program=program, title__contains="{").exists()

    events = Event.objects.filter(program=program)
    assert {kind for kind, _ in events.values_list("kind", "status")} == set(Kind)
    assert events.filter(status=Status.FAILED).exclude(reason_code=None).exists()
    assert events.filter(status=Status.REVERSED).exclude(reverses=None).exists()
    assert set(events.exclude(spend_currency=None).values_list("spend_currency", flat=True)) == {"EUR", "GBP", "SEK"}
    assert not events.filter(kind=Kind.REDEEMED, status=Status.CONFIRMED, reward_cost_minor=None).exists()
    assert len({day.replace(day=1) for day in events.values_list("local_date", flat=True)}) == profiles.MONTHS + 1
    assert events.order_by("local_date")[0].local_date >= date(2025, 6, 1)
    assert events.order_by("-occurred_at")[0].occurred_at <= NOW


@pytest.mark.django_db
@pytest.mark.slow
def test_every_event_is_taken_some_twice_some_late() -> None:
    program = seed()

    batches = list(IngestBatch.objects.filter(program=program))
    assert sum(batch.rejected_count + batch.conflict_count for batch in batches) == 0
    assert sum(batch.duplicate_count for batch in batches) > 0
    assert 0.75 * EVENTS < sum(batch.accepted_count for batch in batches) < 1.25 * EVENTS
    assert Seal.objects.count() == len(batches)
    recorded = {batch.pk: batch.recorded_at for batch in batches}
    lateness = [recorded[event.pk // 8192] - event.occurred_at for event in Event.objects.all()]
    assert min(lateness) > -timedelta(minutes=1)
    assert sum(late > timedelta(days=3) for late in lateness) > 5
    assert sorted(lateness)[len(lateness) // 2] < timedelta(days=1.5)


@pytest.mark.django_db
@pytest.mark.slow
def test_a_second_run_changes_nothing() -> None:
    seed()
    before = contents()

    seed(at=NOW + timedelta(days=45), number=2)

    assert contents() == before


@pytest.mark.django_db
@pytest.mark.slow
def test_an_interrupted_run_is_finished_with_the_same_content(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = seeding.record_events, []

    def stop_half_way(**kwargs: object) -> None:
        calls.append(1)
        if len(calls) == 200:
            raise KeyboardInterrupt
        real(**kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(seeding, "record_events", stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        seed()
    half = Event.objects.count()
    monkeypatch.setattr(seeding, "record_events", real)
    program = seed(at=NOW + timedelta(days=3), number=2)

    keys = list(Event.objects.order_by("event_key").values_list("event_key", "occurred_at", "offer__external_id"))
    assert 0 < half < len(keys)
    assert sum(IngestBatch.objects.values_list("conflict_count", flat=True)) == 0
    world = make_world(program)
    expected = {event["event_id"] for _, rows in make_arrivals(world, EVENTS) for event in rows}
    assert {key for key, _, _ in keys} == expected


def make_world(program: Program) -> World:
    """The journeys of the seeded program, drawn again from the start."""
    rng = Random(1)
    first_day = date(2025, 6, 1)
    offers = catalog.make_offers(rng, first_day, started=True)
    catalog.make_offers(rng, first_day, started=False)
    for profile in PARTNERS:  # the draws of their stories
        rng.sample(profiles.CONTACT_NAMES, 2)
        rng.random()
        if profile.weight:
            rng.randint(4, 14)
    members = catalog.make_members(rng)
    catalog.move_members(rng, members)
    return World(1, first_day, NOW, offers, load_catalog(program.pk), members)


@pytest.mark.django_db
@pytest.mark.slow
def test_the_command_prints_programs_and_people(monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_program("completejourney")
    monkeypatch.setattr("plum_site.management.commands.seed_demo.load_sample", lambda **kwargs: other)
    monkeypatch.setattr("plum_site.management.commands.seed_demo.now", lambda: NOW)
    out = StringIO()

    call_command("seed_demo", "--events", str(EVENTS), "--format", "json", stdout=out)

    answer = json.loads(out.getvalue())
    assert answer["programs"] == ["demo", "completejourney"]
    assert {"username": "admin", "role": "program_admin", "program": "demo"} in answer["users"]
    assert sorted(user["username"] for user in answer["users"]) == ["admin", "analyst", "auditor", "ops"]
    assert not any(user.has_usable_password() for user in User.objects.all())
    assert all(user.email.endswith("@example.org") for user in User.objects.all())
    assert RoleGrant.objects.count() == 4


@pytest.mark.django_db
def test_a_program_that_is_nobodys_demo_is_left_alone() -> None:
    program = make_program("demo")

    assert seed() == program
    assert not Offer.objects.exists()


@pytest.mark.django_db
def test_the_real_data_set_is_complete_and_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    monkeypatch.setattr(seeding, "load_folder", lambda **kwargs: loads.append(kwargs) or make_program("completejourney"))

    first, second = seeding.load_sample(at=NOW), seeding.load_sample(at=NOW)

    assert first == second
    [load] = loads
    assert load["new_program"].extra["ended_date"] == date(2017, 12, 31)
    names = {path.name for path in load["folder"].iterdir()}
    assert {"README.md", "SHA256SUMS", "partners.csv", "offers.csv", "members.csv", "events.csv.gz", "truth"} <= names
    assert User.objects.count() == 4


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    day = date(2025, 6, 1)

    def rows(number: int) -> list[object]:
        rng = Random(number)
        return [*catalog.make_offers(rng, day, started=True), *catalog.make_members(rng)]

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


@pytest.mark.parametrize("partner", [partner for partner in PARTNERS if partner.trouble], ids=lambda partner: partner.trouble)
def test_trouble_begins_in_its_month(partner: profiles.PartnerProfile) -> None:
    usual = chances_on(replace(partner, trouble=""), NOW.date(), NOW.date())
    onset = date(2026, 6 - partner.since, 1)

    assert chances_on(partner, onset - timedelta(days=1), NOW.date()) == usual
    changed = chances_on(partner, onset, NOW.date())
    assert {name for name in usual if changed[name] != usual[name]} == set(profiles.TROUBLES[partner.trouble])


def test_nobody_sees_an_offer_that_is_not_live() -> None:
    rng = Random(1)
    day = date(2025, 6, 1)
    offers = catalog.make_offers(rng, day, started=True)
    members = catalog.make_members(rng)
    world = World(1, day, datetime(2025, 6, 10, tzinfo=UTC), offers, {row.external_id: NO_DAYS for row in offers}, members)

    assert list(draw_journeys(world, 500)) == []


NO_DAYS = OfferFacts(1, "x", 1, "discount", (), ())


@pytest.mark.parametrize("mean", [0.0, 0.4, 3.0])
def test_a_count_has_its_mean(mean: float) -> None:
    rng = Random(7)
    counts = [draw_count(rng, mean) for _ in range(4000)]

    assert sum(counts) / len(counts) == pytest.approx(mean, abs=0.12)
