"""Whom a form offers."""

from django.db.models import QuerySet

from partners.models import Program
from plum_site.lib.models import RoleGrant, User


def list_people(program: Program) -> QuerySet[User]:
    """Who has a role in a program and may sign in."""
    people = RoleGrant.objects.filter(program_id=program.pk).values("user_id")
    return User.objects.filter(pk__in=people, is_active=True).order_by("username")
