"""The versions of a program's approvals: what raises them takes force at once, what lowers them by a second person or a day."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from partners.models import Program
from plum_site.lib import audit, jobs
from plum_site.lib.access import Actor, may
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User
from plum_site.lib.people import find_person
from plum_site.lib.workflow import check_comment, find_transition
from reviews.choices import ApprovalRequestState
from reviews.models import ApprovalPolicy, ApprovalRequest
from reviews.rules.actions import SOLO_HOURS, ApprovalSpec, check_approvals, is_theirs, lowers
from reviews.selectors.actions import Approvals, read_approvals
from reviews.selectors.approvals import find_open_request, spec_of
from reviews.services.actions.notices import tell_of_lowering
from reviews.services.actions.people import UnableToDecideAction, person_behind, require_right
from reviews.workflow import APPROVAL_REQUEST_SYSTEM_TRANSITIONS, APPROVAL_REQUEST_TRANSITIONS, EDIT

LOWER = "reviews.lower_approvals"


@transaction.atomic
def save_approvals(
    *, program_id: int, spec: ApprovalSpec, actor: User | str, at: datetime, replaces: int | None = None
) -> ApprovalPolicy | ApprovalRequest:
    """
    Say how many people each kind of action needs. The same again changes nothing.

    What asks for no less than before is the next version, in force at once; an open request lapses, as what it was about is not
    in force any more. What asks for less in anything is a request: it takes force when another person confirms it, or
    SOLO_HOURS after it was asked, and every admin is told at once. It replaces a request that is open. replaces: the number of
    the version that the caller saw.

    Raises: InvalidInput - invalid_approvals, with a sentence for each field at fault; DomainError - changed_since; and where it
    asks for less NotAllowed, UnableToDecideAction - nobody_behind.
    Writes: reviews_approvalpolicy, reviews_approvalrequest, plum_job, plum_outbox, plum_auditevent; locks the program.
    Source: docs/rules/approvals.md
    """
    check_approvals(spec)
    program = Program.objects.select_for_update().get(pk=program_id)
    in_force, waiting = read_approvals(program_id), find_open_request(program_id)
    check_number(in_force.number, replaces, "approvals")
    if lowers(in_force.spec, spec):
        if waiting is not None and spec_of(waiting) == spec:
            return waiting
        return _ask(program, in_force, waiting, spec, actor, at)
    if in_force.row is not None and in_force.spec == spec:
        return in_force.row
    row = _put_in_force(program_id, in_force, spec, audit.actor_name(actor), actor, at)
    if waiting is not None:
        _answer(waiting, "lapse", actor, at, f"Version {row.number} of the approvals was saved meanwhile.")
    return row


@transaction.atomic
def answer_approval_request(*, request_id: int, name: str, actor: User | str, at: datetime, comment: str = "") -> ApprovalRequest:
    """
    Confirm approvals that ask for less, which puts them in force; or refuse or withdraw them, and what is in force stays.

    Whoever asked withdraws, by whatever door they come, and somebody else confirms or refuses; the database refuses it too.

    name: of APPROVAL_REQUEST_TRANSITIONS.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required; UnableToDecideAction -
    nobody_behind, same_person, another_person.
    Writes: reviews_approvalrequest, reviews_approvalpolicy, plum_auditevent; locks the program.
    Source: docs/rules/approvals.md
    """
    row = lock_request(request_id)
    transition = find_transition(APPROVAL_REQUEST_TRANSITIONS, name, row.state)
    person = require_right(person_behind(actor), transition.operation, row.program_id)
    if not is_theirs(name, row.asker_id, person.pk):
        if person == row.asker:
            sentence = "You asked for this: somebody else has to confirm or refuse it. Nothing was changed. You may withdraw it."
            raise UnableToDecideAction("same_person", sentence)
        raise UnableToDecideAction("another_person", "Somebody else asked for this. Nothing was changed. Refuse it instead.")
    check_comment(transition, comment)
    _answer(row, name, actor, at, comment)
    if name == "confirm":
        _lower(row, actor, at)
    return row


def lower_by_time(*, request_id: int, at: datetime) -> ApprovalRequest:
    """
    Put approvals that ask for less in force, if their time has come and nobody has answered: one version, however often this
    runs and wherever it dies. Where whoever asked may not change approvals any more, the request lapses.

    Raises: NotFound.
    Writes: reviews_approvalrequest, reviews_approvalpolicy, plum_auditevent; locks the program; one transaction.
    Source: docs/rules/approvals.md
    """
    with transaction.atomic():
        row = lock_request(request_id)
        crashpoint("approvals.locked")
        if row.state != ApprovalRequestState.ASKED or at < row.due_at:
            return row
        if not may(Actor(user=row.asker), EDIT, row.program_id):
            _answer(row, "lapse", audit.SYSTEM, at, "Whoever asked for this may not change the approvals any more.")
        else:
            _answer(row, "take_force", audit.SYSTEM, at, "")
            crashpoint("approvals.answered")
            _lower(row, audit.SYSTEM, at)
        crashpoint("approvals.before_commit")
    crashpoint("approvals.committed")
    return row


def check_number(number: int, replaces: int | None, what: str) -> None:
    """
    Refuse to go on from another version than the one that was seen. The caller holds the lock of the program.

    Raises: DomainError - changed_since.
    """
    if replaces not in (None, number):
        sentence = f"Somebody saved another version meanwhile: version {number} of the {what} is in force, not {replaces}. "
        raise DomainError("changed_since", sentence + "Nothing was saved. Look at what is in force and change it again.")


def lock_request(request_id: int) -> ApprovalRequest:
    """
    One request, under the lock of its program: everything about its approvals is decided there.

    Raises: NotFound.
    """
    row = ApprovalRequest.objects.select_related("asker").filter(pk=request_id).first()
    if row is None:
        raise NotFound("request to lower the approvals", request_id)
    Program.objects.select_for_update().get(pk=row.program_id)
    row.refresh_from_db()
    return row


def _ask(
    program: Program, in_force: Approvals, waiting: ApprovalRequest | None, spec: ApprovalSpec, actor: User | str, at: datetime
) -> ApprovalRequest:
    person = require_right(person_behind(actor), EDIT, program.pk)
    if waiting is not None:
        _answer(waiting, "replace", actor, at, "Another request took its place.")
    row = ApprovalRequest.objects.create(
        program=program,
        replaces=in_force.number,
        approvals=dict(spec.approvals),
        push_limit=spec.push_limit,
        solo_mode=spec.solo_mode,
        asker=person,
        asked_at=at,
        due_at=at + timedelta(hours=SOLO_HOURS),
    )
    audit.record(
        program_id=program.pk,
        actor=actor,
        action="reviews.ask_approvals",
        row=row,
        at=at,
        before={"number": in_force.number},
        after={"state": str(row.state), "asker": audit.actor_name(person), "due_at": row.due_at.isoformat(), **_say(spec)},
    )
    jobs.plan(
        name=LOWER,
        key=f"lower_approvals:{row.pk}",
        program_id=program.pk,
        arguments={"request_id": row.pk},
        due_at=row.due_at,
        at=at,
    )
    tell_of_lowering(request=row, before=in_force.spec, at=at)
    return row


def _answer(row: ApprovalRequest, name: str, actor: User | str, at: datetime, answer: str) -> None:
    table = APPROVAL_REQUEST_TRANSITIONS if name in APPROVAL_REQUEST_TRANSITIONS else APPROVAL_REQUEST_SYSTEM_TRANSITIONS
    before = row.state
    row.state = find_transition(table, name, before).target
    row.answerer, row.answered_at, row.answer = find_person(actor), at, answer.strip()
    try:
        with transaction.atomic():
            row.save(update_fields=["state", "answerer", "answered_at", "answer"])
    except IntegrityError as error:
        raise UnableToDecideAction("same_person", "Somebody else has to confirm this. Nothing was changed.") from error
    audit.record(
        program_id=row.program_id,
        actor=actor,
        action=f"reviews.{name}_approvals",
        row=row,
        at=at,
        before={"state": before},
        after={"state": str(row.state)},
        comment=row.answer,
    )


def _lower(row: ApprovalRequest, actor: User | str, at: datetime) -> None:
    """The version that was asked for; made by whoever asked, as its request says who confirmed."""
    asker = audit.actor_name(row.asker)
    _put_in_force(row.program_id, read_approvals(row.program_id), spec_of(row), asker, actor, at, row)


def _put_in_force(
    program_id: int,
    in_force: Approvals,
    spec: ApprovalSpec,
    made_by: str,
    actor: User | str,
    at: datetime,
    request: ApprovalRequest | None = None,
) -> ApprovalPolicy:
    row = ApprovalPolicy.objects.create(
        program_id=program_id,
        number=in_force.number + 1,
        approvals=dict(spec.approvals),
        push_limit=spec.push_limit,
        solo_mode=spec.solo_mode,
        request=request,
        made_by=made_by,
        made_at=at,
    )
    audit.record(
        program_id=program_id,
        actor=actor,
        action="reviews.save_approvals",
        row=row,
        at=at,
        before={"number": in_force.number},
        after={"number": row.number, **_say(spec)},
    )
    return row


def _say(spec: ApprovalSpec) -> dict[str, object]:
    return {"approvals": dict(spec.approvals), "push_limit": spec.push_limit, "solo_mode": spec.solo_mode}
