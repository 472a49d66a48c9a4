"""What people are told by mail about a replacement: partners, who has to do a step, who should look at a failure."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.template.loader import render_to_string

from partners.models import Contact, Partner, Program
from plum_site.lib.announcements import address_of
from plum_site.lib.mail import one_line, send
from plum_site.lib.models import User
from plum_site.lib.people import list_admins, list_insiders, may_be_told
from plum_site.lib.periods import local_date
from plum_site.lib.person_mail import write_to
from reviews.choices import ReplacementState, ReplacementStep
from reviews.models import Replacement, ReplacementTask
from reviews.rules.replacements import say_outcome
from reviews.selectors.letters import list_recipients
from reviews.selectors.replacements.reads import list_due_replacements
from reviews.services.notices import ESCALATES_AFTER

TOLD = (ReplacementState.SCHEDULED, ReplacementState.CUT_OVER, ReplacementState.ROLLED_BACK)


def tell_partners(*, replacement: Replacement, at: datetime) -> int:
    """
    Write to the contacts of both partners what was scheduled, cut over or rolled back, in its present state; how many mails.

    Raises: InvalidInput - invalid_address.
    Writes: plum_outbox, in the caller's transaction; for one revision once.
    Source: docs/rules/replacement.md
    """
    key = f"replacement:{replacement.pk}:{replacement.revision}:{replacement.state}"
    partners = [partner for partner in (replacement.partner, replacement.successor) if partner is not None]
    return sum(
        _write(contact, render_partner_notice(replacement, partner, contact.name), replacement, key, at)
        for partner in partners
        for contact in list_recipients(partner)
    )


def tell_challenger(*, replacement: Replacement, at: datetime, verdicts: Mapping[str, str] | None = None) -> int:
    """
    Write to the contacts of the successor that a trial of its offers began, or, with verdicts by metric, that it ended; how many
    mails. The partner that may be replaced is not told.

    Raises: InvalidInput - invalid_address.
    Writes: plum_outbox, in the caller's transaction; for a trial each once.
    Source: docs/rules/trial.md
    """
    if replacement.successor is None or replacement.trial is None:
        return 0
    key = f"trial:{replacement.trial.pk}:{'started' if verdicts is None else 'ended'}"
    return sum(
        _write(contact, render_trial_notice(replacement, contact.name, at, verdicts), replacement, key, at)
        for contact in list_recipients(replacement.successor)
    )


def render_trial_notice(
    replacement: Replacement, name: str, at: datetime, verdicts: Mapping[str, str] | None = None
) -> dict[str, str]:
    """
    What a contact of the successor reads when a trial of its offers begins, or, with verdicts by metric, when it has ended.

    Shape: subject, text, html.
    Raises: nothing.
    Writes: nothing.
    """
    trial, zone = replacement.trial, replacement.program.time_zone
    is_over = verdicts is not None
    what = "the trial of your offers has ended" if is_over else "your offers are on trial"
    offers = trial.offers.filter(new__isnull=False).select_related("new").order_by("id") if trial else ()
    context = {
        "subject": one_line(f"{replacement.program.name}: {what}"),
        "greeting": name,
        "program": replacement.program,
        "partner": replacement.successor,
        "is_over": is_over,
        "share_percent": trial.share_percent if trial else 0,
        "segment": replacement.segment.name if replacement.segment else "",
        "first_day": local_date(trial.started_at, zone) if trial else None,
        "last_day": local_date(at, zone),
        "offers": list(dict.fromkeys(pair.new.external_id for pair in offers if pair.new is not None)),
        "outcomes": [f"{metric.capitalize()}: {say_outcome(verdict)}" for metric, verdict in (verdicts or {}).items()],
    }
    return _render("trial_partner", context)


def render_partner_notice(replacement: Replacement, partner: Partner | None, name: str) -> dict[str, str]:
    """
    What a contact of one of the two partners reads in the present state of a replacement, with their own offers alone.

    Shape: subject, text, html.
    Raises: nothing.
    Writes: nothing.
    """
    is_old = partner is not None and partner.pk == replacement.partner_id
    rows = replacement.offers.select_related("old", "new").order_by("id")
    offers = [row.old if is_old else row.new for row in rows]
    is_ahead = replacement.state == ReplacementState.SCHEDULED  # perhaps again, after an earlier cutover was rolled back
    day = _day_of(replacement, replacement.scheduled_at if is_ahead else replacement.cut_over_at)
    what = {
        ReplacementState.SCHEDULED: "end soon" if is_old else "go live soon",
        ReplacementState.ROLLED_BACK: "stay" if is_old else "are withdrawn again",
    }.get(ReplacementState(replacement.state), "have ended" if is_old else "are live")
    context = {
        "subject": one_line(f"{replacement.program.name}: your offers {what}"),
        "greeting": name,
        "program": replacement.program,
        "partner": partner,
        "is_old": is_old,
        "state": str(replacement.state),
        "day": day,
        "last_day": replacement.last_activation_date,
        "last_activation_days": replacement.last_activation_days,
        "segment": replacement.segment.name if replacement.segment else "",
        "offers": list(dict.fromkeys(offer.external_id for offer in offers if offer is not None)),
    }
    return _render("replacement_partner", context)


def remind_of_replacements(*, program_id: int, at: datetime) -> int:
    """
    Steps of replacements are due: one mail a day to whoever has to do them, and, where nobody can be told or three days have
    passed, to the program's admins; how many mails.

    Raises: nothing.
    Writes: plum_outbox; one transaction. Twice on a day sends once.
    Source: docs/rules/replacement.md
    """
    program = Program.objects.get(pk=program_id)
    today = local_date(at, program.time_zone)
    insiders, admins = list_insiders(program_id), list_admins(program_id)
    by_person: dict[User, list[tuple[Replacement, ReplacementTask]]] = defaultdict(list)
    for replacement, task in list_due_replacements(program_id, today):
        owner = task.owner or (None if task.step == ReplacementStep.APPROVE else replacement.owner)
        people = [owner] if owner is not None and may_be_told(owner, insiders) else []
        if not people or (task.due_date is not None and today - task.due_date >= ESCALATES_AFTER):
            people += [person for person in admins if may_be_told(person, insiders)]
        for person in dict.fromkeys(people):
            by_person[person].append((replacement, task))
    with transaction.atomic():
        for person, due in sorted(by_person.items(), key=lambda pair: pair[0].pk):
            lines = [_line(replacement, task, today) for replacement, task in due]
            subject = "A step of a replacement is due" if len(lines) == 1 else f"{len(lines)} steps of replacements are due"
            told = {"lines": lines, "is_one": len(lines) == 1}
            key = f"replacements_due:{program_id}:{person.pk}:{today}"
            template = "reviews/mail/replacements_due"
            write_to(person=person, program=program, template=template, subject=subject, told=told, dedup_key=key, at=at)
    return len(by_person)


def tell_of_failed_cutover(*, replacement: Replacement, at: datetime) -> int:
    """
    A cutover could not be carried out: its owner and whoever mapped it are told why at once, or the admins; how many mails.

    Raises: nothing.
    Writes: plum_outbox, in the caller's transaction.
    """
    insiders = list_insiders(replacement.program_id)
    people = {one for one in (replacement.owner, replacement.mapper) if one is not None and may_be_told(one, insiders)}
    people = people or {one for one in list_admins(replacement.program_id) if may_be_told(one, insiders)}
    for person in sorted(people, key=lambda person: person.pk):
        told = {"replacement": replacement, "failure": replacement.failure, "url": _url(replacement)}
        key = f"cutover_failed:{replacement.pk}:{replacement.revision}:{person.pk}"
        subject = f"The cutover from {replacement.partner.name} failed"
        template = "reviews/mail/cutover_failed"
        write_to(person=person, program=replacement.program, template=template, subject=subject, told=told, dedup_key=key, at=at)
    return len(people)


def _render(template: str, context: Mapping[str, object]) -> dict[str, str]:
    return {
        "subject": str(context["subject"]),
        "text": render_to_string(f"reviews/mail/{template}.txt", context),
        "html": render_to_string(f"reviews/mail/{template}.html", context),
    }


def _write(contact: Contact, words: Mapping[str, str], replacement: Replacement, key: str, at: datetime) -> int:
    """One mail to one contact of a partner, once for a key: 1, to be summed up."""
    send(
        to=(one_line(contact.name), contact.email),
        subject=words["subject"],
        text=words["text"],
        html=words["html"],
        dedup_key=f"{key}:{contact.pk}",
        program_id=replacement.program_id,
        at=at,
    )
    return 1


def _line(replacement: Replacement, task: ReplacementTask, today: date) -> dict[str, Any]:
    return {
        "what": task.get_step_display(),
        "replacement": str(replacement),
        "state": replacement.get_state_display(),
        "due_date": task.due_date,
        "days": (today - task.due_date).days if task.due_date else None,
        "url": _url(replacement),
    }


def _url(replacement: Replacement) -> str:
    return address_of("admin:reviews_replacement_change", replacement.pk)


def _day_of(replacement: Replacement, at: datetime | None) -> date | None:
    return local_date(at, replacement.program.time_zone) if at is not None else None
