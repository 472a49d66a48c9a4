"""Opening a replacement: what the corrective action that asks for it does."""

from datetime import datetime

from django.utils.text import slugify

from offers.models import Segment
from offers.selectors import list_segments
from offers.services import save_segment
from partners.choices import PartnerState
from partners.models import Partner
from partners.services import change_partner_state
from plum_site.lib import audit
from plum_site.lib.errors import DomainError
from plum_site.lib.periods import local_date
from reviews.choices import ReplacementStep
from reviews.models import CorrectiveAction, Replacement, ReplacementTask
from reviews.rules.replacements import plan_days
from reviews.selectors.replacements import find_open_replacement, list_old_offers
from reviews.services.replacements.log import note_opening

GONE = (PartnerState.RETIRED, PartnerState.REJECTED, PartnerState.PROSPECT, PartnerState.ONBOARDING)


class UnableToReplace(DomainError):
    """A partner cannot be replaced, or not so, or not now."""


def check_opening(action: CorrectiveAction) -> tuple[str, Segment | None]:
    """
    What the replacement would be about that an action asks for: category and segment; of a country its segment, if there is one.

    Raises: UnableToReplace - not_supplying, no_offers, replaced_already, opened_already.
    Writes: nothing.
    """
    known = Replacement.objects.filter(action=action.pk).first() if action.pk else None
    if known is not None:
        sentence = f"This action had its replacement already ({known.pk}). Nothing was opened: propose another one."
        raise UnableToReplace("opened_already", sentence)
    partner = Partner.objects.select_related("program").get(pk=action.partner_id)
    category = action.params.get("category", "")
    if partner.state in GONE:
        raise UnableToReplace("not_supplying", f"{partner} is {partner.get_state_display().lower()}. Nothing was opened.")
    if not list_old_offers(action.program_id, partner, category).exists():
        which = f"no offer of the category {category!r}" if category else "no offer"
        raise UnableToReplace(
            "no_offers", f"{partner} has {which} in the catalog. Nothing was opened: there is nothing to replace."
        )
    segment = find_scope(action)
    other = find_open_replacement(partner.pk, category, segment.pk if segment else None)
    if other is not None:
        sentence = f"{partner} is being replaced already (replacement {other.pk}). Nothing was opened: end that one first."
        raise UnableToReplace("replaced_already", sentence)
    return category, segment


def open_replacement(*, action: CorrectiveAction, at: datetime) -> Replacement:
    """
    Open the replacement that an approved action asks for. The partner is `replacing` from now on where all of it goes.

    Raises: UnableToReplace - not_supplying, no_offers, replaced_already, opened_already; InvalidInput where the program keeps no
    country.
    Writes: reviews_replacement, reviews_replacementtask, reviews_replacementtransition, partners_partner,
    partners_partnertransition, offers_segment, plum_auditevent, what listeners write; in the caller's transaction.
    Source: docs/rules/replacement.md
    """
    Partner.objects.select_for_update(of=("self",)).get(pk=action.partner_id)  # so that two openings follow each other
    category, _ = check_opening(action)
    replacement = Replacement.objects.create(
        program=action.program,
        action=action,
        partner=action.partner,
        category=category,
        segment=make_scope(action, at),
        owner=action.owner,
        opened_at=at,
    )
    days = plan_days(local_date(at, action.program.time_zone))
    ReplacementTask.objects.bulk_create(
        # Whoever owns it often maps the offers, and then cannot approve: that is for whoever may.
        ReplacementTask(
            replacement=replacement,
            step=step,
            owner=None if step == ReplacementStep.APPROVE else action.owner,
            due_date=day,
        )
        for step, day in days.items()
    )
    if is_whole(replacement) and replacement.partner.state != PartnerState.REPLACING:
        change_partner_state(
            partner_id=action.partner_id,
            name="start_replacement",
            actor=audit.SYSTEM,
            at=at,
            comment=action.reason or f"Replacement {replacement.pk}.",
            source_ref=source_ref(replacement),
        )
    note_opening(replacement, at)
    return replacement


def is_whole(replacement: Replacement) -> bool:
    """
    Whether all of a partner goes.

    Raises: nothing.
    Writes: nothing.
    """
    return not replacement.category and replacement.segment_id is None


def source_ref(replacement: Replacement) -> str:
    """
    How what a replacement does names it as its cause.

    Raises: nothing.
    Writes: nothing.
    """
    return f"reviews.Replacement:{replacement.pk}"


def find_scope(action: CorrectiveAction) -> Segment | None:
    """
    The segment of the members that a replacement is for: the action's, those of its country, or both at once; None where
    everybody is meant, or where there is no such segment yet.

    Raises: nothing.
    Writes: nothing.
    """
    rule = _rule_of(action)
    if not action.params.get("country"):
        return action.segment
    return next((segment for segment in list_segments(action.program_id) if segment.rule == rule), None)


def make_scope(action: CorrectiveAction, at: datetime) -> Segment | None:
    """
    As find_scope; a segment that is needed and not there is made.

    Raises: InvalidInput - unknown_attribute where the program does not keep its members' country.
    Writes: offers_segment, partners_program.catalog_revision, plum_auditevent.
    """
    found = find_scope(action)
    if found is not None or not action.params.get("country"):
        return found
    country = action.params["country"]
    named = f" in {action.segment.name}" if action.segment else ""
    code = slugify(f"country-{country}{f'-{action.segment.code}' if action.segment else ''}")[:60]
    made, _ = save_segment(
        program_id=action.program_id,
        code=code,
        name=f"Country {country}{named}"[:200],
        rule=_rule_of(action),
        actor=audit.SYSTEM,
        at=at,
    )
    return made


def _rule_of(action: CorrectiveAction) -> list[dict[str, object]]:
    country = [{"attribute": "country", "operator": "is", "values": [action.params.get("country", "")]}]
    return [*(action.segment.rule if action.segment else []), *country]
