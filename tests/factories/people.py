"""People with roles."""

from partners.models import Program
from plum_site.lib.models import User
from plum_site.lib.people import grant_role
from tests.factories.programs import CREATED_AT


def make_person(username: str = "ada", **values: object) -> User:
    """Somebody who can sign in and has no role anywhere."""
    return User.objects.create_user(username=username, password="a long enough password", **values)  # type: ignore[arg-type]


def make_member_of_staff(program: Program, role: str, username: str = "") -> User:
    """Somebody with one role in one program."""
    person = make_person(username or f"{role}-{program.code}")
    grant_role(program_id=program.pk, user_id=person.pk, role=role, actor="system", at=CREATED_AT)
    return person
