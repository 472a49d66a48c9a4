"""The order of offers: revisions, and undoing them."""

from datetime import datetime

import pytest

from offers.models import RankingRevision
from offers.selectors import find_order, list_revisions
from offers.services import save_offers, save_ranking, undo_ranking
from partners.models import Program
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_row, make_segment
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program(at: datetime) -> Program:
    program = make_program()
    make_partner(program)
    save_offers(program_id=program.pk, rows=[make_row(f"O{number}") for number in (1, 2, 3)], actor="system", at=at)
    return program


def rank(program: Program, at: datetime, order: list[int], segment_id: int | None = None) -> RankingRevision:
    return save_ranking(program_id=program.pk, segment_id=segment_id, offer_ids=order, actor="system", at=at, comment="why not")


def test_every_change_is_a_revision(program: Program, at: datetime) -> None:
    first = find_order(program.pk, None)

    revision = rank(program, at, first[::-1])

    assert (revision.number, revision.comment, revision.made_by, revision.made_at) == (2, "why not", "system", at)
    assert find_order(program.pk, None) == first[::-1]
    row = AuditEvent.objects.filter(action="offers.save_ranking").order_by("-id")[0]
    assert row.after == {"segment": None, "number": 2, "offers": 3}


def test_the_same_order_again_changes_nothing(program: Program, at: datetime) -> None:
    revision = rank(program, at, find_order(program.pk, None))

    assert revision.number == 1
    assert RankingRevision.objects.count() == 1


def test_a_segment_has_an_order_of_its_own(program: Program, at: datetime) -> None:
    segment = make_segment(program)
    order = find_order(program.pk, None)

    revision = rank(program, at, order[::-1], segment.pk)

    assert revision.number == 1
    assert find_order(program.pk, {"business_unit": "cards"}) == order[::-1]
    assert find_order(program.pk, {"business_unit": "loans"}) == order
    assert find_order(program.pk, None, segment.pk) == order[::-1]
    assert list(list_revisions(program.pk, segment.pk)) == [revision]


def test_the_newest_order_of_several_segments_holds(program: Program, at: datetime) -> None:
    order = find_order(program.pk, None)
    cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
    rank(program, at, order[::-1], north.pk)
    rank(program, at, [order[1], order[0], order[2]], cards.pk)

    assert find_order(program.pk, {"business_unit": "cards", "region": "north"}) == [order[1], order[0], order[2]]


def test_an_order_that_cannot_be_saved(program: Program, at: datetime) -> None:
    first, second, third = find_order(program.pk, None)
    other = make_program("other")
    make_partner(other)
    strange = make_offer(other)

    with pytest.raises(InvalidInput, match="twice"):
        rank(program, at, [first, first])
    with pytest.raises(InvalidInput, match="not in this program"):
        rank(program, at, [third, second, strange.pk])
    with pytest.raises(NotFound):
        rank(program, at, [third, second], make_segment(other).pk)
    assert find_order(program.pk, None) == [first, second, third]


def test_an_undo_is_one_more_revision(program: Program, at: datetime) -> None:
    first = find_order(program.pk, None)
    revision = rank(program, at, first[::-1])

    undo = undo_ranking(revision_id=revision.pk, actor="system", at=at)

    assert (undo.number, undo.undoes) == (3, revision)
    assert find_order(program.pk, None) == first
    assert AuditEvent.objects.filter(action="offers.undo_ranking").count() == 1
    again = undo_ranking(revision_id=undo.pk, actor="system", at=at)
    assert (again.number, find_order(program.pk, None)) == (4, first[::-1])


def test_offers_added_since_stay(program: Program, at: datetime) -> None:
    first = find_order(program.pk, None)
    revision = rank(program, at, first[::-1])
    save_offers(program_id=program.pk, rows=[make_row("O4")], actor="system", at=at)

    undo_ranking(revision_id=revision.pk, actor="system", at=at)

    order = find_order(program.pk, None)
    assert order[:3] == first
    assert len(order) == 4


def test_an_order_that_was_changed_since_is_not_undone(program: Program, at: datetime) -> None:
    first = find_order(program.pk, None)
    revision = rank(program, at, first[::-1])
    rank(program, at, [first[1], first[0], first[2]])

    with pytest.raises(DomainError, match="Revision 3") as refusal:
        undo_ranking(revision_id=revision.pk, actor="system", at=at)
    assert refusal.value.code == "ranking_changed_since"
    assert RankingRevision.objects.count() == 3


def test_the_first_order_has_nothing_before_it(program: Program, at: datetime) -> None:
    with pytest.raises(DomainError) as refusal:
        undo_ranking(revision_id=RankingRevision.objects.get().pk, actor="system", at=at)
    assert refusal.value.code == "nothing_before"
    with pytest.raises(NotFound):
        undo_ranking(revision_id=0, actor="system", at=at)
