"""Trials of other offers with a share of members: what starts one, what ends it, and what it costs to ask."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offers.choices import OfferState
from offers.models import CatalogTrial, Offer
from offers.rules import Trial, leave_out, say_trial
from offers.selectors import day_catalog, list_running_trials, list_trials, trial_now
from offers.selectors.catalog import read_day_catalog
from offers.services import change_offer_state, end_trial, start_trial
from partners.models import Program
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

ON = date(2026, 7, 10)
LATER = CREATED_AT + timedelta(days=1)


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program, "P1")
    for name in ("A", "B", "C"):
        make_offer(program, name)
    for name in ("X", "Y"):
        make_offer(program, name, OfferState.DRAFT)
    program.refresh_from_db()
    return program


def pk(name: str) -> int:
    return Offer.objects.get(external_id=name).pk


def begin(program: Program, *pairs: tuple[str | None, str | None], share: int = 50, **values: object) -> CatalogTrial:
    rows = [(old and pk(old), new and pk(new)) for old, new in pairs]
    trial = start_trial(
        program_id=program.pk,
        pairs=rows,  # type: ignore[arg-type] # ids or None
        share_percent=share,
        salt="salt",
        actor="system",
        at=CREATED_AT,
        **values,  # type: ignore[arg-type] # as each test asks
    )
    for _, new in pairs:
        offer = Offer.objects.get(external_id=new) if new else None
        for name in ("submit", "publish") if offer and offer.state == OfferState.DRAFT else ():
            change_offer_state(offer_id=pk(str(new)), name=name, actor="system", at=CREATED_AT)
    program.refresh_from_db()
    return trial


def shown(program: Program, *trials: CatalogTrial) -> list[str]:
    rows = day_catalog(program, ON).for_attributes({}, tuple(trial.pk for trial in trials))
    return [one.offer.external_id for one in rows]


def test_each_arm_sees_its_own_and_the_whole_catalog_is_the_champions(program: Program) -> None:
    trial = begin(program, ("B", "X"), ("C", None), (None, "Y"))
    assert shown(program, trial) == ["A", "X", "Y"]
    assert shown(program) == ["A", "B", "C"]
    assert [one.offer.external_id for one in day_catalog(program, ON).whole()] == ["A", "B", "C"]
    assert list(trial.offers.values_list("is_fresh", flat=True)) == [True, False, True]


def test_the_end_is_for_everybody_and_happens_once(program: Program) -> None:
    trial = begin(program, ("B", "X"))
    before = program.catalog_revision
    ended = end_trial(trial_id=trial.pk, actor="system", at=LATER)
    again = end_trial(trial_id=trial.pk, actor="system", at=LATER + timedelta(days=1))
    assert again.ended_at == ended.ended_at == LATER
    program.refresh_from_db()
    assert program.catalog_revision > before
    assert shown(program) == ["A", "B", "C", "X"], "what stays published is for everybody"
    actions = AuditEvent.objects.filter(action__endswith="_trial").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["offers.start_trial", "offers.end_trial"]
    assert [row.pk for row in list_trials(program.pk)] == [trial.pk]
    assert list_running_trials(program.pk) == ()


def test_a_member_can_be_in_two_trials_of_different_offers(program: Program) -> None:
    one, other = begin(program, ("A", "X")), begin(program, ("C", "Y"))
    assert shown(program, one, other) == ["X", "B", "Y"]
    assert shown(program, one) == ["X", "B", "C"]
    assert shown(program, other) == ["A", "B", "Y"]


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("A", None)], "invalid_mapping"),
        ([("A", "X"), ("A", "Y")], "invalid_mapping"),
        ([("A", "B"), ("B", "X")], "invalid_mapping"),
        ([], "invalid_mapping"),
        ([("C", "Y")], "tried_already"),
        ([("A", "X")], "tried_already"),
    ],
)
def test_what_cannot_be_tried_is_refused_whole(program: Program, pairs: list[tuple[str, str | None]], code: str) -> None:
    begin(program, ("C", "X"))
    with pytest.raises(InvalidInput) as refused:
        begin(program, *pairs)
    assert refused.value.code == code
    assert CatalogTrial.objects.count() == 1


@pytest.mark.parametrize("share", [-1, 0, 51])
def test_shares_that_are_none(program: Program, share: int) -> None:
    with pytest.raises(InvalidInput, match="from 1 to 50"):
        begin(program, ("A", "X"), share=share)


def test_what_is_not_the_programs_is_not_found(program: Program) -> None:
    other = make_program("other")
    elsewhere = make_segment(program, "north", "region", ("north",))
    make_partner(other, "P1")
    foreign = make_offer(other, "Z", OfferState.DRAFT)
    with pytest.raises(NotFound):
        start_trial(
            program_id=program.pk,
            pairs=[(pk("A"), foreign.pk)],
            share_percent=10,
            salt="s",
            actor="system",
            at=CREATED_AT,
        )
    with pytest.raises(NotFound):
        start_trial(
            program_id=other.pk,
            pairs=[(None, foreign.pk)],
            segment_id=elsewhere.pk,
            share_percent=10,
            salt="s",
            actor="system",
            at=CREATED_AT,
        )
    with pytest.raises(NotFound):
        end_trial(trial_id=0, actor="system", at=CREATED_AT)


def test_a_catalog_is_read_with_one_statement_more_and_answers_with_none(program: Program) -> None:
    with CaptureQueriesContext(connection) as without:
        assert read_day_catalog(program.pk, ON).trials == ()
    assert sum("catalogtrial" in query["sql"] for query in without) == 1
    trial = begin(program, ("B", "X"))
    catalog = day_catalog(program, ON)
    with CaptureQueriesContext(connection) as asked:
        tries = [catalog.tried_by(number.to_bytes(16, "big"), {}) for number in range(100)]
        assert {len(catalog.for_attributes({}, found)) for found in tries} == {3}
    assert len(asked) == 0
    assert 20 < sum(found == (trial.pk,) for found in tries) < 80


def test_only_who_is_in_the_segment_takes_part() -> None:
    rule = [{"attribute": "region", "operator": "is", "values": ["north"]}]
    trial = Trial(1, "salt", Decimal(1), rule, {}, frozenset(), frozenset())
    assert trial.takes(b"k" * 16, {"region": "north"})
    assert not trial.takes(b"k" * 16, {"region": "south"})
    assert not Trial(1, "salt", Decimal(0), rule, {}, frozenset(), frozenset()).takes(b"k" * 16, {"region": "north"})


def test_periods_without_others() -> None:
    one, two, three, four = (CREATED_AT + timedelta(days=number) for number in range(4))
    assert leave_out([(one, None)], [(two, three)]) == [(one, two), (three, None)]
    assert leave_out([(None, four)], [(two, None)]) == [(None, two)]
    assert leave_out([(two, three)], [(one, four)]) == []
    assert leave_out([(one, two), (three, four)], [(two, three)]) == [(one, two), (three, four)]
    assert leave_out([(one, None)], [(one, two), (three, four)]) == [(two, three), (four, None)]


def test_an_offer_says_its_part_in_a_trial_in_words(program: Program) -> None:
    make_segment(program, "north", "region", ("north",))
    trial = begin(program, ("A", "X"), ("B", None), (None, "C"), share=20, segment_id=program.segments.get().pk)

    def said() -> dict[str, str]:
        rows = Offer.objects.annotate(part=trial_now()).exclude(part=None).values_list("external_id", "part")
        return {name: say_trial(name, part).replace("\u00a0", " ") for name, part in rows}

    assert said() == {
        "A": "on trial: 20 % of North see X instead",
        "B": "on trial: 20 % of North do not see it",
        "C": "on trial with 20 % of North",
        "X": "on trial: only 20 % of North see it",
    }
    end_trial(trial_id=trial.pk, actor="system", at=LATER)
    assert said() == {}
    begin(program, ("A", "C"), share=5)
    assert said() == {
        "A": "on trial: 5 % of members see C instead",
        "C": "on trial: 5 % of members see it in the place of A",
    }
