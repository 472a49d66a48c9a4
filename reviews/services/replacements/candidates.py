"""Candidates: compared, added, made as prospects on the spot, chosen, and dropped when the terms are refused."""

from datetime import datetime
from typing import Any

from django.db import transaction

from partners.choices import PartnerState
from partners.selectors import find_partner, get_partner
from partners.services import save_partner
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from reviews.models import Replacement, ReplacementCandidate
from reviews.rules.replacements import Pair
from reviews.selectors.replacements import compare_candidates, list_old_offers, list_possible
from reviews.services.replacements.gaps import accept_gaps
from reviews.services.replacements.log import UNAPPROVED, lock_replacement, may_work, note_change, take


@transaction.atomic
def compare_replacement(*, replacement_id: int, actor: User | str, at: datetime, comment: str = "") -> Replacement:
    """
    Compare the candidates and keep what was seen; again, for newer figures or further candidates.

    Raises: NotFound; NotAllowed; DomainError - transition_refused.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    take(replacement, "compare", actor, at, comment, comparison=compare_candidates(replacement, at))
    return replacement


@transaction.atomic
def add_candidate(*, replacement_id: int, partner: str, actor: User | str, at: datetime) -> ReplacementCandidate:
    """
    Name a partner as a candidate that the comparison would not find by itself. One that refused is asked again by this.

    partner: external id.

    Raises: NotFound; NotAllowed; InvalidInput - invalid_candidate.
    Writes: reviews_replacementcandidate, plum_auditevent.
    """
    replacement = lock_replacement(replacement_id)
    may_work(replacement, actor)
    found = get_partner(replacement.program_id, partner)
    if found.pk == replacement.partner_id:
        raise _invalid("This is the partner that is replaced.")
    if found.state in (PartnerState.RETIRED, PartnerState.REJECTED, PartnerState.PAUSED, PartnerState.REPLACING):
        raise _invalid(f"{found} is {found.get_state_display().lower()}.")
    row, _ = ReplacementCandidate.objects.update_or_create(
        replacement=replacement,
        partner=found,
        defaults={"refused_at": None, "refusal": ""},
        create_defaults={"added_by": audit.actor_name(actor), "added_at": at},
    )
    note_change(replacement, "add_candidate", actor, at, partner=partner)
    return row


@transaction.atomic
def add_prospect(
    *,
    replacement_id: int,
    external_id: str,
    name: str,
    actor: User | str,
    at: datetime,
    category: str = "",
    country: str = "",
) -> ReplacementCandidate:
    """
    Make a new partner as a prospect and name it as a candidate. Its offers are drafted as any partner's, and go live at the
    cutover. category "": that of the partner who is replaced.

    Raises: NotFound; NotAllowed; InvalidInput - invalid_candidate where there is such a partner already, and as save_partner.
    Writes: partners_partner, partners_category, partners_partnertransition, reviews_replacementcandidate, plum_auditevent.
    """
    replacement = lock_replacement(replacement_id)
    may_work(replacement, actor)
    if find_partner(replacement.program_id, external_id) is not None:
        raise _invalid(f"There is a partner {external_id!r} already. Add it as a candidate instead.", "external_id")
    save_partner(
        program_id=replacement.program_id,
        external_id=external_id,
        name=name,
        category=category or replacement.partner.category.code,
        country=country,
        actor=actor,
        at=at,
        state=PartnerState.PROSPECT,
    )
    return add_candidate(replacement_id=replacement_id, partner=external_id, actor=actor, at=at)


@transaction.atomic
def choose_candidate(*, replacement_id: int, partner: str, actor: User | str, at: datetime, comment: str = "") -> Replacement:
    """
    Choose who takes the place: one of those that could. partner: external id.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_candidate.
    Writes: reviews_replacement, reviews_replacementcandidate, reviews_replacementoffer, reviews_replacementtransition,
    plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    found = {one.external_id: one for one in list_possible(replacement)}.get(partner)
    if found is None:
        raise _invalid(f"{partner!r} is no candidate, or it refused the terms. Add it as a candidate first.")
    if replacement.successor_id != found.pk:
        replacement.offers.all().delete()  # another partner's offers cannot follow
    changes: dict[str, Any] = {"successor": found, "is_without": False, "accepted_gaps": [], "revision": replacement.revision + 1}
    take(replacement, "choose", actor, at, comment, **changes)
    ReplacementCandidate.objects.get_or_create(
        replacement=replacement, partner=found, defaults={"added_by": audit.actor_name(actor), "added_at": at}
    )
    return replacement


@transaction.atomic
def refuse_terms(*, replacement_id: int, actor: User | str, at: datetime, comment: str) -> Replacement:
    """
    The chosen candidate refused the terms, or was refused: back to the candidates, without it.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required.
    Writes: reviews_replacement, reviews_replacementcandidate, reviews_replacementoffer, reviews_replacementtransition,
    plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    who = replacement.successor
    changes: dict[str, Any] = {"successor": None, "terms": "", "accepted_gaps": [], "revision": replacement.revision + 1}
    take(replacement, "refuse_terms", actor, at, comment, **changes)
    replacement.candidates.filter(partner=who).update(refused_at=at, refusal=comment)
    replacement.offers.all().delete()
    return replacement


@transaction.atomic
def go_without(
    *, replacement_id: int, gaps: list[str], actor: User | str, at: datetime, comment: str, replaces: int | None = None
) -> Replacement:
    """
    Let the partner go without a successor, after accepting what nobody offers then. gaps: keys of the gaps that were seen.

    It goes on as a replacement in which nothing follows any offer: approved by another person, cut over, verified.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required, gaps_not_accepted,
    changed_since.
    Writes: reviews_replacement, reviews_replacementoffer, reviews_replacementtransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id, replaces)
    replacement.successor = None
    olds = list(list_old_offers(replacement.program_id, replacement.partner, replacement.category))
    pairs = [Pair(old.external_id, None) for old in olds]
    accepted = accept_gaps(replacement, pairs, gaps, at)
    replacement.offers.all().delete()
    replacement.offers.bulk_create(replacement.offers.model(replacement=replacement, old=old) for old in olds)
    changes: dict[str, Any] = {
        "successor": None,
        "is_without": True,
        "terms": "",
        "accepted_gaps": accepted,
        "revision": replacement.revision + 1,
        "mapped_at": at,
        **UNAPPROVED,
    }
    take(replacement, "go_without", actor, at, comment, signed="mapper", **changes)
    return replacement


def _invalid(sentence: str, field: str = "partner") -> InvalidInput:
    return InvalidInput("invalid_candidate", f"{sentence} Nothing was changed.", {field: sentence})
