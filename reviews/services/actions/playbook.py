"""What the playbook proposes for flags, and its versions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from offers.choices import PresentState
from offers.selectors import list_offers
from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.periods import local_date, months_between
from reviews.choices import ActionKind, RuleTarget
from reviews.models import CorrectiveAction, FlagCase, Playbook, ReviewCycle, Scorecard
from reviews.rules import PartInput
from reviews.rules.actions import (
    Finding,
    PlacingSpec,
    PlaybookLine,
    ProposalSpec,
    check_placing,
    check_playbook,
    find_proposal,
    write_lines,
)
from reviews.selectors.actions import UNDER_WAY, read_playbook
from reviews.services.actions.approvals import check_number
from reviews.services.actions.notices import tell_of_proposals
from reviews.services.actions.placing import propose_placings, segment_of
from reviews.services.actions.proposing import propose_action

DUE_AFTER = timedelta(days=14)


def propose_by_playbook(
    *, cycle: ReviewCycle, cases: Sequence[FlagCase], parts: Sequence[PartInput], at: datetime
) -> list[CorrectiveAction]:
    """
    Propose what the playbook says for a cycle, and tell each person who should decide in one mail.

    parts: what the consolidation read of segments.

    Raises: nothing.
    Writes: what propose_for_flags and propose_placings write; plum_outbox, in the caller's transaction.
    Source: docs/rules/playbook.md
    """
    proposed = [*propose_for_flags(cycle=cycle, cases=cases, at=at), *propose_placings(cycle=cycle, parts=parts, at=at)]
    tell_of_proposals(actions=proposed, at=at)
    return proposed


def propose_for_flags(*, cycle: ReviewCycle, cases: Sequence[FlagCase], at: datetime) -> list[CorrectiveAction]:
    """
    Propose what the playbook says for flags of one cycle; for each flag, kind and segment at most once a cycle, and not while
    another action of that kind for the flag is under way. What cannot be proposed (an offer that is gone) is left out.

    Raises: nothing.
    Writes: reviews_correctiveaction, reviews_actiontransition, offers_segment, plum_auditevent, in the caller's transaction.
    Source: docs/rules/playbook.md
    """
    lines = read_playbook(cycle.program_id).lines
    cards = {card.partner_id: card for card in Scorecard.objects.filter(cycle=cycle)}
    proposed: list[CorrectiveAction] = []
    for case in cases:
        card = cards.get(case.partner_id)
        if card is None or (finding := find_finding(case, card, at)) is None:
            continue
        proposal = find_proposal(lines, finding)
        if proposal and not _is_under_way(case, proposal):
            proposed += _propose(cycle, case, card, proposal, at)
    return proposed


def find_finding(case: FlagCase, card: Scorecard, at: datetime) -> Finding | None:
    """
    What a flag and the diagnosis of its partner say to the playbook; None without a diagnosis.

    Shape: one Finding or None.
    """
    diagnosis: Mapping[str, Any] | None = card.diagnosis
    if not diagnosis:
        return None
    carriers = diagnosis.get("carriers", [])
    offers = [carrier["key"] for carrier in carriers if carrier["target"] == RuleTarget.OFFER]
    if case.target == RuleTarget.OFFER and case.target_key not in offers:
        offers.insert(0, case.target_key)
    segments = [carrier["key"] for carrier in carriers if carrier["target"] == RuleTarget.PARTNER_SEGMENT]
    if case.target == RuleTarget.PARTNER_SEGMENT and case.target_key not in segments:
        segments.insert(0, case.target_key)
    if not offers:
        today = local_date(at, case.program.time_zone)
        live = list_offers(case.program_id).filter(partner=case.partner_id).in_present_state(PresentState.LIVE, today)
        offers = [offer.external_id for offer in live]
    months = len(months_between(case.first_month_date, case.newest_month_date))
    return Finding(diagnosis["cause"], case.seen["severity"], card.standing, months, tuple(offers), tuple(segments))


@transaction.atomic
def save_playbook(
    *,
    program_id: int,
    lines: Sequence[PlaybookLine],
    actor: User | str,
    at: datetime,
    placing: PlacingSpec | None = None,
    replaces: int | None = None,
) -> Playbook:
    """
    Say what is proposed for which diagnosis, and for segments (placing; None: as it is), as the next version. The same again
    changes nothing.

    replaces: the number of the version that the caller saw.

    Raises: InvalidInput - invalid_playbook, with a sentence for each line at fault; DomainError - changed_since.
    Writes: reviews_playbook, plum_auditevent; locks the program.
    Source: docs/rules/playbook.md
    """
    check_playbook(lines)
    Program.objects.select_for_update().get(pk=program_id)
    in_force = read_playbook(program_id)
    check_number(in_force.number, replaces, "playbook")
    placing = placing or in_force.placing
    check_placing(placing)
    if in_force.row is not None and (in_force.lines, in_force.placing) == (list(lines), placing):
        return in_force.row
    row = Playbook.objects.create(
        program_id=program_id,
        number=in_force.number + 1,
        lines=write_lines(lines),
        placing=placing.as_json(),
        made_by=audit.actor_name(actor),
        made_at=at,
    )
    audit.record(
        program_id=program_id,
        actor=actor,
        action="reviews.save_playbook",
        row=row,
        at=at,
        before={"number": in_force.number},
        after={"number": row.number, "lines": len(lines), "placing": row.placing},
    )
    return row


def _is_under_way(case: FlagCase, proposal: ProposalSpec) -> bool:
    """Whether an action of the kind is under way for the flag; a partner is replaced once, whichever flag or rule says so."""
    actions = case.partner.actions if proposal.kind == ActionKind.REPLACE_PARTNER else case.actions
    return actions.filter(kind=proposal.kind, state__in=UNDER_WAY).exists()


def _propose(cycle: ReviewCycle, case: FlagCase, card: Scorecard, proposal: ProposalSpec, at: datetime) -> list[CorrectiveAction]:
    """One action for each segment that carries the fall, or one for everyone."""
    made = []
    for segment in proposal.segments or ("",):
        code = segment_of(cycle.program_id, segment, at).code if segment else ""
        try:
            with transaction.atomic():
                action = propose_action(
                    partner_id=case.partner_id,
                    kind=proposal.kind,
                    params=proposal.params,
                    segment=code,
                    reason=(card.diagnosis or {}).get("sentence", ""),
                    case=case,
                    cycle=cycle,
                    due_date=local_date(at + DUE_AFTER, case.program.time_zone),
                    proposal_key=f"{cycle.pk}:{case.pk}:{proposal.kind}:{code}",
                    actor=audit.SYSTEM,
                    at=at,
                )
        except DomainError:
            continue
        made.append(action)
    return made
