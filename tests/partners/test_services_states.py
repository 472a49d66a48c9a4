"""A partner's state changes by a named transition, with a log row and an audit row."""

from datetime import datetime

import pytest

from partners.choices import PartnerState
from partners.models import Partner, PartnerTransition
from partners.selectors import get_partner, get_program, list_transitions
from partners.services import change_partner_state
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.partners import make_partner, reach_partner_state
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", PartnerState.values)
def test_every_state_can_be_reached(state: str) -> None:
    assert reach_partner_state(make_program(), state).state == state


def test_a_transition_is_logged_and_audited(at: datetime) -> None:
    partner = make_partner(make_program())
    revision = get_program("acme").catalog_revision

    change_partner_state(
        partner_id=partner.pk, name="pause", actor="system", at=at, comment="Shop closed.", source_ref="reviews.Flag:7"
    )

    assert get_partner(partner.program_id, "P1").state == PartnerState.PAUSED
    newest, first = list_transitions(partner.pk)
    assert (newest.name, newest.from_state, newest.to_state, newest.actor, newest.at) == (
        "pause",
        "active",
        "paused",
        "system",
        at,
    )
    assert (newest.comment, newest.source_ref) == ("Shop closed.", "reviews.Flag:7")
    assert first.name == "create"
    row = AuditEvent.objects.get(action="partners.change_partner_state")
    assert (row.before, row.after) == ({"state": "active"}, {"state": "paused", "transition": "pause"})
    assert row.comment == "Shop closed."
    assert get_program("acme").catalog_revision > revision


@pytest.mark.parametrize(("name", "error"), [("resume", DomainError), ("pause", InvalidInput)])
def test_what_is_refused_changes_nothing(name: str, error: type[DomainError], at: datetime) -> None:
    partner = make_partner(make_program())

    with pytest.raises(error):
        change_partner_state(partner_id=partner.pk, name=name, actor="system", at=at)
    assert Partner.objects.get().state == PartnerState.ACTIVE
    assert PartnerTransition.objects.count() == 1


def test_a_partner_that_is_not_there(at: datetime) -> None:
    with pytest.raises(NotFound):
        change_partner_state(partner_id=1, name="pause", actor="system", at=at, comment="x")


def test_no_audit_row_no_change(at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    partner = make_partner(make_program())

    def fail(**kwargs: object) -> None:
        raise RuntimeError("no audit today")

    monkeypatch.setattr("plum_site.lib.transitions.audit.record", fail)
    with pytest.raises(RuntimeError, match="no audit"):
        change_partner_state(partner_id=partner.pk, name="pause", actor="system", at=at, comment="x")
    assert Partner.objects.get().state == PartnerState.ACTIVE
    assert PartnerTransition.objects.count() == 1
