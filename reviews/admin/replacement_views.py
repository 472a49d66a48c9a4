"""What is looked at in a replacement: the tables of its page by state, and what each step would do before it is taken."""

from copy import copy
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from partners.models import Partner
from partners.selectors import find_contract_terms, list_partners
from plum_site.lib.admin import make_log
from plum_site.lib.periods import local_date
from plum_site.lib.present import Table, day
from reviews.choices import ReplacementState
from reviews.models import Replacement
from reviews.pages.replacement_tables import (
    make_candidates,
    make_checks,
    make_contacts,
    make_files,
    make_gaps,
    make_holdings,
    make_losses,
    make_mapping,
    make_state_versions,
    make_told,
)
from reviews.pages.replacement_trials import make_trial
from reviews.rules.actions import SOLO_HOURS
from reviews.rules.replacements import Pair
from reviews.selectors.actions import read_approvals
from reviews.selectors.letters import list_recipients
from reviews.selectors.replacements import (
    check_replacement,
    compare_arms,
    count_holders,
    count_notices,
    list_contact_log,
    list_files,
    list_losses,
    list_old_offers,
    list_possible,
    list_replacement_steps,
    read_places,
)
from reviews.services.replacements.notices import render_partner_notice
from reviews.workflow import REPLACEMENT_SYSTEM_TRANSITIONS, REPLACEMENT_TRANSITIONS

S = ReplacementState
CHOOSING = (S.OPENED, S.COMPARED, S.CHOSEN, S.AGREED)
Shown = dict[str, Any]


def list_tables(row: Replacement, at: datetime) -> list[Table]:
    """What stands on the page of a replacement, what is worked on first."""
    today = local_date(at, row.program.time_zone)
    candidates, mapping = show_candidates(row), make_mapping(row, read_places(row, today), today)
    told = make_told(row, count_notices(row.pk))
    match row.state:
        case S.OPENED | S.COMPARED | S.CHOSEN | S.AGREED:
            tables = [mapping, candidates] if row.state == S.AGREED else [candidates]
            tables += [make_losses(row, list_losses(row, at)), show_holdings(row)]
        case S.MAPPED | S.APPROVED | S.TRIALLING | S.SCHEDULED:
            tables = [mapping, make_gaps(row.accepted_gaps), make_losses(row, list_losses(row, at)), show_holdings(row)]
        case S.CUT_OVER:
            tables = [make_checks([check.as_json() for check in check_replacement(row, at)]), mapping, told]
        case S.VERIFIED | S.COMPLETED:
            title = "What held when it was verified"
            tables = [make_checks(row.checks or (), title), mapping, make_gaps(row.accepted_gaps), told]
        case _:
            tables = [mapping, told] if row.cut_over_at else [mapping]
    compared = compare_arms(row, at)
    if compared is not None:
        tables.insert(0 if row.state == S.TRIALLING else 1, make_trial(compared))
    if row.state not in CHOOSING and row.comparison:
        tables.append(candidates)
    steps, states = list_replacement_steps(row.pk), dict(ReplacementState.choices)
    return [
        *tables,
        make_contacts(list_contact_log(row.pk)),
        make_files(row, list_files(row.pk)),
        make_log(steps, states, REPLACEMENT_TRANSITIONS, REPLACEMENT_SYSTEM_TRANSITIONS),
    ]


def show_candidates(row: Replacement) -> Table:
    """The candidates as they were compared, with those that came since and those that refused."""
    partners = {partner.external_id: partner for partner in list_partners(row.program_id)}
    possible = list_possible(row) if row.state in CHOOSING else []
    return make_candidates(row, possible, list(row.candidates.select_related("partner")), partners)


def show_holdings(row: Replacement) -> Table:
    """How many members hold what goes."""
    ids = list_old_offers(row.program_id, row.partner, row.category).values_list("pk", flat=True)
    return make_holdings(count_holders(row, list(ids)), row.last_activation_days)


# --- before a step ---


