"""What becomes of flags: kept in step with what each consolidation finds, and changed by the people who work on them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from partners.models import Partner
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.people import works_in
from plum_site.lib.periods import local_date, month_start, month_text
from plum_site.lib.workflow import Table, check_comment, find_transition
from reviews.choices import FlagState, Resolution
from reviews.models import Flag, FlagCase, FlagTransition, ReviewCycle, Rule, Scorecard
from reviews.rules import ACTIVE, Card, Later, Step, Stretch, ends_with, place_flag
from reviews.workflow import FLAG_DATA_TRANSITIONS, FLAG_TRANSITIONS

Key = tuple[int, int, str]  # ids of rule and partner, and the target's key
MOVING = ("newest_flag", "seen", "first_month_date", "newest_month_date")


def follow_flags(*, cycle: ReviewCycle, cards: Sequence[Card], at: datetime) -> list[FlagCase]:
    """
    Bring what becomes of flags in step with the flags that a consolidation has just stored.

    A new flag opens a case or goes on with the one that is there; a month that is over ends those whose rule it does not
    show crossed any more. A running month ends none. Returns the cases that were opened, which are told once; those that a
    later month has ended already are opened and ended at once, and are not among them.

    Runs in the transaction of the consolidation, under the cycle's lock; the months of one program follow one another here.

    Raises: nothing.
    Writes: reviews_flagcase, reviews_flagtransition, plum_auditevent for every change of a state.
    Source: docs/rules/flag-lifecycle.md
    """
    month, is_over = cycle.month_start_date, cycle.ends_at <= at
    flags = {
        _key_of(flag): flag
        for flag in Flag.objects.filter(scorecard__cycle=cycle)
        .select_related("rule_version__rule", "rule_version__owner", "scorecard__partner__owner")
        .order_by("scorecard__partner__external_id", "rule_version__rule__code", "target_key")
    }
    known = _lock_known(cycle.program_id, {partner_id for _, partner_id, _ in flags})
    later = _read_later(cycle, flags)
    opened, moved = [], []
    for key, flag in flags.items():
        placed = place_flag(month, [_stretch_of(case) for case in known[key]], later.get(key, ()))
        if placed.index is None:
            case = _open(cycle, flag, at, placed.ended_month)
            known[key].append(case)
            if placed.ended_month is None:
                opened.append(case)
            continue
        case = known[key][placed.index]
        if placed.step == Step.REOPEN:
            _take(case, FLAG_DATA_TRANSITIONS, "reopen_by_data", audit.SYSTEM, at, f"Crossed again in {month_text(month)}.")
        if _move(case, flag, month):
            moved.append(case)
    if is_over:
        moved += _end_what_passed(cycle, cards, flags, known, at)
    FlagCase.objects.bulk_update(moved, MOVING, batch_size=100)
    return opened


@transaction.atomic
def change_flag_state(*, case_id: int, name: str, actor: User | str, at: datetime, comment: str = "") -> FlagCase:
    """
    Take one named step with a flag: acknowledge, resolve (something was done), dismiss, reopen.

    What was dismissed stays so for as long as the crossing goes on; what was resolved stays so to the end of the program's
    month, and opens a new flag if a later month still shows it.

    Raises: NotFound; DomainError - transition_refused, already_open (another one of the same rule and target is open);
    InvalidInput - comment_required.
    Writes: reviews_flagcase, reviews_flagtransition, plum_auditevent.
    Source: docs/rules/flag-lifecycle.md
    """
    case = _lock(case_id)
    month = max(month_start(local_date(at, case.program.time_zone)), case.newest_month_date)
    try:
        with transaction.atomic():
            _take(case, FLAG_TRANSITIONS, name, actor, at, comment, month)
    except IntegrityError as error:
        sentence = "The same rule has flagged the same target anew, and that flag is open. Nothing was changed. Work on that one."
        raise DomainError("already_open", sentence) from error
    return case


@transaction.atomic
def change_flags_in_bulk(
    *, case_ids: Sequence[int], name: str, actor: User | str, at: datetime, comment: str = ""
) -> list[FlagCase]:
    """
    The same step with several flags: all of them, or none.

    Raises: as change_flag_state; where one of them is refused, nothing is changed.
    Writes: as change_flag_state, for each.
    """
    return [change_flag_state(case_id=pk, name=name, actor=actor, at=at, comment=comment) for pk in sorted(set(case_ids))]


@transaction.atomic
def assign_flag(*, case_id: int, owner_id: int | None, actor: User | str, at: datetime) -> FlagCase:
    """
    Say who works on a flag; None: nobody. The same owner again changes nothing.

    Raises: NotFound; InvalidInput - unknown_owner (somebody without a role in the program).
    Writes: reviews_flagcase, plum_auditevent.
    """
    case = _lock(case_id)
    if owner_id == case.owner_id:
        return case
    owner = User.objects.filter(pk=owner_id).first() if owner_id is not None else None
    if owner_id is not None and (owner is None or not works_in(owner, case.program_id)):
        sentence = "Only people with a role in this program can own a flag. Nothing was changed."
        raise InvalidInput("unknown_owner", sentence, {"owner": sentence})
    before = case.owner.username if case.owner else None
    case.owner = owner
    case.save(update_fields=["owner"])
    audit.record(
        program_id=case.program_id,
        actor=actor,
        action="reviews.assign_flag",
        row=case,
        at=at,
        before={"owner": before},
        after={"owner": owner.username if owner else None},
    )
    return case


def _lock_known(program_id: int, partner_ids: Collection[int]) -> dict[Key, list[FlagCase]]:
    """
    The cases that may be gone on with or ended: those of some partners, and all that are not resolved.

    Two months of one program may be consolidated at the same time; here one waits for the other. What a person does about
    one of the cases is done before or after, never meanwhile.
    """
    if connection.vendor == "postgresql":  # on SQLite the transaction itself is the lock
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('reviews_flags'), %s)", [program_id])
    cases = FlagCase.objects.select_for_update(of=("self",)).filter(
        ~Q(state=FlagState.RESOLVED) | Q(partner_id__in=partner_ids), program_id=program_id
    )
    known: dict[Key, list[FlagCase]] = defaultdict(list)
    for case in cases.order_by("id"):
        known[case.rule_id, case.partner_id, case.target_key].append(case)
    return known


def _key_of(flag: Flag) -> Key:
    return flag.rule_version.rule_id, flag.scorecard.partner_id, flag.target_key


def _stretch_of(case: FlagCase) -> Stretch:
    return Stretch(case.state, case.resolution, case.first_month_date, case.newest_month_date, case.ended_month_date)


def _lock(case_id: int) -> FlagCase:
    case = FlagCase.objects.select_for_update(of=("self",)).select_related("program", "owner").filter(pk=case_id).first()
    if case is None:
        raise NotFound("flag", case_id)
    return case


def _open(cycle: ReviewCycle, flag: Flag, at: datetime, ended_month: date | None) -> FlagCase:
    """A new case of a flag, owned by the rule's owner, else the partner's; ended at once where a later month has done so."""
    partner, month = flag.scorecard.partner, cycle.month_start_date
    case = FlagCase(
        program_id=cycle.program_id,
        partner=partner,
        rule=flag.rule_version.rule,
        target=flag.target,
        target_key=flag.target_key,
        state="",
        owner=flag.rule_version.owner or partner.owner,
        newest_flag=flag,
        seen=_describe(flag, month),
        first_month_date=month,
        newest_month_date=month,
        opened_at=at,
    )
    steps = [_apply(case, FLAG_DATA_TRANSITIONS, "open", audit.SYSTEM, at, "")]
    if ended_month is not None:
        said = f"Not crossed any more in {month_text(ended_month)}."
        steps.append(_apply(case, FLAG_DATA_TRANSITIONS, "resolve_by_data", audit.SYSTEM, at, said, ended_month))
    _store(case, steps)
    return case


def _describe(flag: Flag, month: date) -> dict[str, Any]:
    """What was seen, by value: the flag's own row may go while the case stays."""
    return {
        "month": month_text(month),
        "metric": flag.metric,
        "observed": float(flag.observed),
        "threshold": float(flag.threshold),
        "severity": flag.rule_version.severity,
        "rule_number": flag.rule_version.number,
        "direction": flag.rule_version.direction,
        "reference": flag.rule_version.reference,
        "share": float(flag.rule_version.threshold),
        "evidence": flag.evidence,
    }


