"""
The console's half of the exhaustive test: roles × pages × {own program, other program}, expected from permissions.yaml,
compared with the real answer. Every call is rolled back, so that all of them meet the same world.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import connection, reset_queries, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activity.models import Import, Member
from offers.models import Creative
from offers.services import bring_creative
from partners.models import Partner, Program
from partners.services import change_partner_state, save_contact, save_contract_terms
from plum_site.lib.access import ANYONE, OPERATOR, SIGNED_IN, Operation, operations
from plum_site.lib.admin import ADMINS
from plum_site.lib.choices import Role
from plum_site.lib.models import Job, Outbox, User
from plum_site.lib.signin import make_link_token
from reviews.models import (
    ApprovalRequest,
    CorrectiveAction,
    Flag,
    PartnerLink,
    PushRecipient,
    Replacement,
    ReplacementFile,
    Restatement,
    ReviewCycle,
    RuleVersion,
    Scorecard,
    Subscription,
)
from reviews.rules import default_policy
from reviews.selectors import list_rules_in_force, spec_of
from reviews.services import plan_policy_preview, plan_rule_preview, subscribe, unsubscribe_url
from reviews.services.actions import letter_url, opt_out_url
from tests.factories.jobs import run_due
from tests.factories.offers import picture
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import CREATED_AT
from tests.factories.tokens import make_token
from tests.factories.worlds import make_world
from tests.support.addresses import Address, walk
from tests.support.rows import Rows

pytestmark = pytest.mark.slow
PAGES = {address.target: address for address in walk() if not address.is_api}
ROUTES = {route: row for row in operations().values() for route in row.routes if route.partition(" ")[2] in PAGES}
REFUSED = {403, 404, 405}
SIGN_IN = "/console/login/"
WRITES = ("INSERT", "UPDATE", "DELETE")
KEPT_APART = ("django_session", "plum_user")  # signing in and out writes there
ROW_NAMES = ("pk", "object_id", "file_id")
# Names in addresses that stand for no row. Of the transitions, one that needs the operation under which the page is listed.
SPOKEN = {"app_label": "partners", "kind": "csv"}
PUSHES = {f"admin:reviews_correctiveaction_{name}" for name in ("push", "push_html", "ask_stop", "stop")}
PAGES_OF = {
    "admin:ask_timeline": Member,
    "admin:show_timeline": Member,
    **{f"admin:{name}_hold": Partner for name in ("ask", "save", "end")},
}
# Pages about a preview, by the name of the job that it is.
PREVIEWS = {
    "admin:reviews_rule_preview": "reviews.backtest_rule",
    "admin:reviews_rule_save": "reviews.backtest_rule",
    "admin:reviews_reviewpolicy_preview": "reviews.preview_policy",
    "admin:reviews_reviewpolicy_save": "reviews.preview_policy",
}
TRANSITIONS = {
    "admin:offers_offer_do": "submit",
    "admin:offers_listingdraft_do": "submit",
    "admin:partners_partner_do": "restore",
    "admin:reviews_datagap_do": "accept",
    "admin:reviews_correctiveaction_do": "cancel",
    "admin:reviews_approvalrequest_do": "confirm",
    "admin:reviews_flagcase_do": "acknowledge",
    "admin:reviews_replacement_do": "cancel",
    "admin:reviews_replacement_save": "contact",
    "admin:reviews_replacement_write": "contact",
}


@dataclass(frozen=True)
class Caller:
    """One person and what they are in the program looked at."""

    name: str
    user: User | AnonymousUser
    roles: frozenset[str] = frozenset()
    is_operator: bool = False

    def may(self, row: Operation) -> bool:
        """What the file says."""
        if row.open_to == ANYONE:
            return True
        if row.open_to == SIGNED_IN:
            return bool(self.roles) or self.is_operator
        if row.open_to == OPERATOR:
            return self.is_operator
        return bool(row.roles) if self.is_operator else not row.roles.isdisjoint(self.roles)


@dataclass(frozen=True)
class World:
    """Two programs with one of everything, and who knocks."""

    own: Program
    other: Program
    callers: list[Caller]


@pytest.fixture
def world(db: None) -> World:
    own, other = make_world("own", "1", date(2026, 6, 1)), make_world("other", "9", date(2026, 5, 1))
    for program in (own, other):
        furnish(program)
    staff = [Caller(role.value, make_member_of_staff(own, role), frozenset({role.value})) for role in Role]
    operator = Caller("operator", make_person("root", is_superuser=True), is_operator=True)
    return World(own, other, [*staff, operator])


def furnish(program: Program) -> None:
    """What a reviewed program does not have by itself."""
    partner = program.partners.get()
    change_partner_state(partner_id=partner.pk, name="put_on_notice", actor="system", at=CREATED_AT, comment="By rule.")
    save_contact(
        partner_id=partner.pk, name="Ann", email="ann@example.org", role="account", language="en", actor="system", at=CREATED_AT
    )
    save_contract_terms(
        partner_id=partner.pk, starts_date=date(2026, 1, 1), ends_date=None, summary="As usual", actor="system", at=CREATED_AT
    )
    bring_creative(program_id=program.pk, content=picture(), actor="system", at=CREATED_AT)
    make_token(program)
    make_member_of_staff(program, Role.ANALYST, f"worker in {program.code}")
    rows = Rows()
    card = Scorecard.objects.get(cycle__program=program)
    version = RuleVersion.objects.filter(rule__program=program).first()
    if not card.flags.exists():
        rows.make(Flag, scorecard=card, rule_version=version, metric=version.metric, evidence={})
    rows.make(Outbox, program_id=program.pk, channel="mail", dedup_key=program.code, message_id=program.code)
    rows.make(Import, program=program, created_by=User.objects.latest("pk"), kind="people", state="applied", **confirmed())
    rows.make(Job, program_id=program.pk, key=program.code)
    rows.make(ApprovalRequest, program=program)
    rows.make(Restatement, cycle=ReviewCycle.objects.get(program=program), reason="Late files.")
    subscribe(program_id=program.pk, email=f"{program.code}@example.org", actor="system", at=CREATED_AT)
    letter = {"kind": "contact_partner", "params": {"subject": "Hello", "text": "Look."}}
    action = rows.make(CorrectiveAction, program=program, partner=partner, **letter)
    push = {
        "offers": [partner.offers.first().external_id],
        "subject": "Hello",
        "text": "Look.",
        "channels": ["mail"],
        "hold_out_percent": 0,
        "pause_days": 0,
    }
    pushed = rows.make(CorrectiveAction, program=program, partner=partner, kind="promotional_push", params=push)
    rows.make(PushRecipient, action=pushed, member=Member.objects.filter(program=program).first())
    replaced = rows.make(CorrectiveAction, program=program, partner=partner, kind="replace_partner", params={})
    replacement = rows.make(Replacement, program=program, action=replaced, partner=partner)
    rows.make(ReplacementFile, replacement=replacement)
    rows.make(PartnerLink, action=action, cycle=None, expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    Job.objects.filter(program_id=program.pk, key__startswith="preview").delete()  # the one that the world made for the API
    preview_changes(program)


def preview_changes(program: Program) -> None:
    """A change of a rule and one of the policy that were looked at and not saved yet."""
    person = User.objects.latest("pk")
    Job.objects.filter(program_id=program.pk, name__in=PREVIEWS.values()).delete()  # the API's, which is none that can run
    [version, *_] = list_rules_in_force(program.pk)
    plan_rule_preview(
        program_id=program.pk, name="New", spec=replace(spec_of(version), code="new"), owner=None, actor=person, at=CREATED_AT
    )
    policy = replace(default_policy(program.stage_order), minimum_events=7)
    plan_policy_preview(program_id=program.pk, policy=policy, actor=person, at=CREATED_AT)
    assert run_due(program_id=program.pk, name__in=PREVIEWS.values()) == ["done", "done"]


def confirmed() -> dict[str, Any]:
    """What an import has that somebody confirmed."""
    return {"confirmed_by": User.objects.latest("pk"), "confirmed_at": CREATED_AT}


def test_everyone_on_every_page(world: World) -> None:
    wrong = []
    for route, row in ROUTES.items():
        for caller in world.callers:
            seen, status = knock(caller, route, world.own, world.own)
            fits = status < 400 and SIGN_IN not in seen if caller.may(row) else status in REFUSED
            if not fits:
                wrong.append(f"{caller.name}: {route}: {seen}; the file says {'yes' if caller.may(row) else 'no'}")
    assert not wrong, "\n".join(wrong)


def test_a_row_of_another_program_is_one_that_does_not_exist(world: World) -> None:
    wrong = []
    for route in ROUTES:
        if not set(PAGES[target_of(route)].names) & set(ROW_NAMES):
            continue
        for caller in world.callers:
            seen, status = knock(caller, route, world.own, world.other)
            if caller.is_operator and "plum_user" in route:
                continue  # people belong to no program: an operator sees all of them
            if status != 404 and not (status in REFUSED and not caller.may(ROUTES[route])):
                wrong.append(f"{caller.name}: {route}: {seen}")
    assert not wrong, "\n".join(wrong)


def test_strangers_are_sent_to_sign_in(world: World) -> None:
    wrong = []
    strangers = [Caller("nobody", AnonymousUser()), Caller("somebody without a role", make_person("stranger"))]
    for route, row in ROUTES.items():
        for caller in strangers:
            seen, status = knock(caller, route, world.own, world.own)
            fits = status < 400 if row.open_to == ANYONE or target_of(route) == "admin:logout" else SIGN_IN in seen
            if not fits:
                wrong.append(f"{caller.name}: {route}: {seen}")
    assert not wrong, "\n".join(wrong)


def test_methods_that_are_not_listed_change_nothing(world: World) -> None:
    wrong = []
    caller = next(caller for caller in world.callers if caller.is_operator)
    for target in PAGES:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if f"{method} {target}" in ROUTES:
                continue
            reset_queries()
            with CaptureQueriesContext(connection) as queries:
                seen, status = knock(caller, f"{method} {target}", world.own, world.own)
            written = [query["sql"] for query in queries if writes(query["sql"])]
            if written or status >= 500:
                wrong.append(f"{method} {target}: {seen}: {written[:1]}")
    assert not wrong, "\n".join(wrong)


def target_of(route: str) -> str:
    """A route without its method."""
    return route.partition(" ")[2]


def knock(caller: Caller, route: str, shown: Program, rows_of: Program) -> tuple[str, int]:
    """One request of a fresh session that shows a program, for a row of another or the same; undone afterwards."""
    method, _, target = route.partition(" ")
    with transaction.atomic():
        client = Client(raise_request_exception=False)
        if isinstance(caller.user, User):
            client.force_login(caller.user)
            session = client.session
            session["program"] = shown.pk
            session.save()
        path = reverse(target, kwargs=arguments(PAGES[target], rows_of))
        answer: HttpResponse = client.generic(method, path, **body_of(method, target, shown))
        transaction.set_rollback(True)
    return f"{answer.status_code} {answer.headers.get('Location', '')}".strip(), answer.status_code


def body_of(method: str, target: str, program: Program) -> dict[str, Any]:
    """What a POST must say before anything else is looked at."""
    if method == "POST" and target == "admin:switch_program":
        return {"data": f"program={program.pk}", "content_type": "application/x-www-form-urlencoded"}
    return {"data": "", "content_type": "application/x-www-form-urlencoded"} if method == "POST" else {}


def arguments(address: Address, program: Program) -> dict[str, Any]:
    """The row of a program that an address is about."""
    link = make_link_token(User.objects.filter(is_superuser=False).latest("pk"), datetime.now(UTC))
    if address.target == "unsubscribe":
        link = (
            unsubscribe_url(subscription=Subscription.objects.filter(program=program).latest("pk")).rstrip("/").rpartition("/")[2]
        )
    if address.target == "creative":
        return {"name": Creative.objects.get(program=program).name}
    if address.target == "push_opt_out":
        link = opt_out_url(PushRecipient.objects.filter(action__program=program).latest("pk")).rstrip("/").rpartition("/")[2]
    if address.target == "partner_card":
        letter = PartnerLink.objects.filter(action__program=program).latest("pk")
        link = letter_url(link=letter).rstrip("/").rpartition("/")[2]
    spoken = SPOKEN | {"token": link, "name": TRANSITIONS.get(address.target.replace("_done", "_do"), "")}
    return {name: first_row(address.target, program, name) if name in ROW_NAMES else spoken[name] for name in address.names}


def first_row(target: str, program: Program, name: str = "pk") -> int:
    """The first row, in the program, of the model that a console page is about, or of the file that its address names."""
    if name == "file_id":
        return int(ReplacementFile.objects.get(replacement__program=program).pk)
    if target in PREVIEWS:
        return int(Job.objects.get(program_id=program.pk, name=PREVIEWS[target]).pk)
    if target in PUSHES:
        return int(CorrectiveAction.objects.get(program=program, kind="promotional_push", recipients__isnull=False).pk)
    model = PAGES_OF.get(target) or apps.get_model(*target.removeprefix("admin:").split("_")[:2])
    path_to_program = "role_grants__program_id" if model is User else ADMINS[model].program_path if model in ADMINS else "program"
    row = model._default_manager.order_by("pk").filter(**{path_to_program: program.pk}).first()
    assert row is not None, f"{target}: the world has no {model.__name__}"
    return int(row.pk)


def writes(sql: str) -> bool:
    """Whether a statement changes something beside sessions."""
    return sql.upper().startswith(WRITES) and not any(table in sql for table in KEPT_APART)
