"""`replacement verify` and `verify actions`: all holds after a cutover, and each thing that does not is named."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from offers.models import Offer
from offers.services import change_offer_state
from partners.models import Program
from plum_site.lib import verify
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.verify import load_checks
from reviews.choices import ReplacementState
from reviews.models import Replacement
from tests.factories.replacements import CUT_OVER_AT, lead, make_pair, make_replaceable_program, open_replacement
from tests.support.tampering import let_through

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program() -> Program:
    return make_replaceable_program()


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def done(program: Program, pair: tuple[User, User]) -> Iterator[Replacement]:
    replacement = lead(open_replacement(program, *pair), *pair, ReplacementState.VERIFIED)
    with time_machine.travel(CUT_OVER_AT, tick=False):
        yield replacement


def violations() -> list[str]:
    load_checks()
    return [text for finding in verify.run("actions") for text in finding.violations]


def command(done: Replacement) -> dict[str, Any]:
    out = StringIO()
    call_command("replacement", "verify", str(done.pk), "--format", "json", stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_the_command_says_that_all_holds(done: Replacement) -> None:
    found = command(done)
    assert (found["holds"], found["partner"], found["state"]) == (True, "P1", "verified")
    assert [check["check"] for check in found["checks"]] == [
        "old_offers_closed",
        "successors_live",
        "nobody_stranded",
        "activated_honoured",
        "ranks_continuous",
        "gaps_accepted",
        "rollback_intact",
    ]
    assert violations() == []


def test_the_command_fails_and_names_what_does_not_hold(done: Replacement, pair: tuple[User, User]) -> None:
    offer = Offer.objects.get(external_id="O1")
    change_offer_state(offer_id=offer.pk, name="resume", actor=pair[0], at=CUT_OVER_AT)
    with pytest.raises(CommandError, match="old_offers_closed: O1 is still shown"):
        call_command("replacement", "verify", str(done.pk), stdout=StringIO(), stderr=StringIO())


def test_a_replacement_that_is_not_there_is_no_replacement_that_holds() -> None:
    with pytest.raises((CommandError, NotFound)):
        call_command("replacement", "verify", "7", stdout=StringIO(), stderr=StringIO())


def test_before_the_cutover_nothing_can_be_verified(program: Program, pair: tuple[User, User]) -> None:
    opened = open_replacement(program, *pair)
    with pytest.raises(CommandError, match="nothing can be verified"):
        call_command("replacement", "verify", str(opened.pk), stdout=StringIO(), stderr=StringIO())


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE reviews_replacementtransition SET actor = 'user:{anna}' WHERE name = 'approve'", "mapped by"),
        ("DELETE FROM reviews_replacementtransition WHERE name = 'cut_over'", "its history says otherwise"),
        ("UPDATE reviews_replacement SET state = 'mapped'", "is mapped, and its history says otherwise"),
    ],
)
def test_what_somebody_did_past_the_triggers_is_named(
    statement: str, named: str, done: Replacement, pair: tuple[User, User]
) -> None:
    let_through()
    with connection.cursor() as cursor:
        cursor.execute(statement.format(anna=pair[0].pk))
    assert any(named in text for text in violations())
