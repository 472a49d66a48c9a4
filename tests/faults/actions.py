"""What processes of a lab are asked to do with actions of every kind: approve some, carry them out, die, take up again."""

import json
from datetime import datetime
from functools import partial

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from plum_site.lib import jobs
from plum_site.lib.choices import JobState, Role
from plum_site.lib.models import Job
from plum_site.lib.wakeups import ORDINARY, send_to_broker
from reviews.models import CorrectiveAction
from reviews.services.actions import EXECUTE, execute_action
from tests.factories.action_kinds import KINDS, approved, make_subject
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.faults.dying import die_at, wait_to_begin

CODE = "corrected"


def approve(count: int, at: str) -> None:
    """A program with so many actions of each kind, each about a partner of its own; all of them are approved."""
    program = make_program(CODE)
    person = make_member_of_staff(program, Role.PROGRAM_ADMIN)
    for kind in KINDS:
        for number in range(count):
            approved(make_subject(program, f"{kind}-{number}"), kind, person, datetime.fromisoformat(at))


def die(points: list[str], at: str) -> None:
    """A process for each kind and point carries out one action, and dies there; prints how each ended, then `count`."""
    ended = {}
    for kind in KINDS:
        for number, point in enumerate(points):
            job = the_job(f"{kind}-{number}")
            ended[f"{kind}-{number}"] = die_at(point, partial(jobs.run_job, job.pk, datetime.fromisoformat(at)))
    print(json.dumps(ended))
    count()


def take_up(times: list[str]) -> None:
    """At each of these instants sweep as beat does, and run what is due again, each twice; prints `count`."""
    for instant in map(datetime.fromisoformat, times):
        jobs.sweep(instant - 2 * jobs.LONGEST_DELAY)
        due = list(Job.objects.filter(name=EXECUTE, state=JobState.DUE, due_at__lte=instant).values_list("pk", flat=True))
        for pk in (*due, *due):
            jobs.run_job(pk, instant)
    count()


def race(numbers: list[int], at: str) -> None:
    """Once told to begin carry actions out past the job that keeps others away from them."""
    chosen = [the_action(f"{kind}-{number}") for number in numbers for kind in KINDS]
    wait_to_begin()
    for action in chosen:
        execute_action(action_id=action.pk, revision=action.revision, at=datetime.fromisoformat(at))


def wake(numbers: list[int], times: int) -> None:
    """Have workers told of actions, each so often, one message after the other about the same one."""
    waiting = [the_job(f"{kind}-{number}").pk for number in numbers for kind in KINDS]
    send_to_broker([({"job": pk}, ORDINARY) for pk in waiting for _ in range(times)])


def count() -> None:
    """Print of every action how often its effect stands there, and how often it was finished."""
    found = {}
    for action in CorrectiveAction.objects.filter(program__code=CODE).select_related("partner"):
        finished = action.transitions.filter(name="finish").count()
        found[action.partner.external_id] = [KINDS[action.kind].count(action), finished]
    print(json.dumps(found))


def the_action(name: str) -> CorrectiveAction:
    """The one action about a partner."""
    return CorrectiveAction.objects.get(program__code=CODE, partner__external_id=name)


def the_job(name: str) -> Job:
    """The job that carries it out."""
    return Job.objects.get(name=EXECUTE, arguments__action_id=the_action(name).pk)
