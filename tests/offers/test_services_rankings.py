"""The order of offers: revisions, and undoing them."""

from datetime import date, datetime

import pytest

from offers.models import RankingRevision
from offers.selectors import find_ranking, list_ranked, list_ranked_segments, list_revisions
from offers.services import order_segment_rankings, restore_ranking, save_offers, save_ranking, undo_ranking
from partners.models import Program
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_row, make_segment, order_in_force
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.support.documents import read_table

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program(at: datetime) -> Program:
    program = make_program()
    make_partner(program)
    save_offers(program_id=program.pk, rows=[make_row(f"O{number}") for number in (1, 2, 3)], actor="system", at=at)
    return program


def rank(program: Program, at: datetime, order: list[int], segment_id: int | None = None) -> RankingRevision:
    return save_ranking(program_id=program.pk, segment_id=segment_id, offer_ids=order, actor="system", at=at, comment="why not")


def seen(program: Program, attributes: dict[str, str]) -> list[int]:
    """What a member with these attributes sees, best first."""
    return [one.offer.id for one in list_ranked(program.pk, attributes, date(2026, 7, 1))]


def test_every_change_is_a_revision(program: Program, at: datetime) -> None:
    first = order_in_force(program)

    revision = rank(program, at, first[::-1])

    assert (revision.number, revision.comment, revision.made_by, revision.made_at) == (2, "why not", "system", at)
    assert order_in_force(program) == first[::-1]
    row = AuditEvent.objects.filter(action="offers.save_ranking").order_by("-id")[0]
    assert row.after == {"segment": None, "number": 2, "offers": 3, "pinned": 0, "hidden": 0}


def test_the_same_order_again_changes_nothing(program: Program, at: datetime) -> None:
    revision = rank(program, at, order_in_force(program))

    assert revision.number == 1
    assert RankingRevision.objects.count() == 1


def test_a_segment_has_an_order_of_its_own(program: Program, at: datetime) -> None:
    segment = make_segment(program)
    order = order_in_force(program)

    revision = rank(program, at, order[::-1], segment.pk)

    assert revision.number == 1
    assert seen(program, {"business_unit": "cards"}) == order[::-1]
    assert seen(program, {"business_unit": "loans"}) == order
    assert order_in_force(program, segment) == order[::-1]
    assert list(list_revisions(program.pk, segment.pk)) == [revision]


def test_a_new_ranking_of_a_segment_comes_first_and_stays_there(program: Program, at: datetime) -> None:
    order = order_in_force(program)
    cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
    rank(program, at, order[::-1], north.pk)
    rank(program, at, [order[1], order[0], order[2]], cards.pk)
    rank(program, at, [order[2], order[0], order[1]], north.pk)

    assert list_ranked_segments(program.pk) == [cards, north]
    assert seen(program, {"business_unit": "cards", "region": "north"}) == [order[1], order[0], order[2]]


def test_which_ranking_comes_first_is_decided_by_name(program: Program, at: datetime) -> None:
    order = order_in_force(program)
    cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
    rank(program, at, order[::-1], north.pk)
    rank(program, at, [order[1], order[0], order[2]], cards.pk)

    order_segment_rankings(program_id=program.pk, segment_ids=[north.pk, cards.pk], actor="system", at=at, comment="why")

    assert seen(program, {"business_unit": "cards", "region": "north"}) == order[::-1]
    row = AuditEvent.objects.get(action="offers.order_segment_rankings")
    assert (row.before, row.after, row.comment) == ({"segments": ["cards", "north"]}, {"segments": ["north", "cards"]}, "why")
    order_segment_rankings(program_id=program.pk, segment_ids=[north.pk, cards.pk], actor="system", at=at)
    assert AuditEvent.objects.filter(action="offers.order_segment_rankings").count() == 1
    for wrong in ([north.pk], [north.pk, cards.pk, cards.pk], []):
        with pytest.raises(InvalidInput) as refusal:
            order_segment_rankings(program_id=program.pk, segment_ids=wrong, actor="system", at=at)
        assert refusal.value.code == "not_every_ranking"


def test_an_order_that_cannot_be_saved(program: Program, at: datetime) -> None:
    first, second, third = order_in_force(program)
    other = make_program("other")
    make_partner(other)
    strange = make_offer(other)

    with pytest.raises(InvalidInput, match="twice"):
        rank(program, at, [first, first])
    with pytest.raises(InvalidInput, match="not in this program"):
        rank(program, at, [third, second, strange.pk])
    with pytest.raises(NotFound):
        rank(program, at, [third, second], make_segment(other).pk)
    assert order_in_force(program) == [first, second, third]


