"""The quarantine on screen: how much waits, for how long, what became of it; trying again and discarding."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import capfirst

from activity.forms import DiscardForm
from activity.selectors.quarantine import Waiting, list_refusals, list_replayed, list_waiting, summarise_quarantine
from activity.services.quarantine import EXPIRE, KEPT_FOR, MOST_KEPT, RETRY, discard_quarantine, retry_quarantine
from plum_site.lib.admin import Button, allowed, go, page, person_of, program_of, refuse, show, show_progress, try_to
from plum_site.lib.choices import JobState
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.models import AuditEvent, Job
from plum_site.lib.people import names_of
from plum_site.lib.present import Table, badge, count, instant, words

DISCARD = "activity.discard_quarantine"
ENDINGS = {DISCARD: "discarded", EXPIRE: "expired"}
REASONS = {
    "conflict": "Its id was recorded with other content meanwhile, which stays. Discard it.",
    "unknown_offer": "Its offer is not in the catalog any more. Add the offer and try again, or discard it.",
}
SHOWN_ENDINGS = 10


@page("activity/quarantine/", name="activity_quarantine", operation="batch.read", title="Quarantine")
def show_quarantine(request: HttpRequest) -> HttpResponse:
    """What waits and what became of what waited; nobody is named."""
    program = program_of(request)
    waiting = summarise_quarantine(program.pk)
    job = Job.objects.filter(program_id=program.pk, name=RETRY).order_by("-pk").first()
    tables = [make_waiting(program, waiting), make_refusals(program.pk), make_replayed(program.pk), make_endings(program.pk)]
    return show(
        request,
        "activity/quarantine.html",
        title="Quarantine",
        intro=f"Events of people whom the program does not know. They wait for {KEPT_FOR.days} days and are recorded by "
        "themselves, with their own id, as soon as the person arrives. What they say is sealed until then.",
        buttons=list_buttons(request, waiting),
        tables=[table for table in tables if table is not None],
        progress=show_progress(job) if job is not None and job.state in (JobState.DUE, JobState.RUNNING) else "",
        outcome=say_outcome(job),
    )


def list_buttons(request: HttpRequest, waiting: Waiting) -> list[Button]:
    """What can be done while something waits, by those who may."""
    if not waiting.count or not allowed(request, "quarantine.manage"):
        return []
    return [
        Button("Try again now", reverse("admin:retry_quarantine"), posts=True, is_primary=True),
        Button("Discard…", reverse("admin:ask_discard_quarantine")),
    ]


def say_outcome(job: Job | None) -> str:
    """How the last try that somebody asked for ended."""
    if job is None or job.state != JobState.DONE or not job.result:
        return ""
    counts = [f"{job.result[name]} {said}" for name, said in OUTCOME_WORDS.items() if job.result.get(name)]
    return words(counts, empty="nobody whom an event waits for has arrived")


OUTCOME_WORDS = {
    "accepted": "recorded",
    "duplicate": "known already",
    "conflict": "in conflict",
    "rejected": "rejected",
}


def make_waiting(program: Any, waiting: Waiting) -> Table:
    """What waits, source by source."""
    rows = [
        [
            one.source,
            count(one.waiting.count),
            badge(count(one.waiting.refused), "warn") if one.waiting.refused else "0",
            instant(one.waiting.oldest_at),
            instant(one.waiting.expires_at),
        ]
        for one in list_waiting(program.pk)
    ]
    empty = "Nothing waits: every event that came in was of somebody known."
    if program.creates_unknown_members:
        empty = "Nothing waits: this program makes a member of everybody whom an event names (Program, Members and privacy)."
    headers = ["Source", "Waiting", "Of them refused", "Oldest since", "First expires"]
    total = f"{count(waiting.count)} of at most {count(MOST_KEPT)} wait." if waiting.count else ""
    return Table("What waits", headers, rows, empty, frozenset({1, 2}), total)


def make_refusals(program_id: int) -> Table | None:
    """Why some still wait though their person is there."""
    rows = [
        [source, capfirst(REASONS.get(code, code.replace("_", " "))), count(number), instant(tried_at)]
        for source, code, number, tried_at in list_refusals(program_id)
    ]
    headers = ["Source", "Why", "Events", "Last tried"]
    return Table("Refused although the person is there", headers, rows, numeric=frozenset({2})) if rows else None


def make_replayed(program_id: int) -> Table:
    """What became of those whose person arrived."""
    rows = [
        [one.source, *(count(getattr(one, name)) for name in OUTCOME_WORDS), instant(one.last_at)]
        for one in list_replayed(program_id)
    ]
    headers = ["Source", *(capfirst(said) for said in OUTCOME_WORDS.values()), "Last"]
    note = "Every try counts, so an event that was refused and taken later stands in two columns."
    empty = "Nobody whom an event waited for has arrived yet."
    return Table("What became of those whose person arrived", headers, rows, empty, frozenset({1, 2, 3, 4}), note if rows else "")


def make_endings(program_id: int) -> Table | None:
    """What was discarded or expired, newest first, from the audit log."""
    entries = AuditEvent.objects.filter(program_id=program_id, action__in=ENDINGS).order_by("-id")[:SHOWN_ENDINGS]
    names = names_of(entry.actor for entry in entries)
    rows = []
    for entry in entries:
        counts: dict[str, int] = (entry.after or {}).get(ENDINGS[entry.action], {})
        said = words(f"{count(number)} of {source}" for source, number in counts.items())
        rows.append([instant(entry.at), names[entry.actor], capfirst(ENDINGS[entry.action]), said, entry.comment])
    headers = ["When", "Who", "What", "Events", "Why"]
    return Table("Discarded and expired, newest first", headers, rows) if rows else None


@page("activity/quarantine/retry/", name="retry_quarantine", operation="quarantine.manage", method="POST")
def try_again(request: HttpRequest) -> HttpResponse:
    """One service call: a job that tries everything whose person is there."""

    def act() -> str:
        retry_quarantine(program=program_of(request), actor=person_of(request), at=now())
        return "Everything whose person is there is tried again."

    try_to(request, act)
    return go(request, "activity_quarantine")


@page("activity/quarantine/discard/", name="ask_discard_quarantine", operation="quarantine.manage")
def ask_discard(request: HttpRequest, form: DiscardForm | None = None) -> HttpResponse:
    """The page that asks which, and why."""
    return show(
        request,
        "plum/ask.html",
        title="Discard events in quarantine",
        intro="They are gone for good and are never recorded, even if the person arrives. Their sender can send them again. "
        "How many, of which source and why stands in the audit log with your name.",
        form=form or DiscardForm(waiting=list_waiting(program_of(request).pk)),
        action=reverse("admin:discard_quarantine"),
        submit="Discard",
        back_url=reverse("admin:activity_quarantine"),
        back_label="Quarantine",
    )


@page("activity/quarantine/discard/now/", name="discard_quarantine", operation="quarantine.manage", method="POST")
def discard(request: HttpRequest) -> HttpResponse:
    """One service call; what it refuses stands above the form."""
    form = DiscardForm(request.POST, waiting=list_waiting(program_of(request).pk))
    if not form.is_valid():
        return ask_discard(request, form)
    try:
        number = discard_quarantine(
            program=program_of(request),
            actor=person_of(request),
            at=now(),
            reason=form.cleaned_data["reason"],
            **form.chosen(),
        )
    except DomainError as error:
        refuse(form, error)
        return ask_discard(request, form)
    try_to(request, lambda: f"{count(number)} discarded.")
    return go(request, "activity_quarantine")