def _move(case: FlagCase, flag: Flag, month: date) -> bool:
    """Let a case know what a month has seen of it; whether that is new."""
    before = [getattr(case, name) for name in MOVING]
    if month >= case.newest_month_date:
        case.newest_flag, case.seen, case.newest_month_date = flag, _describe(flag, month), month
    case.first_month_date = min(case.first_month_date, month)
    return before != [getattr(case, name) for name in MOVING]


def _end_what_passed(
    cycle: ReviewCycle,
    cards: Sequence[Card],
    flags: Mapping[Key, Flag],
    known: Mapping[Key, Sequence[FlagCase]],
    at: datetime,
) -> list[FlagCase]:
    """End the cases that a month which is over does not show any more; those that it shows crossed, but not for certain, stay."""
    month = cycle.month_start_date
    waiting = [
        case
        for key, cases in known.items()
        if key not in flags
        for case in cases
        if case.state != FlagState.RESOLVED and case.newest_month_date <= month
    ]
    if not waiting:
        return []
    partners = dict(Partner.objects.filter(program_id=cycle.program_id).values_list("external_id", "id"))
    crossed = {
        (one["rule"], partners[card.partner], one.get("target_key", ""))
        for card in cards
        for one in card.evidence.get("crossed", ())
    }
    codes = dict(Rule.objects.filter(program_id=cycle.program_id).values_list("id", "code"))
    in_force = {rule["code"] for rule in cycle.config["rules"]}
    stayed = []
    for case in waiting:
        code = codes[case.rule_id]
        if (code, case.partner_id, case.target_key) in crossed:
            if case.newest_month_date < month and (case.state in ACTIVE or place_flag(month, [_stretch_of(case)]).index == 0):
                case.newest_month_date = month
                stayed.append(case)
        elif ends_with(month, _stretch_of(case)):
            said = f"Not crossed any more in {month_text(month)}." if code in in_force else "The rule is no longer in force."
            _take(case, FLAG_DATA_TRANSITIONS, "resolve_by_data", audit.SYSTEM, at, said, month)
    return stayed


