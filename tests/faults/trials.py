"""What processes of a lab are asked to do with trials of replacements: make some, die while a step is taken, take it again."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Model

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from offers.models import Audience, CatalogTrial, CatalogTrialOffer, Offer, OfferTransition, RankingRevision
from offers.selectors import DayCatalog, day_catalog
from offers.services import change_offer_state
from partners.models import Partner, PartnerTransition, Program
from plum_site.lib import jobs
from plum_site.lib.errors import DomainError
from plum_site.lib.models import AuditEvent, Job, Outbox, User
from reviews.choices import ReplacementState
from reviews.models import ActionTransition, CorrectiveAction, Replacement, ReplacementHolder, ReplacementTransition
from reviews.services.replacements.approving import CUT_OVER, schedule_cutover
from reviews.services.replacements.ending import cancel_replacement, go_back
from reviews.services.replacements.trying import end_replacement_trial, start_replacement_trial
from tests.faults.dying import die_at, wait_to_begin
from tests.faults.replacements import CODE
from tests.faults.replacements import make as make_replacements

SHARE = 40
PARTS: tuple[type[Model], ...] = (  # all that a step of a trial may change, but for its job
    Program,
    Partner,
    PartnerTransition,
    Offer,
    OfferTransition,
    Audience,
    RankingRevision,
    CatalogTrial,
    CatalogTrialOffer,
    Replacement,
    ReplacementTransition,
    ReplacementHolder,
    CorrectiveAction,
    ActionTransition,
    AuditEvent,
    Outbox,
)


def make(count: int, at: str) -> None:
    """So many replacements that are approved."""
    make_replacements(count, at, ReplacementState.APPROVED)


def die(deaths: list[tuple[str, str]], at: str) -> None:
    """
    For each replacement in turn what leads to a step, then the step in a process of its own that dies at a point; print how each
    ended, and which parts of the database it changed.
    """
    instant, told = datetime.fromisoformat(at), []
    for number, (way, point) in enumerate(deaths):
        prepare(way, number, instant)
        before = read_parts()
        status = die_at(point, partial(WAYS[way], number, instant))
        after = read_parts()
        told.append([status, sorted(name for name in before if before[name] != after[name])])
    print(json.dumps(told))


def take_again(deaths: list[tuple[str, str]], at: str) -> None:
    """Sweep as beat does, and take each step again, twice: whoever comes second is refused or finds nothing to do."""
    instant = datetime.fromisoformat(at)
    jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
    for number, (way, _point) in enumerate(deaths):
        for _ in range(2):
            is_taken(WAYS[way], number, instant)


def race(count: int, at: str) -> None:
    """Once told to begin start the trial of every replacement; print how many it were."""
    wait_to_begin()
    print(sum(is_taken(start, number, datetime.fromisoformat(at)) for number in range(count)))


def is_taken(step: Callable[[int, datetime], None], number: int, at: datetime) -> bool:
    """Take a step, unless it was taken already."""
    try:
        step(number, at)
    except DomainError as error:
        if error.code != "transition_refused":
            raise
        return False
    return True


def prepare(way: str, number: int, at: datetime) -> None:
    """What has to be before a step can be taken: for all but its start, a trial that runs."""
    if way == "start":
        return
    start(number, at)
    if way in ("fail", "cut_over"):
        schedule_cutover(replacement_id=the_replacement(number).pk, scheduled_at=at, actor=ben(), at=at)
    if way == "fail":  # nothing can follow the old offer any more
        for name in ("pause", "retire"):
            change_offer_state(offer_id=the_offer("S", number).pk, name=name, actor="system", at=at, comment="A fault in it.")


def start(number: int, at: datetime) -> None:
    """Start the trial of one."""
    start_replacement_trial(replacement_id=the_replacement(number).pk, share_percent=SHARE, actor=ben(), at=at)


def end(number: int, at: datetime) -> None:
    """End it, by hand."""
    end_replacement_trial(replacement_id=the_replacement(number).pk, actor=ben(), at=at)


def back(number: int, at: datetime) -> None:
    """Go back behind the approval, which ends it."""
    go_back(replacement_id=the_replacement(number).pk, name="back_to_mapping", actor=ben(), at=at, comment="Other offers.")


def cancel(number: int, at: datetime) -> None:
    """Call the replacement off, which ends it."""
    cancel_replacement(replacement_id=the_replacement(number).pk, actor=ben(), at=at, comment="It stays.")


def cut_over(number: int, at: datetime) -> None:
    """Run the job of the cutover, which ends the trial, whether it goes well or fails."""
    jobs.run_job(Job.objects.get(name=CUT_OVER, arguments__replacement_id=the_replacement(number).pk).pk, at)


WAYS: dict[str, Callable[[int, datetime], None]] = {
    "start": start,
    "end": end,
    "back": back,
    "cancel": cancel,
    "fail": cut_over,
    "cut_over": cut_over,
}


def report(count: int, at: str) -> None:
    """Print what became of each, as it is on a day."""
    catalog = day_catalog(Program.objects.get(code=CODE), datetime.fromisoformat(at).date())
    print(json.dumps([describe(number, catalog) for number in range(count)]))


def describe(number: int, catalog: DayCatalog) -> dict[str, Any]:
    """
    The state of one replacement and the steps since its approval, its offers and its successor, its trials, how often they were
    audited, how many mails about them each partner got, and what each arm is shown of it.
    """
    replacement = the_replacement(number)
    names = list(replacement.transitions.order_by("id").values_list("name", flat=True))
    trials = CatalogTrial.objects.filter(source_ref__endswith=f":{replacement.pk}")
    audited = AuditEvent.objects.filter(action__in=("offers.start_trial", "offers.end_trial"))
    told = Outbox.objects.filter(dedup_key__startswith="trial:")
    refs = [f"offers.CatalogTrial:{trial.pk}" for trial in trials]
    return {
        "state": replacement.state,
        "steps": names[names.index("approve") + 1 :],
        "offers": [the_offer(kind, number).state for kind in "RS"],
        "successor": Partner.objects.get(external_id=f"S{number}").state,
        "trials": [trial.ended_at is None for trial in trials],
        "audited": audited.filter(object_ref__in=refs).count(),
        "mails": [told.filter(recipient=f"{kind}{number}@example.org").count() for kind in "rs"],
        "shown": show(number, replacement, catalog),
    }


def show(number: int, replacement: Replacement, catalog: DayCatalog) -> list[list[str]]:
    """Which of its two offers challengers are shown, and which everybody else: each arm by the keys that fall into it."""
    arms: dict[bool, set[str]] = {True: set(), False: set()}
    for key in (bytes([place]) * 16 for place in range(64)):
        tries = catalog.tried_by(key, {})
        names = {one.offer.external_id for one in catalog.for_attributes({}, tries)}
        takes_part = replacement.trial_id is not None and replacement.trial_id in tries
        arms[takes_part].add("".join(kind for kind in "RS" if f"{kind}{number}" in names))
    return [sorted(arms[True]), sorted(arms[False])]


def read_parts() -> dict[str, str]:
    """A hash of every table that a step may change, by its name."""
    rows = {model.__name__: list(model._default_manager.order_by("pk").values_list()) for model in PARTS}
    return {name: hashlib.sha256(repr(found).encode()).hexdigest() for name, found in rows.items()}


def the_replacement(number: int) -> Replacement:
    """One of the replacements."""
    return Replacement.objects.get(partner__external_id=f"R{number}")


def the_offer(kind: str, number: int) -> Offer:
    """Its old offer ("R") or its new one ("S")."""
    return Offer.objects.get(external_id=f"{kind}{number}")


def ben() -> User:
    """Who approves."""
    return User.objects.get(username="ben")
