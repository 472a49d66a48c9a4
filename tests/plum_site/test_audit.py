"""No audit row, no change: the row is written in the transaction of its change, and says who, what and when."""

from datetime import datetime

import pytest
from django.db import transaction

from plum_site.lib import audit
from plum_site.lib.models import AuditEvent, User


@pytest.mark.django_db(transaction=True)
def test_a_row_outside_a_transaction_is_refused(at: datetime) -> None:
    person = User.objects.create(username="ada")

    with pytest.raises(RuntimeError, match="in the transaction of its change"):
        audit.record(program_id=1, actor=person, action="lib.test", row=person, at=at)

    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_a_change_that_fails_takes_its_audit_row_with_it(at: datetime) -> None:
    def change_and_fail(person: User) -> None:
        with transaction.atomic():
            person.first_name = "Ada"
            person.save()
            audit.record(program_id=None, actor=person, action="lib.test", row=person, at=at)
            raise ZeroDivisionError

    person = User.objects.create(username="ada")

    with pytest.raises(ZeroDivisionError):
        change_and_fail(person)

    person.refresh_from_db()
    assert person.first_name == ""
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
def test_a_row_says_who_did_what_to_which_object_and_when(at: datetime) -> None:
    person = User.objects.create(username="ada")

    written = audit.record(
        program_id=7,
        actor=person,
        action="partners.save_partner",
        row=person,
        at=at,
        before={"name": "Old"},
        after={"name": "New"},
        comment="Asked for by the partner.",
    )

    stored = AuditEvent.objects.get()
    assert stored == written
    assert (stored.program_id, stored.at, stored.actor) == (7, at, f"user:{person.pk}")
    assert (stored.action, stored.object_ref) == ("partners.save_partner", f"plum.User:{person.pk}")
    assert (stored.before, stored.after, stored.comment) == ({"name": "Old"}, {"name": "New"}, "Asked for by the partner.")


@pytest.mark.django_db
@pytest.mark.parametrize("actor", ["system", "token:12"])
def test_an_actor_that_is_no_person_is_written_as_it_is_named(actor: str, at: datetime) -> None:
    person = User.objects.create(username="ada")

    assert audit.record(program_id=None, actor=actor, action="lib.test", row=person, at=at).actor == actor
