"""
A partner of the sample program is replaced: as a whole, for one segment only, and without a candidate. The cutover and its
verification are green, the rollback is green, and nobody with an activated offer is stranded.
"""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from activity.choices import Kind, Status
from activity.models import Event
from activity.services.vault import open_external_ids
from offers.choices import OfferState, PresentState
from offers.models import Offer, Segment
from offers.selectors import list_offers, list_ranked
from partners.models import Partner, Program
from plum_site.demo import profiles, seeding
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.choices import HolderState, ReplacementState
from reviews.models import Replacement
from reviews.rules.replacements import Pair
from reviews.selectors.replacements import compare_candidates, count_holders, find_gaps_left, list_old_offers
from reviews.services.replacements.candidates import go_without
from reviews.services.replacements.ending import roll_back_replacement
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.people import make_member_of_staff
from tests.factories.replacements import lead, lead_on, open_for

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

NOW = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
THEN = NOW + timedelta(days=1)
OLD, NEW = "Loom & Thread", "Nordkap Outdoor"
S = ReplacementState


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(profiles, "MEMBER_COUNT", 150)
    monkeypatch.setattr(profiles, "MOVED_MEMBERS", 5)
    return seeding.seed_demo(code="demo", event_count=3000, seed=1, at=NOW)


@pytest.fixture
def pair(demo: Program) -> tuple[User, User]:
    return tuple(make_member_of_staff(demo, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben"))  # type: ignore[return-value]


def shown(program: Program, segment: Segment | None = None) -> list[str]:
    return [one.offer.external_id for one in list_ranked(program.pk, None, THEN.date(), segment.pk if segment else None)]


def verified(replacement: Replacement) -> dict[str, Any]:
    """What the command prints; it ends with 0 only where all of it holds."""
    out = StringIO()
    with time_machine.travel(THEN, tick=False):
        call_command("replacement", "verify", str(replacement.pk), "--format", "json", stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    assert all(check["holds"] for check in found["checks"])
    return found


def make_drafts(program: Program, successor: Partner, replacement: Replacement) -> list[Pair]:
    """A draft of the successor for each live offer of the partner that goes; nothing for the others."""
    olds = list_old_offers(program.pk, replacement.partner, replacement.category)
    live = set(list_offers(program.pk).in_present_state(PresentState.LIVE, NOW.date()).values_list("pk", flat=True))
    pairs = []
    for old in olds:
        name = f"NEW-{old.external_id}"
        if old.pk in live:
            make_offer(program, name, OfferState.DRAFT, partner_external_id=successor.external_id, category=old.category)
        pairs.append(Pair(old.external_id, name if old.pk in live else None))
    return pairs


def redeem_everything_activated(program: Program, replacement: Replacement) -> int:
    """Everybody who has activated an old offer redeems it after the cutover; how many of it was taken."""
    olds = [pair.old_id for pair in replacement.offers.all()]
    rows = Event.objects.filter(program=program, offer__in=olds, kind=Kind.ACTIVATED, status=Status.CONFIRMED)
    held = {(row.member_id, row.offer_id) for row in rows}
    names = open_external_ids(program=program, member_ids={member for member, _ in held})
    offers = dict(Offer.objects.filter(pk__in=olds).values_list("pk", "external_id"))
    later = (THEN + timedelta(hours=2)).isoformat()
    events = [
        event(f"late-{number}", "redeemed", member=names[member], offer=offers[offer], occurred_at=later)
        for number, (member, offer) in enumerate(sorted(held))
    ]
    receipt = record(program, events, at=THEN + timedelta(hours=3))
    assert (receipt.accepted, receipt.rejected) == (len(events), 0)
    return len(events)


def test_a_partner_of_the_sample_program_is_replaced_and_nobody_is_stranded(demo: Program, pair: tuple[User, User]) -> None:
    old, new = Partner.objects.get(program=demo, name=OLD), Partner.objects.get(program=demo, name=NEW)
    before = shown(demo)
    replacement = open_for(old, *pair, at=NOW)
    compared = compare_candidates(replacement, NOW)
    assert new.external_id in [row["partner"] for row in compared["candidates"]]
    assert all(row["coverage"] is None or 0 <= row["coverage"] <= 1 for row in compared["candidates"])

    pairs = make_drafts(demo, new, replacement)
    done = lead_on(replacement, *pair, S.COMPLETED, successor=new.external_id, pairs=pairs, at=NOW, cut_over_at=THEN)
    successors = {one.old: one.new for one in pairs}
    expected = [successors.get(name, name) for name in before]
    assert shown(demo) == [name for name in expected if name is not None]
    assert verified(done)["state"] == "completed"
    ids = [row.old_id for row in done.offers.all() if row.old_id is not None]
    assert done.holders.exists(), "somebody held something, or the test shows nothing"
    assert set(done.holders.values_list("state", flat=True)) <= {
        HolderState.MAILED,
        HolderState.ANNOUNCED,
        HolderState.UNREACHABLE,
    }
    assert count_holders(done, ids)["activated"] > 0
    assert redeem_everything_activated(demo, done) > 0

    roll_back_replacement(replacement_id=done.pk, actor=pair[1], at=THEN + timedelta(days=1), comment="They asked us to.")
    assert shown(demo) == before


def test_one_segment_of_the_sample_program_gets_another_partner(demo: Program, pair: tuple[User, User]) -> None:
    old, new = Partner.objects.get(program=demo, name=OLD), Partner.objects.get(program=demo, name=NEW)
    segment = Segment.objects.filter(program=demo).order_by("id")[0]
    before, before_all = shown(demo, segment), shown(demo)
    replacement = open_for(old, *pair, at=NOW, segment=segment.code)
    pairs = make_drafts(demo, new, replacement)
    done = lead_on(replacement, *pair, S.COMPLETED, successor=new.external_id, pairs=pairs, at=NOW, cut_over_at=THEN)

    names = {one.old for one in pairs}
    assert not names & set(shown(demo, segment))
    assert set(before_all) <= set(shown(demo)), "everybody else keeps the partner"
    verified(done)
    redeem_everything_activated(demo, done)
    roll_back_replacement(replacement_id=done.pk, actor=pair[1], at=THEN, comment="Not for them.")
    assert shown(demo, segment) == before


def test_a_partner_of_the_sample_program_goes_without_a_candidate(demo: Program, pair: tuple[User, User]) -> None:
    old = Partner.objects.get(program=demo, name=OLD)
    before = shown(demo)
    replacement = lead(open_for(old, *pair, at=NOW), *pair, S.COMPARED, at=NOW)
    olds = [offer.external_id for offer in list_old_offers(demo.pk, old, "")]
    gaps = [gap.key for gap in find_gaps_left(replacement, [Pair(name, None) for name in olds], NOW)]
    go_without(replacement_id=replacement.pk, gaps=gaps, actor=pair[0], at=NOW, comment="Nobody fits.")
    replacement.refresh_from_db()
    done = lead(replacement, *pair, S.COMPLETED, at=NOW, cut_over_at=THEN)
    assert shown(demo) == [name for name in before if name not in olds]
    verified(done)
    redeem_everything_activated(demo, done)
    roll_back_replacement(replacement_id=done.pk, actor=pair[1], at=THEN, comment="They stay after all.")
    assert shown(demo) == before