def look_at(row: Replacement, name: str, at: datetime, when: datetime | None) -> Shown:
    """What a step does, for the page that asks. when: the time of a cutover that is being scheduled."""
    today = local_date(at, row.program.time_zone)
    match name:
        case "compare" | "choose":
            return {"changes": [show_candidates(row)]}
        case "go_without":
            olds = list_old_offers(row.program_id, row.partner, row.category)
            pairs = [Pair(old.external_id, None) for old in olds]
            losses = list_losses(row, at, pairs)
            return {"changes": [make_losses(row, losses, "If nothing followed."), show_holdings(row)]}
        case "agree":
            return {"lines": [say_notice(row, today, None)]}
        case "map" | "approve":
            mapping = make_mapping(row, read_places(row, today), today)
            shown: Shown = {"changes": [mapping, make_losses(row, list_losses(row, at)), show_holdings(row)]}
            if name == "approve":
                shown["changes"].insert(1, make_gaps(row.accepted_gaps))
                shown |= {"lines": list_leave(row), "terms": row.terms, **show_mails(row, plan_day(row, at))}
            return shown
        case "schedule":
            notice = say_notice(row, today, when)
            late = when is not None and is_short(row, today, when)
            return {("warnings" if late else "lines"): [notice], **show_mails(row, when)}
        case "verify" | "complete":
            return {"changes": [make_checks(check.as_json() for check in check_replacement(row, at))]}
        case "roll_back" if row.before is not None and row.after is not None:
            versions = {"Now, if nobody changed it": row.after, "After the rollback": row.before}
            changes = make_state_versions(row, versions, "What is put back")
            return {"changes": [changes, make_told(row, count_notices(row.pk))]}
    return {}


def list_leave(row: Replacement) -> list[str]:
    """What else an approval means."""
    lines = [f"Members activate what they have unlocked for {row.last_activation_days} days after the cutover."]
    if read_approvals(row.program_id).spec.solo_mode:
        lines.append(
            f"Solo mode: whoever put it forward may approve it too. The cutover then waits {SOLO_HOURS} hours, and it shows that "
            "one person did it."
        )
    return lines


def plan_day(row: Replacement, at: datetime) -> datetime:
    """The time of the cutover as far as it is known: as scheduled, else as the step is due, else now."""
    task = row.tasks.filter(step="cut_over").first()
    if row.scheduled_at is None and task is not None and task.due_date is not None:
        return timezone.make_aware(datetime.combine(task.due_date, datetime.min.time()))
    return row.scheduled_at or at


# --- the partner who goes, and what both read ---


def say_notice(row: Replacement, today: date, when: datetime | None) -> str:
    """The notice that the old partner's terms ask for, against the time of the cutover where there is one."""
    terms = find_contract_terms(row.partner_id, today)
    name = row.partner.name
    if terms is None:
        return f"No contract terms of {name} are written down for today: whether there is a notice period is not known here."
    said = f"The contract terms of {name} ask for {terms.notice_days} days' notice"
    first = today + timedelta(days=terms.notice_days)
    if when is None:
        return f"{said}: told today, it ends on {day(first)} at the earliest."
    days = (timezone.localtime(when).date() - today).days
    if is_short(row, today, when):
        return f"{said}; this leaves {max(days, 0)}. Told today, it ends on {day(first)}, unless you agreed otherwise."
    return f"{said}; this leaves {days}."


def is_short(row: Replacement, today: date, when: datetime) -> bool:
    """Whether a cutover comes before the notice period of the old partner is over."""
    terms = find_contract_terms(row.partner_id, today)
    return terms is not None and timezone.localtime(when).date() < today + timedelta(days=terms.notice_days)


def show_mails(row: Replacement, when: datetime | None) -> Shown:
    """What contacts of both partners read: when it is scheduled, and at the cutover; and who has nobody to read it."""
    moment = when or row.scheduled_at
    if moment is None:
        return {}
    mails, nobody = [], []
    for partner in (row.partner, row.successor):
        if partner is None:
            continue
        contacts = list_recipients(partner)
        if not contacts:
            nobody.append(f"{partner.name} has no contact written down: nobody there is written to.")
            continue
        others = f" and {len(contacts) - 1} more" if len(contacts) > 1 else ""
        for state, title in ((S.SCHEDULED, "Once it has its time"), (S.CUT_OVER, "At the cutover")):
            words = render_partner_notice(_as_if(row, state, moment), partner, contacts[0].name)
            mails.append({"title": f"{title}, to {contacts[0].name}{others} at {partner.name}", **words})
    return {"mails": mails, "nobody": nobody}


def _as_if(row: Replacement, state: str, moment: datetime) -> Replacement:
    """The replacement as it will be; never saved."""
    imagined = copy(row)
    imagined.state, imagined.scheduled_at, imagined.cut_over_at = state, moment, moment
    last_day = local_date(moment, row.program.time_zone) + timedelta(days=row.last_activation_days)
    imagined.last_activation_date = last_day
    return imagined


def partners_of(row: Replacement) -> list[Partner]:
    """Whom a contact may have been with: the partner who goes, who comes, and every candidate."""
    named = [one.partner for one in row.candidates.select_related("partner")]
    found = [row.partner, *([row.successor] if row.successor else []), *named]
    return list(dict.fromkeys(found))
