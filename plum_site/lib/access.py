"""
Who may do what: `permissions.yaml`, read once, and the questions that interfaces ask it.

Interfaces check; services do not. What the file does not name is refused. Inside a program a right comes from a role
(people) or a scope (tokens); an operator (Django's superuser) may do in every program whatever names at least one role.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import yaml
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework.request import Request

from plum_site.lib import clock
from plum_site.lib.audit import SYSTEM, actor_name
from plum_site.lib.choices import Role, Scope
from plum_site.lib.errors import NotAllowed, NotFound
from plum_site.lib.models import ApiToken, RoleGrant, User

ANYONE = "anyone"
SIGNED_IN = "signed_in"
OPERATOR = "operator"
OPEN_TO = ("", ANYONE, SIGNED_IN, OPERATOR)
KEYS = {"title", "roles", "scopes", "open_to", "writes", "routes"}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
TARGET = re.compile(r"/\S*|[\w:-]+")


@dataclass(frozen=True)
class Operation:
    """One row of permissions.yaml. open_to: one of OPEN_TO; "": roles and scopes decide."""

    id: str
    title: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    open_to: str = ""
    writes: bool = False
    routes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Actor:
    """Who acts: a person, a token, the system (neither, `is_system`) or nobody known."""

    user: User | None = None
    token: ApiToken | None = None
    is_system: bool = field(default=False)

    @property
    def name(self) -> str:
        """As written in every log: "user:3", "token:7", "system"; "" for nobody."""
        if self.token is not None:
            return f"token:{self.token.pk}"
        if self.user is not None:
            return actor_name(self.user)
        return SYSTEM if self.is_system else ""

    @cached_property
    def roles(self) -> dict[int, frozenset[str]]:
        """Program id to the roles held there; read once for each actor, which lives as long as a request."""
        held: dict[int, set[str]] = {}
        if self.user is not None and self.user.is_active:
            for program_id, role in RoleGrant.objects.filter(user=self.user).values_list("program_id", "role"):
                held.setdefault(program_id, set()).add(role)
        return {program_id: frozenset(roles) for program_id, roles in held.items()}

    @property
    def is_operator(self) -> bool:
        """Runs the installation: an active superuser."""
        return self.user is not None and self.user.is_active and self.user.is_superuser


SYSTEM_ACTOR = Actor(is_system=True)
NOBODY = Actor()


class UnknownProgram(NotFound):
    """There is no such program, or the caller has nothing to do with it: both look alike."""

    def __init__(self, program_id: int) -> None:
        super().__init__("program", program_id)
        self.detail = f"There is no program {program_id} that you may see."


def actor_of(request: HttpRequest | Request) -> Actor:
    """The actor behind a request of the API (its token) or of the console (its signed-in user), one object a request."""
    plain = request._request if isinstance(request, Request) else request
    known: Actor | None = getattr(plain, "plum_actor", None)
    token = request.auth if isinstance(request, Request) and isinstance(request.auth, ApiToken) else None
    user = getattr(plain, "user", None)
    person = user if isinstance(user, User) else None
    if known is None or known.token != token or known.user != person:
        known = Actor(user=None if token else person, token=token)
        plain.plum_actor = known  # type: ignore[attr-defined]
    return known


def actor_named(name: str) -> Actor:
    """The actor behind a name in a log, with the rights of this moment; nobody where a person or a token is no more in force."""
    if name == SYSTEM:
        return SYSTEM_ACTOR
    kind, _, number = name.partition(":")
    if not number.isdecimal():
        return NOBODY
    if kind == "token":
        token = ApiToken.objects.filter(pk=int(number), revoked_at__isnull=True, expires_at__gt=clock.now()).first()
        return Actor(token=token) if token is not None else NOBODY
    user = User.objects.filter(pk=int(number), is_active=True).first() if kind == "user" else None
    return Actor(user=user) if user is not None else NOBODY


def may(actor: Actor, operation: str, program_id: int | None) -> bool:
    """Whether `actor` may do `operation` in a program (None: outside any, where only open operations are allowed)."""
    row = find_operation(operation)
    if actor.is_system or row.open_to == ANYONE:
        return True
    if row.open_to == SIGNED_IN:
        return actor.is_operator or bool(actor.roles)
    if row.open_to == OPERATOR:
        return actor.is_operator
    if program_id is None:
        return False
    if actor.token is not None:
        return actor.token.program_id == program_id and not row.scopes.isdisjoint(actor.token.scopes)
    if actor.is_operator and row.roles:
        return True
    return not row.roles.isdisjoint(actor.roles.get(program_id, frozenset()))


def check(actor: Actor, operation: str, program_id: int | None) -> None:
    """
    Pass if `actor` may do `operation` in the program.

    Raises: NotAllowed (code "not_allowed"); UnknownProgram where the actor has nothing to do with the program at all, so
    that a program of others looks like one that does not exist.
    """
    if may(actor, operation, program_id):
        return
    row = find_operation(operation)
    if program_id is not None and not belongs(actor, program_id):
        raise UnknownProgram(program_id)
    if actor.token is not None:
        needed = f"This needs the scope {' or '.join(sorted(row.scopes))}." if row.scopes else "No API token may do this."
        raise NotAllowed("not_allowed", f"{row.title}: this token may not. Nothing was changed. {needed}")
    needed = f"This needs the role {' or '.join(Role(role).label for role in sorted(row.roles))}." if row.roles else ""
    raise NotAllowed("not_allowed", f"{row.title}: you may not. Nothing was changed. {needed}".rstrip())


def belongs(actor: Actor, program_id: int) -> bool:
    """Whether the actor has any right in the program."""
    if actor.token is not None:
        return actor.token.program_id == program_id
    return actor.is_system or actor.is_operator or program_id in actor.roles


def programs_of(actor: Actor) -> list[int]:
    """Ids of the programs that the actor has any right in, ascending; every program for an operator and the system."""
    if actor.token is not None:
        return [actor.token.program_id]
    if actor.is_operator or actor.is_system:
        return list(apps.get_model(settings.PROGRAM_MODEL)._default_manager.order_by("pk").values_list("pk", flat=True))
    return sorted(actor.roles)


def find_operation(operation: str) -> Operation:
    """The row of one operation; a programming error (KeyError with the remedy) if there is none."""
    try:
        return operations()[operation]
    except KeyError:
        raise KeyError(f"{operation} is not in {settings.PERMISSIONS_FILE}: add it there, or it stays refused") from None


@lru_cache(maxsize=1)
def operations() -> Mapping[str, Operation]:
    """Every operation by id, in the order of the file."""
    return parse(settings.PERMISSIONS_FILE.read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Operation]:
    """The text of permissions.yaml, checked; ImproperlyConfigured names the first row that is wrong."""
    rows = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a SafeLoader that refuses duplicate keys
    if not isinstance(rows, dict) or not rows:
        raise ImproperlyConfigured("permissions.yaml: expected a table of operations by id")
    parsed = {str(name): parse_operation(str(name), row) for name, row in rows.items()}
    seen: dict[str, str] = {}
    for operation in parsed.values():
        for route in operation.routes:
            if route in seen:
                raise ImproperlyConfigured(f"permissions.yaml: {route} is both {seen[route]} and {operation.id}")
            seen[route] = operation.id
    return parsed


def parse_operation(name: str, row: Any) -> Operation:
    """One checked row."""

    def refuse(problem: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"permissions.yaml: {name}: {problem}")

    if not isinstance(row, dict) or not isinstance(row.get("title"), str):
        raise refuse("expected a table with a title")
    if unknown := set(row) - KEYS:
        raise refuse(f"unknown key {sorted(unknown)[0]}")
    roles, scopes, open_to = frozenset(row.get("roles", ())), frozenset(row.get("scopes", ())), row.get("open_to", "")
    if bad := roles - set(Role.values):
        raise refuse(f"unknown role {sorted(bad)[0]}")
    if bad := scopes - set(Scope.values):
        raise refuse(f"unknown scope {sorted(bad)[0]}")
    if open_to not in OPEN_TO:
        raise refuse(f"open_to is {', '.join(OPEN_TO[1:])}, not {open_to}")
    if bool(open_to) == bool(roles or scopes):
        raise refuse("say who may: either roles and scopes, or open_to")
    routes = tuple(row.get("routes", ()))
    for route in routes:
        method, _, target = str(route).partition(" ")
        if method not in METHODS or not TARGET.fullmatch(target):
            raise refuse(f"{route!r} is not a route: write METHOD /path or METHOD and a URL name")
    return Operation(name, row["title"], roles, scopes, open_to, bool(row.get("writes", False)), routes)


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As in SafeLoader, duplicate keys refused."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise ImproperlyConfigured(f"permissions.yaml: {key} stands there twice (line {key_node.start_mark.line + 1})")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
