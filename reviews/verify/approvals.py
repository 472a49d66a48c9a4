"""Of `manage.py verify actions`: approvals that ask for less than before had a second person, or a day to be stopped in."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from partners.models import Program
from plum_site.lib.audit import SYSTEM, reference
from plum_site.lib.models import AuditEvent
from plum_site.lib.verify import Finding
from reviews.choices import ApprovalRequestState
from reviews.models import ApprovalPolicy
from reviews.rules.actions import SOLO_HOURS, default_approvals, lowers
from reviews.selectors.actions import list_approval_versions
from reviews.selectors.approvals import spec_of

Person = Callable[[str], int | None]  # the id of the person behind a name in a log
Entries = Mapping[str, Sequence[AuditEvent]]
ANSWERS = ("reviews.confirm_approvals", "reviews.take_force_approvals")


def check_lowerings(program: Program, person: Person) -> Finding:
    """Every version that asks for less than the one before it, held against its request and the audit log."""
    entries: dict[str, list[AuditEvent]] = defaultdict(list)
    names = ("reviews.ask_approvals", *ANSWERS)
    for entry in AuditEvent.objects.filter(program_id=program.pk, action__in=names).order_by("id"):
        entries[entry.object_ref].append(entry)
    before, checked, violations = default_approvals(), 0, []
    for version in list_approval_versions(program.pk).order_by("number"):
        spec = spec_of(version)
        if lowers(before, spec):
            checked += 1
            violations += [f"approvals version {version.number} {what}" for what in _find_faults(version, entries, person)]
        before = spec
    return Finding(f"{program.code}: lower approvals by two people or a day", checked, violations)


def _find_faults(version: ApprovalPolicy, entries: Entries, person: Person) -> Iterator[str]:
    row = version.request
    if row is None:
        yield "asks for less than the one before, and nobody asked for it"
        return
    if row.state != ApprovalRequestState.IN_FORCE or spec_of(row) != spec_of(version):
        yield "asks for less than the one before, and for something else than its request, or without its leave"
    logged = entries.get(reference(row), ())
    asked = [entry for entry in logged if entry.action not in ANSWERS]
    if [(person(entry.actor), entry.at) for entry in asked] != [(row.asker_id, row.asked_at)]:
        yield f"was asked for by user:{row.asker_id}, and the audit log says otherwise"
    answered = [entry for entry in logged if entry.action in ANSWERS]
    if row.answerer_id is None:
        if version.made_at < row.asked_at + timedelta(hours=SOLO_HOURS):
            yield f"took force without a second person less than {SOLO_HOURS} hours after it was asked"
        if [entry.actor for entry in answered] != [SYSTEM]:
            yield "took force by its time, and the audit log says otherwise"
        return
    if row.answerer_id == row.asker_id:
        yield f"was confirmed by user:{row.asker_id}, who asked for it"
    if [person(entry.actor) for entry in answered] != [row.answerer_id]:
        yield f"was confirmed by user:{row.answerer_id}, and the audit log says otherwise"