def test_an_undo_is_one_more_revision(program: Program, at: datetime) -> None:
    first = order_in_force(program)
    revision = rank(program, at, first[::-1])

    undo = undo_ranking(revision_id=revision.pk, actor="system", at=at)

    assert (undo.number, undo.undoes) == (3, revision)
    assert order_in_force(program) == first
    assert AuditEvent.objects.filter(action="offers.undo_ranking").count() == 1
    again = undo_ranking(revision_id=undo.pk, actor="system", at=at)
    assert (again.number, order_in_force(program)) == (4, first[::-1])


def test_offers_added_since_stay(program: Program, at: datetime) -> None:
    first = order_in_force(program)
    revision = rank(program, at, first[::-1])
    save_offers(program_id=program.pk, rows=[make_row("O4")], actor="system", at=at)

    undo_ranking(revision_id=revision.pk, actor="system", at=at)

    order = order_in_force(program)
    assert order[:3] == first
    assert len(order) == 4


def test_an_order_that_was_changed_since_is_not_undone(program: Program, at: datetime) -> None:
    first = order_in_force(program)
    revision = rank(program, at, first[::-1])
    rank(program, at, [first[1], first[0], first[2]])

    with pytest.raises(DomainError, match="Revision 3") as refusal:
        undo_ranking(revision_id=revision.pk, actor="system", at=at)
    assert refusal.value.code == "ranking_changed_since"
    assert RankingRevision.objects.count() == 3


def test_the_undo_of_the_first_revision_ends_the_ranking(program: Program, at: datetime) -> None:
    segment = make_segment(program)
    order = order_in_force(program)
    first = rank(program, at, order[::-1], segment.pk)

    ended = undo_ranking(revision_id=first.pk, actor="system", at=at)

    assert (ended.number, ended.is_ended, ended.offer_ids) == (2, True, [])
    assert list_ranked_segments(program.pk) == []
    assert seen(program, {"business_unit": "cards"}) == order
    again = undo_ranking(revision_id=ended.pk, actor="system", at=at)
    assert (again.is_ended, order_in_force(program, segment)) == (False, order[::-1])
    with pytest.raises(NotFound):
        undo_ranking(revision_id=0, actor="system", at=at)


class TestPinnedAndHidden:
    def test_are_kept_with_the_revision_and_shown_in_the_catalog(self, program: Program, at: datetime) -> None:
        first, second, third = order_in_force(program)
        bound = {"program_id": program.pk, "actor": "system", "at": at}

        revision = save_ranking(offer_ids=[first, second, third], pinned={third: 1}, hidden=[first], **bound)

        assert (revision.pins, revision.hidden) == ({third: 1}, [first])
        assert seen(program, {}) == [third, second]
        assert save_ranking(offer_ids=[first, second, third], pinned={third: 1}, hidden=[first], **bound) == revision
        undo_ranking(revision_id=revision.pk, actor="system", at=at)
        assert seen(program, {}) == [first, second, third]

    def test_a_pin_keeps_its_place_when_a_file_brings_more(self, program: Program, at: datetime) -> None:
        first, second, third = order_in_force(program)
        save_ranking(
            program_id=program.pk, offer_ids=[first, second, third], pinned={first: 3}, hidden=[second], actor="system", at=at
        )

        save_offers(program_id=program.pk, rows=[make_row("O4"), make_row("O5")], actor="system", at=at)

        newest = list_revisions(program.pk)[0]
        assert (newest.pins, newest.hidden) == ({first: 3}, [second])
        assert [seen(program, {}).index(first), second in seen(program, {})] == [2, False]

    def test_what_everyone_does_not_see_no_segment_sees(self, program: Program, at: datetime) -> None:
        first, second, third = order_in_force(program)
        cards, north = make_segment(program), make_segment(program, "north", "region", ("north",))
        bound = {"program_id": program.pk, "offer_ids": [first, second, third], "actor": "system", "at": at}
        save_ranking(hidden=[first], **bound)
        save_ranking(segment_id=north.pk, hidden=[second], **bound)
        save_ranking(segment_id=cards.pk, **bound)

        assert seen(program, {"business_unit": "cards"}) == [second, third]
        assert seen(program, {"region": "north"}) == [third]
        assert seen(program, {"business_unit": "cards", "region": "north"}) == [third]
        assert seen(program, {}) == [second, third]

    @pytest.mark.parametrize(
        ("pinned", "hidden", "code"),
        [
            ({0: 1, 1: 1}, [], "place_taken"),
            ({0: 0}, [], "no_such_place"),
            ({0: 1}, [0], "hidden_and_pinned"),
            ({9: 1}, [], "unknown_offer"),
            ({}, [9], "unknown_offer"),
        ],
    )
    def test_what_cannot_be(self, program: Program, at: datetime, pinned: dict[int, int], hidden: list[int], code: str) -> None:
        order = order_in_force(program)
        pk_of = dict(enumerate(order)) | {9: 0}
        with pytest.raises(InvalidInput, match="Nothing was changed") as refusal:
            save_ranking(
                program_id=program.pk,
                offer_ids=order,
                pinned={pk_of[offer]: place for offer, place in pinned.items()},
                hidden=[pk_of[offer] for offer in hidden],
                actor="system",
                at=at,
            )
        assert refusal.value.code == code
        assert RankingRevision.objects.count() == 1


