"""What the playbook proposes for segments once a month is over: partners to surface, and partners to lower."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.text import slugify

from offers.choices import PresentState
from offers.models import Segment
from offers.selectors import list_offers, list_segments
from offers.services import save_segment
from partners.choices import SUPPLYING
from partners.models import Partner
from plum_site.lib import audit
from plum_site.lib.errors import DomainError
from plum_site.lib.periods import local_date, month_text, next_month
from reviews.choices import ActionKind, RuleTarget, Standing
from reviews.models import ActionTransition, CorrectiveAction, ReviewCycle, Scorecard
from reviews.rules import PartInput, RuleSpec
from reviews.rules.actions import SURFACE, Cell, Placing, PlacingSpec, find_placings
from reviews.selectors.actions import UNDER_WAY, read_playbook
from reviews.selectors.compare import list_comparable
from reviews.selectors.inputs import as_frozen
from reviews.selectors.months import list_months_back
from reviews.selectors.parts import list_segment_months, read_segments
from reviews.selectors.subscriptions import REPORT_WITHIN
from reviews.services.actions.kinds import HANDLINGS
from reviews.services.actions.proposing import propose_action

DUE_AFTER = timedelta(days=14)
ENDS = ("reject", "cancel", "finish", "fail", "revert", "measure")
DOES_WELL = (Standing.EXCELLENT, Standing.ON_TRACK)


def propose_placings(*, cycle: ReviewCycle, parts: Sequence[PartInput], at: datetime) -> list[CorrectiveAction]:
    """
    Propose what the playbook says for segments of a month that is over: each partner and segment once a month, within its limit,
    and not while the same is under way or has just ended. Nothing for a restatement or a month that ended over 40 days ago.

    parts: what the consolidation read of segments; where that is of fewer months than the playbook looks at, they are read
    anew, up to the same cut-off.

    Raises: nothing.
    Writes: reviews_correctiveaction, reviews_actiontransition, offers_segment, plum_auditevent, in the caller's transaction.
    Source: docs/rules/playbook.md
    """
    spec = read_playbook(cycle.program_id).placing
    is_due = cycle.ends_at <= at and at - cycle.ends_at <= REPORT_WITHIN and cycle.revision == 1
    if not is_due or not (spec.surfaces or spec.lowers) or not cycle.config.get("attributes"):
        return []
    frozen = as_frozen(cycle.program, cycle.config)
    wanted = PlacingSpec(**{**spec.as_json(), "most": len(parts) + 10_000})  # the limit counts what can be proposed
    found = find_placings(wanted, read_cells(cycle, spec, parts), list_comparable(frozen))
    cards = {card.partner.external_id: card for card in Scorecard.objects.filter(cycle=cycle).select_related("partner")}
    made: list[CorrectiveAction] = []
    left = {how: spec.most - count_proposed(cycle, how) for how in ("top", "lower")}
    for placing in found:
        card = cards.get(placing.partner)
        if left[placing.how] <= 0 or card is None or not may_be_placed(placing, card):
            continue
        action = _propose(cycle, card.partner, placing, spec, at)
        if action is not None:
            made.append(action)
            left[placing.how] -= 1
    return made


def read_cells(cycle: ReviewCycle, spec: PlacingSpec, parts: Sequence[PartInput]) -> list[Cell]:
    """
    What members of each value did with each partner, of the months that the playbook looks at.

    Shape: Cells, in no order; groups that are too small to be shown are left out.
    """
    segments = [part for part in parts if part.target == RuleTarget.PARTNER_SEGMENT]
    rules = [RuleSpec.from_json(rule) for rule in cycle.config["rules"]]
    if len(list_segment_months(cycle.config, rules)) < spec.lower_months:
        months = [month_text(month) for month in list_months_back(cycle.month_start_date, spec.lower_months)]
        program = as_frozen(cycle.program, cycle.config)
        segments = read_segments(program, months, cycle.cutoff or 0, list(cycle.config["attributes"]))
    partners = cycle.config["partners"]
    cells = []
    for part in segments:
        attribute, _, value = part.key.partition("=")
        if part.partner in partners:
            cells.append(Cell(part.partner, partners[part.partner]["category"], attribute, value, part.months))
    return cells


def may_be_placed(placing: Placing, card: Scorecard) -> bool:
    """Whether its partner supplies offers; to be surfaced, it does well as a whole too."""
    return card.partner.state in SUPPLYING and (placing.how != SURFACE or card.standing in DOES_WELL)


def count_proposed(cycle: ReviewCycle, how: str) -> int:
    """How many were proposed for the month already, when it was consolidated before."""
    return CorrectiveAction.objects.filter(proposal_key__startswith=_key(cycle, how)).count()


def segment_of(program_id: int, key: str, at: datetime) -> Segment:
    """The segment of the members that have one value of one attribute, made where there is none."""
    attribute, _, value = key.partition("=")
    rule = [{"attribute": attribute, "operator": "is", "values": [value]}]
    for segment in list_segments(program_id):
        if segment.rule == rule:
            return segment
    name = f"{attribute}: {value or 'unknown'}"
    code = slugify(f"{attribute}-{value or 'unknown'}")[:60]
    made, _ = save_segment(program_id=program_id, code=code, name=name, rule=rule, actor=audit.SYSTEM, at=at)
    return made


def _propose(cycle: ReviewCycle, partner: Partner, placing: Placing, spec: PlacingSpec, at: datetime) -> CorrectiveAction | None:
    """One action, or None: it is under way, has just ended, was proposed for the month before, or cannot be."""
    today = local_date(at, cycle.program.time_zone)
    offers = list_offers(cycle.program_id).filter(partner=partner).in_present_state(PresentState.LIVE, today)
    names = [offer.external_id for offer in offers]
    if not names:
        return None
    try:
        with transaction.atomic():
            segment = segment_of(cycle.program_id, f"{placing.attribute}={placing.value}", at)
            key = f"{_key(cycle, placing.how)}{partner.pk}:{segment.pk}"
            is_known = CorrectiveAction.objects.filter(proposal_key=key).exists()
            if is_known or _is_quiet(partner, segment, placing.how, spec, cycle):
                return None
            place = {} if placing.how == SURFACE else {"place": spec.places}
            action = propose_action(
                partner_id=partner.pk,
                kind=ActionKind.RERANK,
                params={"offers": names, "how": placing.how, **place},
                segment=segment.code,
                reason=placing.reason,
                cycle=cycle,
                due_date=local_date(at + DUE_AFTER, cycle.program.time_zone),
                proposal_key=key,
                actor=audit.SYSTEM,
                at=at,
            )
            HANDLINGS[ActionKind.RERANK].preview(action, at)  # refuses where the offers stand there already
            return action
    except DomainError:
        return None


def _is_quiet(partner: Partner, segment: Segment, how: str, spec: PlacingSpec, cycle: ReviewCycle) -> bool:
    """Whether the same is under way, or ended within the months in which it is not proposed again."""
    same = partner.actions.filter(kind=ActionKind.RERANK, segment=segment, params__how=how)
    if same.filter(state__in=UNDER_WAY).exists():
        return True
    since = next_month(cycle.month_start_date, 1 - spec.quiet_months)
    return ActionTransition.objects.filter(action__in=same, name__in=ENDS, at__date__gte=since).exists()


def _key(cycle: ReviewCycle, how: str) -> str:
    return f"placing:{cycle.program_id}:{month_text(cycle.month_start_date)}:{how}:"
