"""People who sign in, and the roles they hold in programs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat

from plum_site.lib import audit
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import ApiToken, RoleGrant, User

EDITABLE = ("first_name", "last_name", "email", "is_active")


@transaction.atomic
def invite_person(
    *, program_id: int, username: str, email: str, first_name: str, last_name: str, role: str, actor: User | str, at: datetime
) -> User:
    """
    Make a person who can sign in (by link, until they choose a password) and give them a first role in the program.

    Raises: InvalidInput (code "username_taken" or "invalid_person").
    Writes: plum_user, plum_rolegrant, plum_auditevent; one transaction.
    """
    if User.objects.filter(username__iexact=username).exists():
        sentence = "There is a person of this name already. Nothing was changed. Grant them a role instead."
        raise InvalidInput("username_taken", sentence, {"username": sentence})
    user = User(username=username, email=email, first_name=first_name, last_name=last_name, date_joined=at)
    user.set_unusable_password()
    check_person(user)
    user.save()
    audit.record(program_id=program_id, actor=actor, action="plum.invite_person", row=user, at=at, after={"username": username})
    grant_role(program_id=program_id, user_id=user.pk, role=role, actor=actor, at=at)
    return user


@transaction.atomic
def update_person(*, user_id: int, changes: dict[str, Any], actor: User | str, at: datetime) -> User:
    """
    Change a person's name, address or whether they may sign in; values that are the same already are left alone.

    A person who may no longer sign in loses their sessions and their tokens at once: both ask for an active person.

    Raises: NotFound, InvalidInput, DomainError (code "own_account": nobody locks themselves out).
    Writes: plum_user and plum_auditevent if something differs; locks the person; one transaction.
    """
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound("person", user_id)
    strange = sorted(set(changes) - set(EDITABLE))
    if strange:
        raise InvalidInput("not_editable", f"{strange[0]} cannot be changed here. Nothing was changed.")
    if changes.get("is_active") is False and isinstance(actor, User) and actor.pk == user.pk:
        raise DomainError("own_account", "You cannot lock yourself out. Nothing was changed. Ask another operator.")
    different = [name for name in changes if getattr(user, name) != changes[name]]
    if not different:
        return user
    was_active = user.is_active
    for name in different:
        setattr(user, name, changes[name])
    check_person(user)
    user.save(update_fields=different)
    audit.record(  # names and addresses are personal: the log says which were changed, not to what
        program_id=None,
        actor=actor,
        action="plum.update_person",
        row=user,
        at=at,
        before={"is_active": was_active},
        after={"is_active": user.is_active, "changed": different},
    )
    return user


@transaction.atomic
def change_password(*, user_id: int, password: str, actor: User | str, at: datetime) -> User:
    """
    Give a person a new password; their other sessions end.

    Raises: NotFound, InvalidInput (code "weak_password").
    Writes: plum_user, plum_auditevent; locks the person; one transaction.
    """
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound("person", user_id)
    try:
        validate_password(password, user)
    except ValidationError as error:
        sentence = " ".join(error.messages)
        raise InvalidInput("weak_password", f"The password was not changed. {sentence}", {"new_password1": sentence}) from None
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record(program_id=None, actor=actor, action="plum.change_password", row=user, at=at)
    return user


@transaction.atomic
def grant_role(*, program_id: int, user_id: int, role: str, actor: User | str, at: datetime) -> RoleGrant:
    """
    Give a person a role in a program; one that they hold already is left as it is.

    Raises: NotFound, InvalidInput (code "unknown_role"), DomainError (code "own_role").
    Writes: plum_rolegrant and plum_auditevent if it is new; one transaction.
    """
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound("person", user_id)
    if role not in Role.values:
        raise InvalidInput(
            "unknown_role", f"{role!r} is not a role. Roles: {', '.join(Role.values)}.", {"role": "Choose a role."}
        )
    refuse_own(user, actor)
    by = actor if isinstance(actor, User) else None
    grant, is_new = RoleGrant.objects.get_or_create(
        user=user, program_id=program_id, role=role, defaults={"granted_at": at, "granted_by": by}
    )
    if is_new:
        after = {"user": audit.actor_name(user), "role": role}
        audit.record(program_id=program_id, actor=actor, action="plum.grant_role", row=grant, at=at, after=after)
    return grant


@transaction.atomic
def revoke_role(*, grant_id: int, actor: User | str, at: datetime) -> None:
    """
    Take a role away.

    Raises: NotFound, DomainError (code "own_role"; "last_admin": a program keeps at least one program admin).
    Writes: plum_rolegrant, plum_auditevent; locks the program's grants; one transaction.
    """
    grant = RoleGrant.objects.select_related("user").filter(pk=grant_id).first()
    if grant is None:
        raise NotFound("role", grant_id)
    refuse_own(grant.user, actor)
    held = list(RoleGrant.objects.select_for_update().filter(program_id=grant.program_id, role=Role.PROGRAM_ADMIN).order_by("pk"))
    if grant.role == Role.PROGRAM_ADMIN and len(held) < 2:
        raise DomainError("last_admin", "This is the program's last admin. Nothing was changed. Make another one first.")
    before = {"user": audit.actor_name(grant.user), "role": grant.role}
    audit.record(program_id=grant.program_id, actor=actor, action="plum.revoke_role", row=grant, at=at, before=before)
    grant.delete()


def refuse_own(user: User, actor: User | str) -> None:
    """Nobody gives or takes their own roles, operators apart, who hold every right anyway."""
    if isinstance(actor, User) and actor.pk == user.pk and not actor.is_superuser:
        raise DomainError("own_role", "You cannot change your own roles. Nothing was changed. Ask another program admin.")


def check_person(user: User) -> None:
    """InvalidInput unless name and address are well formed."""
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        fields = {name: " ".join(texts) for name, texts in error.message_dict.items()}
        raise InvalidInput("invalid_person", "Nothing was changed. " + " ".join(fields.values()), fields) from None


def person_behind(field: str) -> Subquery:
    """The user name behind a column that says "user:ID", to annotate a list with; empty for other actors."""
    person = User.objects.annotate(ref=Concat(Value("user:"), Cast("pk", TextField()), output_field=TextField()))
    return Subquery(person.filter(ref=OuterRef(field)).values("username")[:1])


def list_insiders(program_id: int) -> set[int]:
    """The row ids of people who hold a role in a program."""
    return set(RoleGrant.objects.filter(program_id=program_id).values_list("user_id", flat=True))


def list_admins(program_id: int) -> list[User]:
    """The admins of a program, in the order in which they were made so."""
    grants = RoleGrant.objects.filter(program_id=program_id, role=Role.PROGRAM_ADMIN).select_related("user")
    return [grant.user for grant in grants.order_by("id")]


def works_in(person: User, program_id: int) -> bool:
    """Whether somebody may be named as who works on something in a program: active, and with a role in it."""
    return person.is_active and (person.is_superuser or RoleGrant.objects.filter(program_id=program_id, user=person).exists())


def find_person(actor: User | str) -> User | None:
    """Who acts, as the rule of two people sees it: the person, and for a token whoever made it; None where nobody does."""
    if isinstance(actor, User):
        return actor
    of_person = User.objects.filter(pk__in=ids_behind([actor], "user"))
    return (
        of_person.first()
        or User.objects.filter(
            pk__in=ApiToken.objects.filter(pk__in=ids_behind([actor], "token")).values("created_by_id")
        ).first()
    )


def may_be_told(person: User, insiders: set[int]) -> bool:
    """Whether a mail about a program may go to somebody: an active person with an address who may see the program."""
    return bool(person.email) and person.is_active and (person.is_superuser or person.pk in insiders)


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """
    Who is behind each "user:ID" and "token:ID" of a log, at most one query each; other actors as the log has them.

    A person by user name, a token as "token NAME".
    """
    texts = set(actors)
    user_ids, token_ids = ids_behind(texts, "user"), ids_behind(texts, "token")
    names: dict[str, str] = {}
    if user_ids:
        names |= {f"user:{pk}": name for pk, name in User.objects.filter(pk__in=user_ids).values_list("pk", "username")}
    if token_ids:
        tokens = ApiToken.objects.filter(pk__in=token_ids).values_list("pk", "name")
        names |= {f"token:{pk}": f"token {name}" for pk, name in tokens}
    return {text: names.get(text, text) for text in texts}


def ids_behind(actors: Iterable[str], kind: str) -> list[int]:
    """The row ids in actors such as "user:3" of one kind."""
    parts = (text.partition(":") for text in actors)
    return [int(number) for name, _, number in parts if name == kind and number.isdecimal() and len(number) < 19]
