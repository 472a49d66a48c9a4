"""
Every kind of corrective action as tests need it: what it is told, how often its effect took place, and what somebody else may
change afterwards. A new kind is one more row, and is tried in every situation: twice, dying, at once, reverted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from offers.models import Listing, Offer, OfferTransition, RankingRevision
from offers.services import change_offer_state, publish_listing, save_ranking
from partners.models import Partner, Program
from partners.services import save_contact
from plum_site.lib.models import Outbox, User
from reviews.choices import ActionKind
from reviews.models import CorrectiveAction
from reviews.services.actions import approve_action, propose_action
from tests.factories.actions import WORDS
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT

LETTER = {"subject": "Your offers in June", "text": "Members activate less. What happened?"}


@dataclass(frozen=True)
class KindCase:
    """
    params: what an action about an offer is told. count: how often its effect stands in the database. change: what
    somebody does afterwards that a revert would overwrite; None where nothing can be taken back.
    """

    params: Callable[[str], dict[str, Any]]
    count: Callable[[CorrectiveAction], int]
    change: Callable[[Offer, datetime], object] | None = None


def caused(rows: Any, action: CorrectiveAction) -> int:
    """How many rows name an action as their cause."""
    return int(rows.filter(source_ref=f"reviews.CorrectiveAction:{action.pk}").count())


def resume(offer: Offer, at: datetime) -> object:
    """Somebody publishes a paused offer again."""
    return change_offer_state(offer_id=offer.pk, name="resume", actor="system", at=at, comment="by hand")


def reorder(offer: Offer, at: datetime) -> object:
    """Somebody saves another order."""
    ids = list(Offer.objects.filter(program_id=offer.program_id).order_by("-external_id").values_list("pk", flat=True))
    return save_ranking(program_id=offer.program_id, offer_ids=ids, actor="system", at=at)


def reword(offer: Offer, at: datetime) -> object:
    """Somebody publishes other words."""
    return publish_listing(offer_id=offer.pk, title="Other words", actor="system", at=at)


KINDS: dict[str, KindCase] = {
    ActionKind.RERANK: KindCase(
        lambda offer: {"offers": [offer], "how": "hide"}, lambda action: caused(RankingRevision.objects, action), reorder
    ),
    ActionKind.REFRESH_LISTING: KindCase(
        lambda offer: {"offers": [offer], **WORDS}, lambda action: caused(Listing.objects, action), reword
    ),
    ActionKind.PAUSE_OFFER: KindCase(
        lambda offer: {"offers": [offer]}, lambda action: caused(OfferTransition.objects.filter(name="pause"), action), resume
    ),
    ActionKind.CONTACT_PARTNER: KindCase(
        lambda offer: LETTER,
        lambda action: Outbox.objects.filter(
            dedup_key__in=[f"letter:{link.pk}:1" for link in action.partner_links.all()]
        ).count(),
    ),
}
# A push is many messages over a while, and a replacement many steps: tests/reviews/test_services_pushes.py, test_push_faults.py,
# test_services_replacements.py and test_replacement_faults.py try them in the same situations.
ELSEWHERE = frozenset({ActionKind.PROMOTIONAL_PUSH, ActionKind.REPLACE_PARTNER})


def make_subject(program: Program, name: str) -> Partner:
    """A partner with one offer of the same name and somebody to write to: whatever the kind, its action can be done."""
    partner = make_partner(program, name)
    make_offer(program, name, partner_external_id=name)
    address = {"name": f"Contact of {name}", "email": f"{name.lower()}@partners.example", "role": "account"}
    save_contact(partner_id=partner.pk, **address, language="en", actor="system", at=CREATED_AT)
    return partner


def approved(partner: Partner, kind: str, person: User, at: datetime) -> CorrectiveAction:
    """An action about such a partner that waits for the worker."""
    action = propose_action(partner_id=partner.pk, kind=kind, params=KINDS[kind].params(partner.external_id), actor=person, at=at)
    return approve_action(action_id=action.pk, actor=person, at=at)
