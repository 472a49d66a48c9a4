"""Who can sign in to the sample programs: one person for each role, by link, without a password."""

from datetime import datetime
from typing import Any

from plum_site.demo.profiles import USERS
from plum_site.lib.models import RoleGrant, User
from plum_site.lib.people import grant_role, invite_person
from reviews.choices import SubscriptionScope
from reviews.services import subscribe


def save_users(*, program_id: int, at: datetime) -> dict[str, User]:
    """
    Make the people of the profiles and give each their role in a program; by user name. Those who exist are kept.

    Raises: nothing of its own.
    Writes: plum_user, plum_rolegrant, plum_auditevent.
    """
    users = {}
    for username, first_name, last_name, role in USERS:
        user = User.objects.filter(username=username).first()
        if user is None:
            user = invite_person(
                program_id=program_id,
                username=username,
                email=f"{username}@example.org",
                first_name=first_name,
                last_name=last_name,
                role=role,
                actor="system",
                at=at,
            )
        grant_role(program_id=program_id, user_id=user.pk, role=role, actor="system", at=at)
        users[username] = user
    return users


def save_recipients(*, program_id: int, users: dict[str, User], at: datetime, category: str = "") -> None:
    """
    Have the admin get the monthly report, operations that of the partners they own, and somebody without a login that of
    one category, if it is named.

    Raises: nothing of its own.
    Writes: reviews_subscription, plum_auditevent.
    """
    bound: dict[str, Any] = {"program_id": program_id, "actor": "system", "at": at}
    admin, ops = users["admin"], users["ops"]
    subscribe(email=admin.email, name=admin.get_full_name(), user_id=admin.pk, **bound)
    if category:
        subscribe(email=ops.email, name=ops.get_full_name(), user_id=ops.pk, scope=SubscriptionScope.OWNED, **bound)
        address = f"{category.lower()}.buyer@example.org"
        subscribe(email=address, name="Bea Buyer", scope=SubscriptionScope.CATEGORY, scope_value=category, **bound)


def list_users(program_ids: dict[int, str]) -> list[dict[str, str]]:
    """Who holds which role in which of these programs (id to code), by program, then user name."""
    grants = RoleGrant.objects.filter(program_id__in=program_ids, user__username__in=[user[0] for user in USERS])
    rows = grants.values_list("user__username", "role", "program_id").order_by("program_id", "user__username", "role")
    return [{"username": name, "role": role, "program": program_ids[program]} for name, role, program in rows]