class TestRestore:
    def test_puts_back_exactly_what_a_revision_said(self, program: Program, at: datetime) -> None:
        order = order_in_force(program)
        bound = {"program_id": program.pk, "actor": "system", "at": at}
        wanted = save_ranking(offer_ids=order[::-1], pinned={order[0]: 1}, hidden=[order[1]], **bound)
        save_ranking(offer_ids=order, **bound)
        save_ranking(offer_ids=order[:2], **bound)

        made = restore_ranking(revision=2, replaces=4, comment="as agreed", source_ref="reviews.CorrectiveAction:7", **bound)

        assert (made.number, made.offer_ids, made.pinned, made.hidden) == (5, wanted.offer_ids, wanted.pinned, wanted.hidden)
        assert (made.comment, made.source_ref, made.undoes) == ("as agreed", "reviews.CorrectiveAction:7", None)
        assert AuditEvent.objects.get(action="offers.restore_ranking").comment == "as agreed"
        assert restore_ranking(revision=2, replaces=5, **bound) == made

    def test_what_was_before_the_first_is_no_ranking(self, program: Program, at: datetime) -> None:
        segment = make_segment(program)
        order = order_in_force(program)
        rank(program, at, order[::-1], segment.pk)
        bound = {"program_id": program.pk, "segment_id": segment.pk, "actor": "system", "at": at}

        ended = restore_ranking(revision=0, replaces=1, **bound)

        assert (ended.is_ended, find_ranking(program.pk, segment.pk)) == (True, None)
        assert seen(program, {"business_unit": "cards"}) == order
        assert restore_ranking(revision=0, **bound) == ended
        assert restore_ranking(revision=1, **bound).offer_ids == order[::-1]
        assert save_ranking(offer_ids=order, **bound).number == 4

    def test_refuses_where_another_revision_is_in_force(self, program: Program, at: datetime) -> None:
        order = order_in_force(program)
        rank(program, at, order[::-1])
        with pytest.raises(DomainError, match=r"Revision 2 is in force, not 1\. Nothing was changed") as refusal:
            restore_ranking(program_id=program.pk, revision=1, replaces=1, actor="system", at=at)
        assert refusal.value.code == "ranking_changed_since"
        assert RankingRevision.objects.count() == 2

    def test_a_revision_that_never_was(self, program: Program, at: datetime) -> None:
        for segment_id, revision in ((None, 7), (make_segment(program).pk, 0)):
            with pytest.raises(NotFound):
                restore_ranking(program_id=program.pk, segment_id=segment_id, revision=revision, actor="system", at=at)


def read_ranking(text: str, ids: dict[str, int]) -> dict[str, object]:
    """One cell of the worked table, as save_ranking takes it."""
    order, _comma, rest = text.partition(",")
    words = [word for word in rest.split() if word != "hides"]
    return {
        "offer_ids": [ids[name] for name in order.split()],
        "pinned": {ids[word[0]]: int(word[2:]) for word in words if "@" in word},
        "hidden": [ids[word] for word in words if "@" not in word],
    }


@pytest.mark.parametrize("example", read_table("docs/rules/ranking.md", "Worked table"), ids=lambda row: " / ".join(row.values()))
def test_the_worked_table(example: dict[str, str], at: datetime) -> None:
    program = make_program()
    make_partner(program)
    ids = {name: make_offer(program, name).pk for name in "abcde"}
    segments = {"cards": make_segment(program), "north": make_segment(program, "north", "region", ("north",))}
    bound = {"program_id": program.pk, "actor": "system", "at": at}
    save_ranking(**read_ranking(example["everyone"], ids), **bound)
    for name, segment in segments.items():
        if example[name] == "ended":
            save_ranking(segment_id=segment.pk, offer_ids=[], **bound)
            restore_ranking(segment_id=segment.pk, revision=0, **bound)
        elif example[name]:
            save_ranking(segment_id=segment.pk, **read_ranking(example[name], ids), **bound)
    order_segment_rankings(segment_ids=[segments[name].pk for name in example["first"].split()], **bound)
    attributes = {"cards": {"business_unit": "cards"}, "north": {"region": "north"}}
    member = {key: value for name in example["member"].split() for key, value in attributes.get(name, {}).items()}

    assert [name for pk in seen(program, member) for name in ids if ids[name] == pk] == example["sees"].split()