def _read_later(cycle: ReviewCycle, flags: Mapping[Key, Flag]) -> dict[Key, list[Later]]:
    """For each flag, what the later months say that were over when they were consolidated, oldest first."""
    if not flags:
        return {}
    newest: dict[date, ReviewCycle] = {}
    after = ReviewCycle.objects.filter(
        program_id=cycle.program_id, month_start_date__gt=cycle.month_start_date, consolidated_at__isnull=False
    )
    for other in after.order_by("month_start_date", "revision"):
        if other.consolidated_at is not None and other.consolidated_at >= other.ends_at:
            newest[other.month_start_date] = other
    found: dict[Key, list[Later]] = {key: [] for key in flags}
    for month, other in newest.items():
        shown = set(
            Flag.objects.filter(scorecard__cycle=other).values_list(
                "rule_version__rule__code", "scorecard__partner_id", "target_key"
            )
        )
        cards = Scorecard.objects.filter(cycle=other, partner_id__in={partner for _, partner, _ in flags})
        for partner_id, evidence in cards.values_list("partner_id", "evidence"):
            shown |= {(one["rule"], partner_id, one.get("target_key", "")) for one in evidence.get("crossed", ())}
        for key, flag in flags.items():
            stands = (flag.rule_version.rule.code, flag.scorecard.partner_id, flag.target_key) in shown
            found[key].append(Later(month, stands))
    return found


def _take(
    case: FlagCase, table: Table, name: str, actor: User | str, at: datetime, comment: str, ended_month: date | None = None
) -> None:
    """Take one row of a table, in the caller's transaction: state, log and audit."""
    _store(case, [_apply(case, table, name, actor, at, comment, ended_month)])


def _apply(
    case: FlagCase, table: Table, name: str, actor: User | str, at: datetime, comment: str, ended_month: date | None = None
) -> FlagTransition:
    """Change a case by one row of a table, in memory; what is to be logged of it."""
    before = case.state
    transition = find_transition(table, name, before)
    check_comment(transition, comment)
    case.state = transition.target
    if case.state in ACTIVE:
        case.resolution, case.ended_at, case.ended_month_date, case.reason = "", None, None, ""
    else:
        by_data = Resolution.DATA if table is FLAG_DATA_TRANSITIONS else Resolution.ACTION
        case.resolution = by_data if case.state == FlagState.RESOLVED else ""
        case.reason, case.ended_at, case.ended_month_date = comment.strip(), at, ended_month
    return FlagTransition(
        name=name, from_state=before, to_state=case.state, actor=audit.actor_name(actor), at=at, comment=comment.strip()
    )


def _store(case: FlagCase, steps: Sequence[FlagTransition]) -> None:
    """Save a case with the steps that it took, each with its log row and its audit row."""
    case.save()
    for step in steps:
        step.case = case
        step.save()
        after: dict[str, Any] = {"state": str(step.to_state), "transition": step.name}
        if not step.from_state:
            after |= {"rule": case.rule.code, "partner": case.partner.external_id, "target": case.target_key, **_figures(case)}
        audit.record(
            program_id=case.program_id,
            actor=step.actor,
            action="reviews.change_flag_state" if step.from_state else "reviews.open_flag",
            row=case,
            at=step.at,
            before={"state": str(step.from_state)} if step.from_state else None,
            after=after,
            comment=step.comment,
        )


def _figures(case: FlagCase) -> dict[str, Any]:
    return {name: case.seen[name] for name in ("month", "metric", "observed", "threshold")}
