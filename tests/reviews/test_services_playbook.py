"""What the playbook proposes for flags: its first line that fits, once, and nothing for what is nobody's fault."""

from datetime import timedelta

import pytest

from partners.models import Program
from plum_site.lib.errors import InvalidInput
from reviews.choices import ActionKind, ActionState, Cause, Severity
from reviews.models import CorrectiveAction, FlagCase, Playbook, Scorecard
from reviews.rules.actions import Finding, PlaybookLine, default_playbook, find_proposal
from reviews.services.actions import cancel_action, save_playbook
from tests.factories.actions import AT
from tests.factories.flags import FELL, consolidate, make_watched_program, the_case
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, JUNE, record_month, reviewed
from tests.support.documents import read_table

pytestmark = pytest.mark.slow

both_engines = pytest.mark.both_engines
PAUSE_ALL = [PlaybookLine(cause="", kind=ActionKind.PAUSE_OFFER)]


def finding(**values: object) -> Finding:
    return Finding(**({"cause": Cause.RELEVANCE, "severity": Severity.WARNING, "standing": "watch", "months": 1} | values))


def test_the_playbook_of_a_new_program_is_the_documents() -> None:
    rows = read_table("docs/rules/playbook.md", "The playbook of a new program")
    written = [
        PlaybookLine(
            cause=row["cause"].replace("any", ""),
            severity=row["severity"].replace("any", ""),
            standing=row["standing"].replace("any", ""),
            months=int(row["months"]),
            kind=row["action"],
            audience=row["audience"],
            params={"how": "top"} if row["action"] == "rerank" else {},
        )
        for row in rows
    ]
    assert written == default_playbook()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"cause": Cause.RELEVANCE}, ActionKind.REFRESH_LISTING),
        ({"cause": Cause.AWARENESS}, ActionKind.RERANK),
        ({"cause": Cause.AWARENESS, "severity": Severity.CRITICAL}, ActionKind.PROMOTIONAL_PUSH),
        ({"cause": Cause.FRICTION, "severity": Severity.CRITICAL}, ActionKind.PAUSE_OFFER),
        ({"cause": Cause.FRICTION}, ActionKind.CONTACT_PARTNER),
        ({"months": 4, "standing": "underperforming"}, ActionKind.REPLACE_PARTNER),
        ({"months": 3, "standing": "underperforming"}, ActionKind.REFRESH_LISTING),
        ({"cause": Cause.MARKET_WIDE, "months": 9, "standing": "underperforming"}, None),
        ({"cause": Cause.POSITION}, None),
        ({"cause": Cause.TOO_LITTLE_DATA}, None),
    ],
)
def test_the_first_line_that_fits_is_taken(given: dict[str, object], kind: str | None) -> None:
    proposal = find_proposal(default_playbook(), finding(**given))

    assert (proposal.kind if proposal else None) == kind


def test_segments_that_carry_the_fall_are_proposed_for_where_the_line_says_so() -> None:
    found = finding(cause=Cause.AWARENESS, segments=("region=north", "region=east"), offers=("O1",))
    everyone = [PlaybookLine(Cause.AWARENESS, ActionKind.RERANK)]

    assert find_proposal(default_playbook(), found).segments == ("region=north", "region=east")
    assert find_proposal(everyone, found).segments == ()
    assert find_proposal(everyone, found).params == {"offers": ["O1"], "how": "top"}


@pytest.fixture
def program() -> Program:
    """P1 falls in June; every diagnosis leads to a pause."""
    made = make_watched_program("P1", "P2")
    record_month(made, "2026-05", {"P1": GOOD, "P2": GOOD}, tag="a")
    record_month(made, "2026-06", {"P1": FELL, "P2": GOOD})
    save_playbook(program_id=made.pk, lines=PAUSE_ALL, actor="system", at=IN_JULY)
    return made


@pytest.mark.django_db
@both_engines
def test_a_flag_leads_to_one_proposal_that_changes_nothing(program: Program) -> None:
    reviewed(program)
    for hours in (1, 2):
        consolidate(program, JUNE, IN_JULY + timedelta(hours=hours))

    [action] = CorrectiveAction.objects.all()
    case = the_case(program)
    card = Scorecard.objects.get(cycle=action.cycle, partner=case.partner)
    assert (action.state, action.kind, action.case, action.partner) == (
        ActionState.PROPOSED,
        ActionKind.PAUSE_OFFER,
        case,
        case.partner,
    )
    assert (action.proposer, action.owner, action.params) == (None, case.owner, {"offers": ["O-P1"]})
    assert action.reason == card.diagnosis["sentence"]
    assert action.due_date is not None
    assert str(case.partner.offers.get().state) == "published"


@pytest.mark.django_db
@both_engines
def test_one_that_was_called_off_is_not_proposed_again_in_its_cycle(program: Program) -> None:
    reviewed(program)
    anna = make_member_of_staff(program, "program_admin", "anna")
    cancel_action(action_id=CorrectiveAction.objects.get().pk, actor=anna, at=AT, comment="We wait.")

    consolidate(program, JUNE, IN_JULY + timedelta(hours=1))

    assert CorrectiveAction.objects.count() == 1


@pytest.mark.django_db
@both_engines
def test_a_month_that_ended_long_ago_leads_to_nothing(program: Program) -> None:
    reviewed(program, at=IN_JULY + timedelta(days=60))

    assert FlagCase.objects.exists()
    assert not CorrectiveAction.objects.exists()


@pytest.mark.django_db
def test_a_playbook_is_versions_and_names_what_is_wrong_in_which_line(program: Program) -> None:
    assert save_playbook(program_id=program.pk, lines=PAUSE_ALL, actor="system", at=AT).number == 1
    wrong = [
        PlaybookLine("gloom", ActionKind.RERANK),
        PlaybookLine(Cause.MARKET_WIDE, ActionKind.RERANK),
        PlaybookLine("", "sing"),
        PlaybookLine("", ActionKind.RERANK, params={"how": "sideways"}),
        PlaybookLine("", ActionKind.PAUSE_OFFER, months=0),
        PlaybookLine("", ActionKind.PAUSE_OFFER, audience="friends"),
    ]
    with pytest.raises(InvalidInput, match="version in force stays") as error:
        save_playbook(program_id=program.pk, lines=wrong, actor="system", at=AT)
    assert list(error.value.fields) == [f"line {number}" for number in range(1, 7)]
    assert Playbook.objects.count() == 1
