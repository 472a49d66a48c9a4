"""A program with one of everything, for tests about walls: another with other names stands beside it."""

from datetime import UTC, date, datetime
from uuid import UUID

from activity.models import EventSource
from activity.services import MemberRow, Person, apply_people
from activity.services.statements import state_complete_through
from exports.models import Export, WebhookEndpoint
from exports.services import run_export, send_test_message, take_export
from offers.services import save_ranking
from partners.models import Program
from plum_site.lib.clock import now
from plum_site.lib.models import Job
from reviews.models import DataGap
from reviews.rules import default_rules
from reviews.selectors.previews import RULE_PREVIEW
from reviews.services import consolidate_cycle
from reviews.services.actions import propose_action
from tests.factories.exports import ask
from tests.factories.flags import make_case
from tests.factories.ledger import event, record
from tests.factories.offers import make_draft, make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program
from tests.factories.webhooks import make_endpoint

AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)


def make_world(code: str, mark: str, month_start_date: date) -> Program:
    """A reviewed program whose partner, offer, segment and member are P, O, s and M with `mark`, a number, behind it."""
    program = make_program(code, minimum_group=1, recorded_stages=["viewed"])
    make_partner(program, f"P{mark}")
    offer = make_offer(program, f"O{mark}", partner_external_id=f"P{mark}")
    make_draft(offer)
    make_segment(program, f"s{mark}")
    save_ranking(program_id=program.pk, segment_id=None, offer_ids=[offer.pk], actor="system", at=CREATED_AT)
    member = MemberRow(Person(f"M{mark}"), {"business_unit": "cards", "region": "north"})
    apply_people(program=program, source="file", rows=[member], actor="system", at=CREATED_AT)
    program.refresh_from_db()
    happened = f"{month_start_date:%Y-%m}-15T10:00:00Z"
    record(program, [event(occurred_at=happened, member=f"M{mark}", offer=f"O{mark}")])
    state_complete_through(program=program, code=f"S{mark}", complete_through=CREATED_AT, actor="system", at=AT)
    endpoint = make_endpoint(program)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(uuid=UUID(int=int(mark)))  # so that addresses can name it
    send_test_message(endpoint_id=endpoint.pk, actor="system", at=CREATED_AT)
    asked = ask(program)
    Export.objects.filter(pk=asked.pk).update(uuid=UUID(int=int(mark)))
    run_export(export_id=asked.pk, actor="system", at=now())  # its files are there for some days
    take_export(export_id=asked.pk, what="package", actor="system", at=now())
    consolidate_cycle(program_id=program.pk, month_start_date=month_start_date, actor="system", at=AT)
    source = EventSource.objects.get(program=program, code=f"S{mark}")
    DataGap.objects.create(pk=int(f"9000{mark}"), program=program, source=source, starts_at=CREATED_AT, ends_at=AT, found_at=AT)
    tried = {"name": "Low", "rule": default_rules("view_first")[0].spec.as_json(), "owner_id": None, "number": 0}
    job = Job(pk=int(f"9000{mark}"), name=RULE_PREVIEW, key=f"preview{mark}", program_id=program.pk, arguments=tried)
    job.due_at = job.created_at = AT
    job.save()
    make_case(program, 4000 + int(mark), month_start_date)
    propose_action(
        partner_id=program.partners.get().pk,
        kind="pause_offer",
        params={"offers": [f"O{mark}"]},
        proposal_key=f"world {mark}",
        actor="system",
        at=AT,
    )
    return program
