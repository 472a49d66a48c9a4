"""What the lists and pages of partners and offers say of their last 30 days and their reviews, and how it is filtered by."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activity.choices import Kind
from activity.selectors import summarise
from activity.selectors.recent import count_recent_days
from activity.services.sealing import seal_ledger
from offers.models import Offer
from partners.models import Partner, Program
from plum_site.lib import panels
from plum_site.lib.admin import url_of
from reviews.choices import FlagState, RuleTarget
from reviews.models import FlagCase, Rule, Scorecard
from reviews.selectors import find_latest_cycle
from reviews.selectors.worklist import find_share
from tests.factories.flags import watch_alone
from tests.factories.ledger import record
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, make_reviewable_program, month_of_events, record_month, reviewed
from tests.support.pages import list_inline, sign_in, text_of
from tests.support.rows import Rows

pytestmark = [pytest.mark.both_engines, pytest.mark.slow]
BAD = {**GOOD, "unlocks": 20, "reversals": 15}
SENTENCE = "Members see the offers and do not unlock them."
DIAGNOSIS = {
    "cause": "relevance",
    "sentence": SENTENCE,
    "carriers": [
        {"target": "offer", "key": "O-P2", "share": 0.71},
        {"target": "partner_segment", "key": "region=north", "share": 0.6},
    ],
    "actions": [],
}
PARTNERS, OFFERS = "admin:partners_partner_changelist", "admin:offers_offer_changelist"


@pytest.fixture
def program(db: None) -> Program:
    """Three partners with two months; P2 does badly in June, P3 did nothing then."""
    program = make_reviewable_program("P1", "P2", "P3")
    watch_alone(program)  # by a rule that nothing here crosses
    record_month(program, "2026-05", {"P1": GOOD, "P2": GOOD, "P3": GOOD})
    record_month(program, "2026-06", {"P1": GOOD, "P2": BAD})
    reviewed(program)
    Scorecard.objects.filter(partner__external_id="P2").update(diagnosis=DIAGNOSIS)
    return program


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def raise_flag(program: Program, partner: str = "P2", **fields: Any) -> FlagCase:
    """A flag that is not ended, of the partner or of what is said."""
    values = {"state": FlagState.OPEN, "target": RuleTarget.PARTNER, "target_key": "", "resolution": "", "reason": ""} | fields
    rule = Rule.objects.filter(program=program).order_by("pk")[FlagCase.objects.count()]
    own = Partner.objects.get(program=program, external_id=partner)
    return Rows().make(FlagCase, program=program, partner=own, rule=rule, opened_at=datetime(2026, 7, 1, tzinfo=UTC), **values)


def cells(client: Client, name: str, query: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    """The added cells of a list by external id."""
    rows = client.get(reverse(name), query or {}).context["cl"].result_list
    return {row.external_id: {title: str(cell) for title, cell in row.plum_cells.items()} for row in rows}


def test_a_list_of_partners_says_how_they_do_and_why(client: Client, program: Program) -> None:
    raise_flag(program)
    raise_flag(program, target=RuleTarget.OFFER, target_key="O-P2")

    found = cells(client, PARTNERS)

    assert list(found["P2"]) == ["Last 30 days", "Rates (before)", "Standing", "Open flags", "Diagnosis", "Actions"]
    assert "2" in found["P2"]["Open flags"]
    assert found["P1"]["Open flags"] == "0"
    assert SENTENCE in found["P2"]["Diagnosis"]
    assert "Relevance" in found["P2"]["Diagnosis"]
    assert "No data" in found["P1"]["Diagnosis"]
    card = Scorecard.objects.get(partner__external_id="P2")
    assert url_of(card) in found["P2"]["Standing"]
    assert "June 2026" in found["P2"]["Standing"]
    assert "No activity" in found["P3"]["Standing"]


def test_the_last_days_are_those_of_the_metric_layer(client: Client, program: Program) -> None:
    """Nothing happened for long, so the 30 days up to the last day with activity, and the 30 before."""
    last = date(2026, 6, 19)
    first = last + timedelta(days=1) - timedelta(days=30)
    [now] = summarise(program=program, starts_date=first, ends_date=last + timedelta(days=1), where={"partner": ["P2"]}).rows
    [before] = summarise(program=program, starts_date=first - timedelta(days=30), ends_date=first, where={"partner": ["P2"]}).rows

    cell = cells(client, PARTNERS)["P2"]

    assert f"{now['views']} views" in cell["Last 30 days"]
    assert f"{now['unlocks']} unlocks" in cell["Last 30 days"]
    assert (now["unlocks"], before["unlocks"]) == (20, 90)
    assert "▼ 78 %" in cell["Last 30 days"]
    assert "Unlock 6.7 %" in cell["Rates (before)"]
    assert "(30.0 %)" in cell["Rates (before)"]
    assert 'aria-label="Redemptions by day: 40, at most 4 on one day"' in cell["Last 30 days"]


def test_the_columns_of_lower_apps_stand_first_whoever_was_imported_first(client: Client, program: Program, monkeypatch) -> None:
    before = list(cells(client, PARTNERS)["P2"])
    own = [entry for entry in panels.COLUMNS["partners.Partner"] if entry.values.__module__.startswith("reviews")]
    others = [entry for entry in panels.COLUMNS["partners.Partner"] if entry not in own]
    for added in (own + others, others + own):
        monkeypatch.setitem(panels.COLUMNS, "partners.Partner", added)
        assert list(cells(client, PARTNERS)["P2"]) == before


def test_a_list_of_offers_names_its_own_flags_and_what_it_carries(client: Client, program: Program) -> None:
    raise_flag(program)
    raise_flag(program, target=RuleTarget.OFFER, target_key="O-P2")

    found = cells(client, OFFERS)

    assert list(found["O-P2"]) == ["Last 30 days", "Rates (before)", "Partner's standing", "Open flags", "Diagnosis", "Actions"]
    assert "1" in found["O-P2"]["Open flags"]
    assert "carries 71 % of its partner's fall" in found["O-P2"]["Diagnosis"].replace("&#x27;", "'")
    assert "No data" in found["O-P1"]["Diagnosis"]


@pytest.mark.parametrize("state", [FlagState.RESOLVED, FlagState.DISMISSED])
def test_flags_that_are_ended_do_not_count(client: Client, program: Program, state: str) -> None:
    ended = {"ended_at": datetime(2026, 7, 2, tzinfo=UTC), "ended_month_date": date(2026, 6, 1), "reason": "A holiday."}
    raise_flag(program, state=state, resolution="data" if state == FlagState.RESOLVED else "", **ended)

    assert cells(client, PARTNERS)["P2"]["Open flags"] == "0"
    assert set(cells(client, PARTNERS, {"flagged": "yes"})) == set()


def test_filters(client: Client, program: Program) -> None:
    raise_flag(program, state=FlagState.ACKNOWLEDGED, target=RuleTarget.OFFER, target_key="O-P2")
    raise_flag(program, "P1", target=RuleTarget.PARTNER_SEGMENT, target_key="region=north")

    assert set(cells(client, PARTNERS, {"flagged": "yes"})) == {"P1", "P2"}
    assert set(cells(client, PARTNERS, {"flagged": "no"})) == {"P3"}
    assert set(cells(client, OFFERS, {"flagged": "yes"})) == {"O-P2"}
    assert set(cells(client, OFFERS, {"flagged": "no"})) == {"O-P1", "O-P3"}
    assert set(cells(client, PARTNERS, {"standing": "no_activity"})) == {"P3"}
    assert set(cells(client, OFFERS, {"standing": "no_activity"})) == {"O-P3"}
    assert set(cells(client, PARTNERS, {"standing": "nonsense"})) == {"P1", "P2", "P3"}


def test_flags_of_another_program_are_its_own(client: Client, program: Program) -> None:
    other = make_reviewable_program("P1", "P2", code="other")
    watch_alone(other)
    record_month(other, "2026-06", {"P1": GOOD, "P2": GOOD})
    reviewed(other)
    raise_flag(other, target=RuleTarget.OFFER, target_key="O-P2")

    assert cells(client, PARTNERS)["P2"]["Open flags"] == "0"
    assert set(cells(client, OFFERS, {"flagged": "yes"})) == set()


def test_the_page_of_a_partner(client: Client, program: Program) -> None:
    raise_flag(program, target=RuleTarget.OFFER, target_key="O-P2")
    partner = Partner.objects.get(program=program, external_id="P2")

    page = client.get(url_of(partner))

    said = text_of(page)
    assert not list_inline(page.content.decode())
    assert SENTENCE in said
    assert "scorecard of June 2026" in said
    assert "30 days before" in said
    [panel] = [panel for panel in page.context["panels"] if panel.title == "Reviews"]
    assert [row[1] for row in panel.contents["flags"].rows] == ["O-P2"]
    months = panel.contents["table"]
    assert months.headers[:4] == ["Month", "Standing", "Score", "Unlock rate"]
    assert months.rows[0][3] == "6.7 %"
    assert client.get(panel.contents["compare_url"]).status_code == 200


def test_the_page_of_an_offer(client: Client, program: Program) -> None:
    raise_flag(program, target=RuleTarget.OFFER, target_key="O-P2")
    raise_flag(program)

    page = client.get(url_of(Offer.objects.get(program=program, external_id="O-P2")))

    said = text_of(page)
    assert not list_inline(page.content.decode())
    assert "This offer carries 71 % of its partner's fall." in said
    [panel] = [panel for panel in page.context["panels"] if panel.title == "Reviews"]
    assert [row[1] for row in panel.contents["flags"].rows] == ["O-P2"]
    assert panel.contents["table"].headers == [
        *("Month", "Views", "Unlocks", "Activations", "Redemptions"),
        *("Unlock rate", "Activation rate", "Redemption rate", "Its partner"),
    ]


def test_a_partner_that_was_never_reviewed(client: Client, program: Program) -> None:
    Scorecard.objects.filter(partner__external_id="P3", cycle=find_latest_cycle(program.pk)).update(diagnosis=None)
    empty = make_reviewable_program("P1", code="empty")
    browser = sign_in(make_member_of_staff(empty, "analyst", "ana in empty"))

    said = text_of(browser.get(url_of(Partner.objects.get(program=empty))))

    assert "Not reviewed yet." in said
    assert "No flag is open." in said
    assert "Nothing happened with this offer" in text_of(browser.get(url_of(Offer.objects.get(program=empty))))


@pytest.mark.parametrize("name", [PARTNERS, OFFERS])
def test_more_rows_and_more_flags_cost_no_more_statements(client: Client, program: Program, name: str) -> None:
    def count(query: dict[str, str]) -> int:
        client.get(reverse(name), query)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse(name), query).status_code == 200
        return len(captured)

    raise_flag(program)
    few = count({"q": "P2"})
    for partner in ("P1", "P3"):
        raise_flag(program, partner, target=RuleTarget.OFFER, target_key=f"O-{partner}")
    Scorecard.objects.update(diagnosis=DIAGNOSIS)

    assert count({"q": "P"}) == few


def test_days_are_counted_sealed_and_unsealed_alike(program: Program) -> None:
    seal_ledger(program_id=program.pk, at=datetime(2026, 7, 15, tzinfo=UTC))
    more = list(month_of_events("2026-06", "P1", {"redemptions": 5}, tag="late"))
    record(program, more, at=datetime(2026, 7, 20, tzinfo=UTC))
    partner = Partner.objects.get(program=program, external_id="P1")
    first, end = date(2026, 6, 1), date(2026, 7, 1)

    counted = count_recent_days(program.pk, "partner", Kind.REDEEMED, first, end, [partner.pk])[partner.pk]

    rows = summarise(program=program, starts_date=first, ends_date=end, by=["day"], where={"partner": ["P1"]}).rows
    assert {day.isoformat(): number for day, number in counted.items()} == {
        row["day"]: row["redemptions"] for row in rows if row["redemptions"]
    }
    assert sum(counted.values()) == GOOD["redemptions"] + 5


def test_what_an_offer_carries() -> None:
    assert find_share(DIAGNOSIS, "O-P2") == 0.71
    assert find_share(DIAGNOSIS, "region=north") is None
    assert find_share(None, "O-P2") is None
    assert find_share({"cause": "mixed"}, "O-P2") is None
