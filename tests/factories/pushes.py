"""Promotional pushes for tests: members with addresses, and a push to them that was carried out by services."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from activity.models import Member
from activity.services import MemberRow, Person, apply_people, find_members
from partners.models import Program
from plum_site.lib.models import User
from reviews.choices import ActionKind
from reviews.models import CorrectiveAction
from reviews.services.actions import send_push
from tests.factories.actions import AT, carry_out, make_correctable_program, propose
from tests.factories.programs import CREATED_AT

WORDS = {"subject": "{title} for you", "text": "Only now in {program}: {title}."}


def make_pushable_program(number: int = 20) -> Program:
    """The program of tests/factories/actions.py, with members M0, M1, ...: even ones in the north, each with an address."""
    program = make_correctable_program()
    program.minimum_group = 2
    program.save()
    add_people(program, [f"M{one}" for one in range(number)])
    return program


def add_people(program: Program, names: Sequence[str], **values: Any) -> None:
    """Members of the program, each with an address of their own unless something else is said."""
    rows = []
    for number, name in enumerate(names):
        fields = {"email": f"{name.lower()}@people.example", "display_name": f"Person {name}"} | values
        rows.append(MemberRow(Person(name, **fields), {"region": "north" if number % 2 == 0 else "south"}))
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    program.refresh_from_db()


def the_member(program: Program, name: str) -> Member:
    """One member, by outside id."""
    return find_members(program=program, external_ids=[name])[name]


def propose_push(program: Program, actor: User | str, **changes: Any) -> CorrectiveAction:
    """A push about offer O1 by mail, with nobody held out unless something else is said."""
    segment, at = changes.pop("segment", ""), changes.pop("at", AT)
    params = {"offers": ["O1"], "channels": ["mail"], "hold_out_percent": 0, "pause_days": 14} | WORDS | changes
    return propose(program, actor, ActionKind.PROMOTIONAL_PUSH, params=params, segment=segment, at=at)


def begin_push(program: Program, anna: User, at: datetime = AT, **changes: Any) -> CorrectiveAction:
    """A push whose recipients are frozen, and of which nothing was sent yet."""
    return carry_out(propose_push(program, anna, at=at, **changes), anna, at)


def send_all(action: CorrectiveAction, at: datetime = AT) -> CorrectiveAction:
    """The same push with everything in the outbox, as its job leaves it."""
    send_push(action_id=action.pk, at=at)
    action.refresh_from_db()
    return action
